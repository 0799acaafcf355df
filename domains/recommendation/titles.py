"""Which film a typed title means: one, several, none, or one of which nothing is known."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from domains.recommendation.films import Film, Films
from domains.recommendation.introductions import fold
from domains.recommendation.joining import without_article

NEAREST = 5
_LEAST_PART = 4  # characters of a title that mean something
_LEAST_ALIKE = 0.6  # difflib's ratio; below it a suggestion only puzzles
# "Title (1994)" and "Title (1994, Director)", also with full-width brackets.
_NAMED = re.compile(r"^(.*\S)\s*[(（]\s*(\d{4})\s*(?:[,，]\s*([^()（）]+?)\s*)?[)）]$")


class Match(str, Enum):
    """How a typed title was understood."""

    FOUND = "found"
    SEVERAL = "several"
    UNKNOWN = "unknown"
    NOTHING_KNOWN = "nothing_known"


@dataclass(frozen=True)
class Title:
    """``film`` where it was found, else ``choices`` (possibly none) in the order to offer."""

    asked: str
    match: Match
    film: Film | None = None
    choices: tuple[Film, ...] = ()


class Titles:
    """Looks titles up among the listed films and the rows of the table.

    Exact titles win over other names of a listed film ("Les Quatre Cents Coups", "悲情城市"),
    and those over titles that differ by an article only; case and accents never count.
    """

    def __init__(self, films: Films) -> None:
        everything = (*films.listed, *films.others)
        self._exact = _index((fold(film.title), film) for film in everything)
        self._alias = _index((fold(name), film) for film in films.listed if film.usable
                             for name in film.aliases)
        self._bare = _index((without_article(film.title), film) for film in everything)
        self._listed = _index((without_article(film.title), film)
                              for film in films.recommendable)
        self._label_count: defaultdict[str, int] = defaultdict(int)
        for film in everything:
            self._label_count[fold(film.label)] += 1

    def label(self, film: Film) -> str:
        """The shortest name that means this film only."""
        if self._label_count[fold(film.label)] < 2 or not film.directors:
            return film.label
        return f"{film.title} ({film.year}, {film.directors[0]})"

    def find(self, asked: str) -> Title:
        """Understand one typed title (not empty)."""
        films = self._bearing(asked)
        if films:
            return self._among(asked, films)
        if named := _NAMED.match(asked):
            films = self._bearing(named[1])
            fitting = [film for film in films if film.usable and film.year == int(named[2])
                       and (not named[3] or _directed(film, named[3]))]
            if films:
                return self._among(asked, fitting or films, exact=bool(fitting))
        return Title(asked, Match.UNKNOWN, None, self.nearest(named[1] if named else asked))

    def nearest(self, asked: str) -> tuple[Film, ...]:
        """Films whose titles hold what was typed, then those most similar; listed ones first."""
        wanted = without_article(asked)
        found: list[Film] = []
        if len(wanted) >= _LEAST_PART:
            holding = [title for title in self._listed if f" {wanted}" in f" {title}"]
            found += [film for title in sorted(holding, key=len) for film in self._listed[title]]
        for index in (self._listed, self._alias, self._bare):
            close = difflib.get_close_matches(wanted, index, n=NEAREST, cutoff=_LEAST_ALIKE)
            found += [film for name in close for film in index[name]
                      if film.usable and film not in found]
            if len(found) >= NEAREST:
                break
        return tuple(found[:NEAREST])

    def _bearing(self, title: str) -> list[Film]:
        """Every film that bears a title, by the first rule that finds one."""
        for index, key in ((self._exact, fold(title)), (self._alias, fold(title)),
                           (self._bare, without_article(title))):
            if key and key in index:
                return index[key]
        return []

    def _among(self, asked: str, films: list[Film], *, exact: bool = True) -> Title:
        usable = [film for film in films if film.usable]
        if not usable:
            return Title(asked, Match.NOTHING_KNOWN)
        # A listed film of which nothing is known bears the title too, so ask even for one.
        if exact and len(films) == 1:
            return Title(asked, Match.FOUND, usable[0])
        ordered = sorted(usable, key=lambda film: (not film.listed, film.year or 0))
        return Title(asked, Match.SEVERAL, None, tuple(ordered))


def _directed(film: Film, name: str) -> bool:
    wanted = fold(name)
    return any(wanted in fold(director) for director in film.directors)


def _index(pairs: Iterable[tuple[str, Film]]) -> dict[str, list[Film]]:
    index: defaultdict[str, list[Film]] = defaultdict(list)
    for key, film in pairs:
        if key and film not in index[key]:
            index[key].append(film)
    return dict(index)
