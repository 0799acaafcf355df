"""Checks a request; everything that is broken becomes a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lepton_engine.errors import InputError, LimitError
from lepton_engine.text import clean

MAX_LIKED = 20
MAX_TITLE = 300
MAX_QUERY = 4_000
MAX_ITEMS = 50


@dataclass(frozen=True)
class Request:
    """``liked``: titles as typed, each once; ``query``: one line of text or ""."""

    liked: tuple[str, ...]
    query: str
    n: int
    diversity: float


def checked(liked: Sequence[str], query: str, n: int, diversity: float) -> Request:
    """A request in order.

    Raises:
        InputError: nothing is given, or something of another type.
        LimitError: more or longer titles, a longer line, or numbers out of their range.
    """
    titles = _titles(liked)
    if not isinstance(query, str):
        raise InputError("`query` must be a text.")
    line = " ".join(clean(query).split())
    if len(line) > MAX_QUERY:
        raise LimitError(f"The line has {len(line):,} characters; at most {MAX_QUERY:,} are "
                         "read. Shorten it.")
    if not titles and not line:
        raise InputError("There is nothing to go by yet. Name a film that you like, or say in "
                         "one line what you are looking for.")
    if isinstance(n, bool) or not isinstance(n, int):
        raise InputError("`n` must be a whole number.")
    if not 1 <= n <= MAX_ITEMS:
        raise LimitError(f"A list has 1 to {MAX_ITEMS} films, not {n:,}.")
    return Request(titles, line, n, _diversity(diversity))


def _titles(liked: Sequence[str]) -> tuple[str, ...]:
    if isinstance(liked, str) or not isinstance(liked, Sequence):
        raise InputError("`liked` must be a list of titles.")
    if any(not isinstance(title, str) for title in liked):
        raise InputError("`liked` must be a list of titles, and each title a text.")
    titles = tuple(dict.fromkeys(
        title for title in (" ".join(clean(raw).split()) for raw in liked) if title))
    if len(titles) > MAX_LIKED:
        raise LimitError(f"At most {MAX_LIKED} liked films count; these are {len(titles):,}.")
    if any(len(title) > MAX_TITLE for title in titles):
        raise LimitError(f"A title has at most {MAX_TITLE} characters. Shorten it, or write it "
                         "as the line of text.")
    return titles


def _diversity(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError("`diversity` must be a number.")
    if not 0 <= value <= 1:
        raise LimitError(f"Diversity goes from 0 to 1; this is {value:.3g}.")
    return float(value)
