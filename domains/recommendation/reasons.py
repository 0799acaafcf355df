"""Why a film is listed: only facts that stand in the data, each with where it stands.

A reason is one of a table: shared director, shared players, the nearest sentence of the
film's introduction (for a liked film together with that film's own sentence), shared genres,
the same decade, or the film's facts (where no introduction is known). Each carries the names
it speaks of and the evidence to check it by; the sentence itself comes from the page's texts,
so that a view can say it in its language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from domains.recommendation.films import TABLE_SOURCE, TEXT_SOURCE, Film
from domains.recommendation.index import FilmIndex, shared
from domains.recommendation.introductions import fold
from domains.recommendation.story import telling
from domains.recommendation.vectors import FACTS
from domains.shared.texts import Texts
from lepton_engine.results import Evidence

MOST = 3  # reasons for one film
MOST_NAMES = 3  # in one reason
LEAST_NEAR = 0.3  # cosine of two sentences; below it any better reason stands alone


@dataclass(frozen=True)
class Reason:
    """``kind``: director, cast, sentence, pair, genre, decade or facts.

    ``film`` is the liked film that it speaks of ("" for the line of text), ``values`` the
    names, genres or the decade; ``text`` says it in the language of the question.
    """

    kind: str
    film: str
    values: tuple[str, ...]
    text: str
    evidence: Evidence

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Wish:
    """What a film is compared with: a liked film (its label) or the line of text ("").

    ``vector`` is by the model of ``index`` (the line of text may take another model).
    """

    label: str
    vector: np.ndarray
    index: FilmIndex
    film: Film | None = None


def reason_text(say: Texts, lang: str, kind: str, film: str, values: Sequence[str]) -> str:
    """The sentence of a reason in a language; ``kind`` and ``values`` as in ``Reason``."""
    key = f"reason.{kind}" if film else f"reason.{kind}_query"
    first, second = (*values, "", "")[:2]
    return say(lang, key, film=film, values=say(lang, "reason.comma").join(values), first=first,
               second=second)


Found = tuple[str, str, tuple[str, ...], Evidence]


def reasons_for(film: Film, number: int, wishes: Sequence[Wish], say: Texts,
                lang: str) -> tuple[Reason, ...]:
    """At most ``MOST`` reasons for the film with this number, the strongest first."""
    liked = [wish for wish in wishes if wish.film is not None]
    asked = [wish for wish in wishes if wish.film is None]
    people, weaker = _people(film, liked), _weaker(film, liked)
    near = _near_line(film, number, asked[0]) if asked else _near_story(film, number, liked)
    if not asked and (near[0] == "facts" or near[3].score < LEAST_NEAR) and (people or weaker):
        found = [*people, *weaker]
    else:
        found = [*people, near, *weaker]
    return tuple(Reason(kind, label, values, reason_text(say, lang, kind, label, values), evidence)
                 for kind, label, values, evidence in found[:MOST])


def _people(film: Film, liked: Sequence[Wish]) -> list[Found]:
    """Shared directors, else shared players, with the liked film that shares most."""
    found: list[Found] = []
    for kind in ("director", "cast"):
        best: tuple[str, list[str]] = ("", [])
        for wish in liked:
            assert wish.film is not None
            names = (shared(film.directors, wish.film.directors) if kind == "director"
                     else _players(film, wish.film))
            if len(names) > len(best[1]):
                best = (wish.label, names)
        if best[1]:
            told = tuple(best[1][:MOST_NAMES])
            found.append((kind, best[0], told, _fact(film, kind, told[0])))
    return found


def _players(film: Film, other: Film) -> list[str]:
    """Shared players, those whom an introduction names first."""
    leads = {fold(name) for name in (*film.leads, *other.leads)}
    return sorted(shared(film.cast, other.cast), key=lambda name: fold(name) not in leads)


def _near_line(film: Film, number: int, wish: Wish) -> Found:
    """The sentence of the film that is nearest to the line of text."""
    place, score = wish.index.nearest_place(number, wish.vector)
    if place == FACTS:
        return ("facts", "", (), _row(film, film.facts, score))
    return ("sentence", "", (telling(film)[place].text,), _sentence(film, place, score))


def _near_story(film: Film, number: int, liked: Sequence[Wish]) -> Found:
    """The sentence of the film's story nearest to one of a liked film's, and that one."""
    best: Found | None = None
    for wish in liked:
        if not film.introduction or not wish.film or not wish.film.introduction:
            continue
        pair = wish.index.nearest_pair(number, wish.index.number[wish.film.id])
        if pair is None:
            continue
        place, there, score = pair
        if best is None or best[3].score < _share(score):
            said = (telling(film)[place].text, telling(wish.film)[there].text)
            best = ("pair", wish.label, said, _sentence(film, place, score))
    return best or _alike_facts(film, number, liked)


def _alike_facts(film: Film, number: int, liked: Sequence[Wish]) -> Found:
    """Year, genres and people of both come near, where an introduction is missing."""
    near = [(float(wish.index.whole[number] @ wish.vector), wish.label) for wish in liked]
    score, label = max(near)
    if film.table_id:
        return ("facts", label, (), _row(film, film.facts, score))
    return ("facts", label, (), _sentence(film, 0, score))


def _weaker(film: Film, liked: Sequence[Wish]) -> list[Found]:
    """Shared genres and the same decade; facts, but of many films."""
    found: list[Found] = []
    genres, label = max(((tuple(shared(film.genres, wish.film.genres)), wish.label)
                         for wish in liked if wish.film), key=lambda row: len(row[0]),
                        default=((), ""))
    if genres:
        found.append(("genre", label, genres, _fact(film, "genre", genres[0])))
    for wish in liked:
        if wish.film and film.decade and film.decade == wish.film.decade:
            decade = (str(film.decade),)
            found.append(("decade", wish.label, decade, _fact(film, "decade", str(film.year))))
            break
    return found


def _sentence(film: Film, place: int, score: float) -> Evidence:
    span = telling(film)[place]
    return Evidence(TEXT_SOURCE, film.label, "", span.text, _share(score),
                    film.introduction, span.start, span.end)


def _fact(film: Film, kind: str, value: str) -> Evidence:
    """Where a fact stands: the film's row of the table, else its introduction.

    Directors and genres of a joined film are the table's; its players and its year are
    quoted from the introduction where they stand there.
    """
    start = film.introduction.find(value)
    if film.table_id and (kind in ("director", "genre") or start < 0):
        return _row(film, value, 1.0)
    end = start + len(value)
    if start < 0:  # "Joel and Ethan Coen", "a comedy": the sentence that says it
        first = telling(film)[0]
        start, end = first.start, first.end
    return Evidence(TEXT_SOURCE, film.label, "", film.introduction[start:end], 1.0,
                    film.introduction, start, end)


def _row(film: Film, quote: str, score: float) -> Evidence:
    """A quote from the film's facts line, which is its row of the table."""
    start = max(0, film.facts.find(quote))
    return Evidence(TABLE_SOURCE, film.label, "", quote, _share(score), film.facts, start,
                    start + len(quote))


def _share(score: float) -> float:
    return max(0.0, min(1.0, float(score)))
