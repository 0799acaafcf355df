"""The index: how the labelled rows of each ticker scored, now and over time. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from math import sqrt
from typing import Any

from domains.financial_sentiment.headlines import moment

ROLLING = 5
# Two-sided 95 % quantiles of Student's t for 1..29 degrees of freedom; 1.96 beyond.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
        2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
        2.060, 2.056, 2.052, 2.048, 2.045)
FEWEST_FOR_INTERVAL = 3


@dataclass(frozen=True)
class Entry:
    """A ticker's mean score over ``n`` labelled rows.

    ``half_width`` is half the 95 % interval of the mean (Student's t), None below three
    rows, where it would say nothing.
    """

    ticker: str
    company: str
    mean: float
    n: int
    half_width: float | None


@dataclass(frozen=True)
class Point:
    """A ticker's index after one more headline: of all so far, and of the last five.

    ``time`` is UTC.
    """

    time: str
    ticker: str
    cumulative: float
    rolling: float
    n: int
    headline: str


def means(scored: Iterable[tuple[str | None, float | None]]) -> dict[str, float]:
    """ticker -> mean score; rows without ticker or score do not count."""
    groups: dict[str, list[float]] = defaultdict(list)
    for ticker, score in scored:
        if ticker and score is not None:
            groups[ticker].append(score)
    return {ticker: sum(scores) / len(scores) for ticker, scores in groups.items()}


def entries(rows: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """The index of rows (JSON), the most frequent ticker first, then the higher mean."""
    groups: dict[str, list[float]] = defaultdict(list)
    names: dict[str, str] = {}
    for row in _counted(rows):
        groups[row["ticker"]].append(row["score"])
        names.setdefault(row["ticker"], row.get("company") or "")
    found = [Entry(t, names[t], sum(s) / len(s), len(s), _half_width(s))
             for t, s in groups.items()]
    return sorted(found, key=lambda e: (-e.n, -e.mean, e.ticker))


def over_time(rows: Iterable[Mapping[str, Any]]) -> list[Point]:
    """One point for each labelled row that has a ticker and a time, by time."""
    timed = [row for row in _counted(rows) if row.get("published_at")]
    history: dict[str, list[float]] = defaultdict(list)
    points = []
    for row in sorted(timed, key=lambda r: moment(r["published_at"])):
        scores = history[row["ticker"]]
        scores.append(row["score"])
        last = scores[-ROLLING:]
        time = moment(row["published_at"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        points.append(Point(time, row["ticker"], sum(scores) / len(scores),
                            sum(last) / len(last), len(scores), row["headline"]))
    return points


def _counted(rows: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (row for row in rows if row.get("ticker") and row.get("score") is not None)


def _half_width(scores: list[float]) -> float | None:
    n = len(scores)
    if n < FEWEST_FOR_INTERVAL:
        return None
    mean = sum(scores) / n
    deviation = sqrt(sum((s - mean) ** 2 for s in scores) / (n - 1))
    return (_T95[n - 2] if n - 2 < len(_T95) else 1.96) * deviation / sqrt(n)
