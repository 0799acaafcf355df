"""What the recommendation domain hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from domains.base import Outcome
from domains.recommendation.chart import Point
from domains.recommendation.films import Film
from domains.recommendation.reasons import Reason

CONTEXT = 160  # characters of a passage kept on each side of a quote in a table


@dataclass(frozen=True)
class Item:
    """One recommended film.

    ``score`` is its match with the request relative to the other films: 1 is the best of
    all, 0 the middle one. ``introduction`` says whether a text about it is known.
    """

    id: str
    title: str
    year: int | None
    directors: tuple[str, ...]
    genres: tuple[str, ...]
    score: float
    reasons: tuple[Reason, ...]
    introduction: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(replace(self, reasons=tuple(_short(reason) for reason in self.reasons)))


@dataclass(frozen=True)
class Choice:
    """A film offered for a title that was not understood; ``label`` names it without doubt."""

    asked: str
    label: str
    title: str
    year: int | None
    directors: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Map:
    """``points`` in the plane; ``shown`` is the share of their variance that it keeps."""

    points: tuple[Point, ...] = ()
    shown: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class RecommendationOutcome(Outcome):
    """``items`` by falling score; ``alike`` is their mean pairwise similarity (-1..1).

    ``liked`` are the films understood, ``choices`` those to choose from where a title was
    not; ``diversity`` and ``n`` repeat the request.
    """

    items: tuple[Item, ...] = ()
    liked: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    query: str = ""
    n: int = 10
    diversity: float = 0.3
    alike: float | None = None
    map: Map = field(default_factory=Map)


def item_of(film: Film, score: float, reasons: Sequence[Reason]) -> Item:
    return Item(film.id, film.title, film.year, film.directors, film.genres, round(score, 4),
                tuple(reasons), bool(film.introduction))


def _short(reason: Reason) -> Reason:
    """The reason with the surroundings of its quote instead of the whole passage."""
    found = reason.evidence
    left = max(0, found.start - CONTEXT)
    passage = found.passage[left:found.end + CONTEXT]
    return replace(reason, evidence=replace(found, passage=passage, start=found.start - left,
                                            end=found.end - left))
