"""What a matching measurement is made of, without models: ranks, intervals, the rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2_000
SEED = 20261123
#: A set smaller than this cannot show a loss of one point: its interval is wider than that.
LARGE = 1_000
MOST_LOST = 0.01


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % percentile-bootstrap interval (Efron 1979)."""

    value: float
    low: float
    high: float

    def to_text(self, sign: str = "") -> str:
        return f"{self.value:{sign}.3f} ({self.low:{sign}.3f} to {self.high:{sign}.3f})"


def interval(values: np.ndarray) -> Interval:
    """Of the mean of one value a question; paired, when the values are differences."""
    draws = np.random.default_rng(SEED).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def first_ranks(questions: np.ndarray, passages: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The rank, from 1, of the best right passage for each question; infinite without one.

    ``questions`` (n, dimension) and ``passages`` (m, dimension) are of length 1; ``right``
    (n, m) says which passages count. A wrong passage that is just as near comes first.
    """
    near = questions @ passages.T
    best = np.where(right, near, -np.inf).max(axis=1)
    ahead = (~right & (near >= best[:, None])).sum(axis=1)
    return np.where(right.any(axis=1), ahead + 1.0, np.inf)


def shares(wanted: Sequence[Collection[str]], owners: Sequence[Collection[str]]) -> np.ndarray:
    """(wanted, owners): whether the two name something in common."""
    names = sorted({name for some in (*wanted, *owners) for name in some})
    index = {name: i for i, name in enumerate(names)}

    def table(rows: Sequence[Collection[str]]) -> np.ndarray:
        found = np.zeros((len(rows), len(names)), dtype=np.float32)
        for line, row in enumerate(rows):
            found[line, [index[name] for name in row]] = 1
        return found

    return table(wanted) @ table(owners).T > 0  # type: ignore[no-any-return]


def values(ranks: np.ndarray) -> dict[str, np.ndarray]:
    """One value a question for every measure."""
    return {"recall@1": (ranks <= 1) * 1.0, "recall@5": (ranks <= 5) * 1.0,
            "recall@10": (ranks <= 10) * 1.0, "MRR": 1 / ranks}


@dataclass(frozen=True, eq=False)
class Measured:
    """The ranks of one set under two encoders; ``main`` is the measure that decides.

    ``must_gain``: the adapter is made for this set.
    """

    name: str
    plain: np.ndarray
    adapted: np.ndarray | None = None
    main: str = "MRR"
    must_gain: bool = False

    def gain(self) -> Interval | None:
        """Adapted minus plain, question by question."""
        if self.adapted is None:
            return None
        return interval(values(self.adapted)[self.main] - values(self.plain)[self.main])

    def breach(self) -> str:
        """Why the set speaks against the adapter; empty when it does not."""
        gain = self.gain()
        if gain is None:
            return ""
        if self.must_gain:
            return "" if gain.low > 0 else f"{self.name}: no gain beyond chance"
        if len(self.plain) >= LARGE:
            return "" if gain.low > -MOST_LOST else f"{self.name}: may lose a point or more"
        return "" if gain.value >= 0 else f"{self.name}: loses"


def verdict(measured: Sequence[Measured]) -> tuple[bool, list[str]]:
    """Whether the adapter is kept, and what speaks against it. See ``matching.py``."""
    breaches = [text for text in (one.breach() for one in measured) if text]
    return not breaches, breaches


def rows(measured: Sequence[Measured]) -> list[tuple[str, ...]]:
    """A table's rows: one a set and encoder, and the gain."""
    found = []
    for one in measured:
        encoders: Mapping[str, np.ndarray | None] = {"plain": one.plain, "adapted": one.adapted}
        for encoder, ranks in encoders.items():
            if ranks is None:
                continue
            cells = [interval(v).to_text() for v in values(ranks).values()]
            gain = one.gain() if encoder == "adapted" else None
            found.append((one.name if encoder == "plain" else "", f"{len(ranks):,}", encoder,
                          *cells, f"{gain.to_text('+')} {one.main}" if gain else ""))
    return found
