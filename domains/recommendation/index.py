"""How near each film is to liked films and to a line of text.

A film's vector is the mean of the vectors of its telling sentences and its summary. The mean of
all films is taken away ("centring", Suzuki et al. 2013, Centering Similarity Measures to
Reduce Hubs), and a film that is near to everything is marked down by its mean similarity to
its ten nearest (CSLS, Conneau et al. 2018, Word Translation Without Parallel Data), so that
no film is in everybody's list.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from domains.recommendation.films import Film
from domains.recommendation.introductions import fold
from domains.recommendation.vectors import FACTS, Passages
from domains.recommendation.words import Vocabulary

NEIGHBOURS = 10  # of CSLS
# What shared people and genres add to a cosine; chosen on the development set so that a
# director's films come first among equals but do not fill the list.
PEOPLE, GENRES = 0.25, 0.25
DIRECTOR, LEAD, OTHER_CAST = 1.0, 0.6, 0.15
ANY_CAST = 0.3  # where nothing says who plays a leading part
SUMMARY_ONLY = 0.4  # of the cosine where a liked film has no introduction: a summary says little
SAMPLE = 20  # every so many passages stands for a line that a person might write
# A query: the best sentence counts most; the share of its words and the whole film help.
WORDS, WHOLE = 0.25, 0.30


class FilmIndex:
    """Similarities over the recommendable films; every array is in their order."""

    def __init__(self, films: Sequence[Film], passages: Passages, vectors: np.ndarray) -> None:
        self.films = tuple(films)
        self.passages = passages
        self.vectors = vectors
        self.number = {film.id: i for i, film in enumerate(self.films)}
        self.whole = _unit(_means(vectors, passages, len(self.films)))
        self._told = np.array([bool(film.introduction) for film in self.films])
        self._mean = _mean(self.whole[self._told], self.whole)
        self._mean_facts = _mean(vectors[passages.place == FACTS], self.whole)
        centre = np.where(self._told[:, None], self._mean, self._mean_facts)
        self.centred = _unit(self.whole - centre)
        self.similar = self.centred @ self.centred.T
        self._hubness = _nearest_mean(self.similar)
        self._words = Vocabulary([f"{film.facts} {film.introduction}" for film in self.films])
        self.commonness = self._commonness()
        self._rarity = _rarity(self.films)
        self._directed, self._played = _by_person(self.films)

    def outside(self, facts: np.ndarray) -> np.ndarray:
        """The centred vector of a film that is not in the index, from its summary's."""
        vector: np.ndarray = _unit((facts - self._mean_facts)[None])[0]
        return vector

    def liked(self, films: Sequence[Film], vectors: Sequence[np.ndarray]) -> np.ndarray:
        """float32 (films,): nearness to the liked ones, half their mean and half the nearest.

        ``vectors`` are the liked films' centred vectors.
        """
        rows = np.stack([self._near(film, vector)
                         for film, vector in zip(films, vectors, strict=True)])
        near: np.ndarray = (rows.mean(axis=0) + rows.max(axis=0)) / 2
        return near

    def _near(self, film: Film, vector: np.ndarray) -> np.ndarray:
        content = self.centred @ vector - self._hubness / 2
        content = content if film.introduction else content * SUMMARY_ONLY
        genres = np.array([self.genres(film, other) for other in self.films])
        return np.asarray(content + PEOPLE * self.people(film) + GENRES * genres,
                          dtype=np.float32)

    def people(self, film: Film) -> np.ndarray:
        """People shared with each film, 0..1: directors, leading players, other cast."""
        value = np.zeros(len(self.films), dtype=np.float32)
        for other in {i for name in film.directors for i in self._directed[fold(name)]}:
            value[other] += DIRECTOR
        leads = {fold(name) for name in film.leads}
        rest = OTHER_CAST if leads else ANY_CAST
        for name in {fold(name) for name in film.cast}:
            for other, leading in self._played[name].items():
                value[other] += LEAD if leading or name in leads else rest
        return np.minimum(value, 1.0)

    def genres(self, one: Film, other: Film) -> float:
        """Shared genres over all of both, each weighed by its rarity; 0..1.

        The 1 below the line keeps two films that are only "Drama" from being alike by that.
        """
        both, either = set(one.genres) & set(other.genres), set(one.genres) | set(other.genres)
        total = sum(self._rarity.get(genre, 0.0) for genre in either)
        return sum(self._rarity.get(genre, 0.0) for genre in both) / (total + 1.0)

    def asked(self, query: str, vector: np.ndarray) -> np.ndarray:
        """float32 (films,): nearness to a line of text, by this index's own model."""
        best = self.best(self.vectors @ vector)
        return np.asarray(best + WORDS * self._words.shares(query)
                          + WHOLE * (self.whole @ vector), dtype=np.float32)

    def _commonness(self) -> np.ndarray:
        """How near each film's best passage is to any passage of others, from the mean film.

        Short titles that are exclamations are near to every greeting; a line's certainty is
        judged with half of this taken away.
        """
        sample = np.arange(0, len(self.vectors), SAMPLE)
        near = np.stack([self.best(self.vectors @ self.vectors[row]) for row in sample])
        near[np.arange(len(sample)), self.passages.owner[sample]] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a film alone has no others
            mean = np.nan_to_num(np.nanmean(near, axis=0))
        return np.asarray(mean - mean.mean(), dtype=np.float32)

    def best(self, by_passage: np.ndarray) -> np.ndarray:
        """The highest value of each film's passages."""
        highest = np.full(len(self.films), -1.0, dtype=np.float32)
        np.maximum.at(highest, self.passages.owner, by_passage.astype(np.float32))
        return highest

    def nearest_place(self, number: int, vector: np.ndarray) -> tuple[int, float]:
        """The place (a sentence or ``FACTS``) of a film that is nearest, and its cosine."""
        rows = np.flatnonzero(self.passages.owner == number)
        told = rows[self.passages.place[rows] != FACTS]
        rows = told if len(told) else rows
        near = self.vectors[rows] @ vector
        top = int(np.argmax(near))
        return int(self.passages.place[rows[top]]), float(near[top])

    def nearest_pair(self, number: int, other: int) -> tuple[int, int, float] | None:
        """The places of the nearest sentences of two films' stories, and their cosine.

        None where the introduction of one of them tells no story.
        """
        rows, columns = self._story(number), self._story(other)
        if not len(rows) or not len(columns):
            return None
        near = self.vectors[rows] @ self.vectors[columns].T
        i, j = np.unravel_index(int(np.argmax(near)), near.shape)
        place = self.passages.place
        return int(place[rows[i]]), int(place[columns[j]]), float(near[i, j])

    def _story(self, number: int) -> np.ndarray:
        mine = self.passages.owner == number
        return np.flatnonzero(mine & (self.passages.weight > 1))


