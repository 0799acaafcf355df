"""The gate: how much a variant lost against its original, and whether that is too much.

Both predict the same examples, so the difference is resampled pairwise: the paired percentile
bootstrap (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 16; for
language tasks Koehn 2004, Statistical Significance Tests for Machine Translation Evaluation).
Examples that are alike in truth and both predictions are one cell, and a resample of n rows is
one draw from the multinomial over the cells: exactly the same distribution, without a loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lepton_engine.compression.verdicts import PASSED, REFUSED, UNDECIDABLE
from lepton_engine.errors import InputError

LOSS_POINTS = 0.5
HIGH_POINTS = 1.5
LEAST_N = 3_000
RESAMPLES = 2_000
#: Of the ten passages that the original finds first, the share that a variant must find too:
#: what stands behind retrieval (a threshold, a cross-encoder) was fitted on the original's ranks.
LEAST_OVERLAP = 0.9
#: Cells of counts that are held at once: 64 MB.
_MOST_COUNTS = 8_000_000

#: (resamples, cells) counts, truth and guess of each cell, number of classes -> (resamples,)
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Judgement:
    """What the gate says of one variant on one task; ``loss_points`` as in `Verdict`."""

    metric: str
    original: float
    value: float
    loss_points: float
    low: float
    high: float
    n: int
    decision: str
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def _accuracy(counts: np.ndarray, truth: np.ndarray, guess: np.ndarray, labels: int) -> np.ndarray:
    right = counts @ (truth == guess).astype(np.float64)
    return np.asarray(right / counts.sum(axis=1))


def _f1_and_there(counts: np.ndarray, truth: np.ndarray, guess: np.ndarray,
                  labels: int) -> tuple[np.ndarray, np.ndarray]:
    """F1 of each class and how often it is there, both (resamples, labels)."""
    classes = np.arange(labels)
    there = counts @ (truth[:, None] == classes).astype(np.float64)
    guessed = counts @ (guess[:, None] == classes).astype(np.float64)
    right = counts @ ((truth == guess)[:, None] & (truth[:, None] == classes)).astype(np.float64)
    return 2 * right / np.maximum(there + guessed, 1), there


def _macro_f1(counts: np.ndarray, truth: np.ndarray, guess: np.ndarray, labels: int) -> np.ndarray:
    f1, there = _f1_and_there(counts, truth, guess, labels)
    present = there > 0
    return np.asarray((f1 * present).sum(axis=1) / present.sum(axis=1))


def _weighted_f1(counts: np.ndarray, truth: np.ndarray, guess: np.ndarray,
                 labels: int) -> np.ndarray:
    f1, there = _f1_and_there(counts, truth, guess, labels)
    return np.asarray((f1 * there).sum(axis=1) / there.sum(axis=1))


def _mean(counts: np.ndarray, truth: np.ndarray, guess: np.ndarray, labels: int) -> np.ndarray:
    """Of values a row, such as hits: the truth is not needed."""
    return np.asarray(counts @ guess.astype(np.float64) / counts.sum(axis=1))


#: Metrics of class numbers against a truth, in the definitions of `training.statistics`.
OF_CLASSES: dict[str, Measure] = {
    "weighted F1": _weighted_f1, "macro F1": _macro_f1, "accuracy": _accuracy,
}
#: Means of values from 0 to 1, one a row, for which no truth is needed.
OF_VALUES: dict[str, Measure] = {
    "recall@10": _mean, "agreement": _mean, "top-10 overlap": _mean, "order agreement": _mean,
}


@dataclass(frozen=True)
class Difference:
    """Of a metric: both values, and what was lost in points with its 95 % interval."""

    original: float
    value: float
    loss_points: float
    low: float
    high: float


def paired_difference(original: np.ndarray, variant: np.ndarray, truth: np.ndarray | None,
                      metric: str, *, seed: int = 0, resamples: int = RESAMPLES) -> Difference:
    """The loss of ``variant`` with its paired bootstrap interval.

    ``original``, ``variant``, ``truth`` (n,): class numbers from 0 for a metric of classes;
    values from 0 to 1, and no truth, for a mean. Raises InputError for other shapes.
    """
    measure, columns = _columns(original, variant, truth, metric)
    cells, sizes = np.unique(columns, axis=0, return_counts=True)
    there, before, after = cells[:, 0], cells[:, 1], cells[:, 2]
    labels = int(cells.max()) + 1 if truth is not None else 0

    def both(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (measure(counts, there, before, labels), measure(counts, there, after, labels))

    first, second = both(sizes[None].astype(np.float64))
    draws = _resampled(sizes, resamples, seed, lambda counts: np.subtract(*both(counts)))
    low, high = np.percentile(draws, [2.5, 97.5]) * 100
    return Difference(float(first[0]), float(second[0]), float(first[0] - second[0]) * 100,
                      float(low), float(high))


def _columns(original: np.ndarray, variant: np.ndarray, truth: np.ndarray | None,
             metric: str) -> tuple[Measure, np.ndarray]:
    """The measure, and (n, 3): truth, original, variant."""
    measure = (OF_VALUES if truth is None else OF_CLASSES).get(metric)
    if measure is None:
        raise InputError(f"There is no metric “{metric[:40]}” for this kind of prediction. "
                         f"There are: {', '.join([*OF_CLASSES, *OF_VALUES])}.")
    there = np.zeros(len(original)) if truth is None else truth
    if not len(original) or not original.shape == variant.shape == there.shape \
            or original.ndim != 1:
        raise InputError("The predictions of the original and of the variant must be for the same "
                         "examples, and at least one.")
    return measure, np.stack([there, original, variant], axis=1)


def _resampled(sizes: np.ndarray, resamples: int, seed: int,
               measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``measure`` of that many resamples of the cells, in blocks that fit in memory."""
    generator = np.random.default_rng(seed)
    n, shares = int(sizes.sum()), sizes / sizes.sum()
    block = max(1, _MOST_COUNTS // len(sizes))
    parts = [measure(generator.multinomial(n, shares, size=min(block, resamples - start))
                     .astype(np.float64)) for start in range(0, resamples, block)]
    return np.concatenate(parts)


def judge(original: np.ndarray, variant: np.ndarray, truth: np.ndarray | None, metric: str, *,
          seed: int = 0, least_n: int = LEAST_N, held_out: bool = True) -> Judgement:
    """Measure the loss and decide. ``held_out`` False: nothing says what is right (texts
    without labels), so that nothing can be decided."""
    found = paired_difference(original, variant, truth, metric, seed=seed)
    decision, reason = decide(found, metric, len(original), least_n=least_n, held_out=held_out)
    return Judgement(metric, found.original, found.value, found.loss_points, found.low,
                     found.high, len(original), decision, reason)


def also_alike(judged: Judgement, overlap: float) -> Judgement:
    """Of retrieval: a variant that keeps the recall must also rank as the original does."""
    said = f"{judged.reason} It finds {overlap:.1%} of the original's first ten"
    if judged.decision != PASSED or overlap >= LEAST_OVERLAP:
        return replace(judged, reason=f"{said}.")
    return replace(judged, decision=REFUSED,
                   reason=f"{said}; at least {LEAST_OVERLAP:.0%} are wanted.")


def decide(found: Difference, metric: str, n: int, *, least_n: int = LEAST_N,
           held_out: bool = True) -> tuple[str, str]:
    """The decision and a sentence with every number that it rests on."""
    change = (f"{metric} {found.value:.4f} against {found.original:.4f} of the original: "
              f"{lost(found.loss_points)} "
              f"(95 % interval {found.low:.2f} to {found.high:.2f}, n = {n:,})")
    if not held_out:
        return UNDECIDABLE, (f"{change}; without labels this says how far the variant is from "
                             "the original, not which of the two is right.")
    if n < least_n:
        return UNDECIDABLE, f"{change}; a verdict needs at least {least_n:,} predictions."
    if found.loss_points > LOSS_POINTS:
        return REFUSED, f"{change}; the limit is {LOSS_POINTS:g} points."
    if found.high >= HIGH_POINTS:
        return REFUSED, (f"{change}; the interval reaches {HIGH_POINTS:g} points, so that more "
                         "than the limit may be lost.")
    return PASSED, (f"{change}; at most {LOSS_POINTS:g} points may be lost and the interval "
                    f"stays below {HIGH_POINTS:g}.")


def lost(points: float) -> str:
    """``0.27 points lost`` or ``0.12 points gained``."""
    return f"{abs(points):.2f} points {'gained' if points < -0.005 else 'lost'}"


def mcnemar(only_original: int, only_variant: int) -> float:
    """The exact two-sided p of McNemar's test (McNemar 1947; the binomial form).

    ``only_original``: examples that the original alone has right; ``only_variant`` likewise.
    1.0 where they never differ. Raises InputError for negative counts.
    """
    if only_original < 0 or only_variant < 0:
        raise InputError("McNemar's test counts examples, so no count is below 0.")
    differing = only_original + only_variant
    tail = sum(math.comb(differing, k) for k in range(min(only_original, only_variant) + 1))
    return float(min(1.0, 2 * tail / 2**differing))  # whole numbers up to the last division