def shared(some: Sequence[str], others: Sequence[str]) -> list[str]:
    """Names that stand in both, compared without case and accents, as written first."""
    known = {fold(name) for name in others}
    return [name for name in some if fold(name) in known]


def relative(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """0 for the middle film of ``among`` and below, 1 for the best of them."""
    middle, top = float(np.median(values[among])), float(values[among].max())
    span = top - middle
    if span <= 0:
        return np.zeros_like(values)
    scaled: np.ndarray = np.clip((values - middle) / span, 0.0, 1.0)
    return scaled


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 1e-9, length, 1.0), dtype=np.float32)


def _means(vectors: np.ndarray, passages: Passages, count: int) -> np.ndarray:
    """Each film's weighted mean, up to its length."""
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float64)
    np.add.at(sums, passages.owner, vectors * passages.weight[:, None])
    return sums


def _mean(rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The mean row; zeros where there are too few rows for a mean to say anything."""
    mean = rows.mean(axis=0) if len(rows) > 2 else np.zeros(like.shape[1])
    return np.asarray(mean, dtype=np.float32)


def _nearest_mean(similar: np.ndarray) -> np.ndarray:
    """Each film's mean similarity to its nearest ones (without itself)."""
    others = similar.copy()
    np.fill_diagonal(others, -np.inf)
    k = min(NEIGHBOURS, len(others) - 1)
    if k < 1:
        return np.zeros(len(others), dtype=np.float32)
    nearest: np.ndarray = np.partition(others, -k, axis=1)[:, -k:].mean(axis=1)
    return nearest


def _rarity(films: Sequence[Film]) -> dict[str, float]:
    counts = Counter(genre for film in films for genre in film.genres)
    return {genre: math.log((len(films) + 1) / count) for genre, count in counts.items()}


def _by_person(films: Sequence[Film]) -> tuple[defaultdict[str, list[int]],
                                               defaultdict[str, dict[int, bool]]]:
    """Who directed which films; who played in which, and whether in a leading part."""
    directed: defaultdict[str, list[int]] = defaultdict(list)
    played: defaultdict[str, dict[int, bool]] = defaultdict(dict)
    for number, film in enumerate(films):
        for name in film.directors:
            directed[fold(name)].append(number)
        leads = {fold(name) for name in film.leads}
        for name in film.cast:
            played[fold(name)][number] = fold(name) in leads
    return directed, played
