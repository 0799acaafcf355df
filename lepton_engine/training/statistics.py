"""Scores of a classifier with intervals, in the field's usual definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 1_000
BINS = 15

Counts = tuple[np.ndarray, np.ndarray, np.ndarray]


def accuracy(truth: np.ndarray, guess: np.ndarray, labels: int) -> float:
    """The share of right answers."""
    return float((truth == guess).mean())


def _counts(truth: np.ndarray, guess: np.ndarray, labels: int) -> Counts:
    right = np.bincount(truth[truth == guess], minlength=labels)
    return right, np.bincount(truth, minlength=labels), np.bincount(guess, minlength=labels)


def f1_per_class(truth: np.ndarray, guess: np.ndarray, labels: int) -> np.ndarray:
    """F1 of each class, 2 TP / (2 TP + FP + FN); 0 where a class is neither there nor guessed."""
    right, there, guessed = _counts(truth, guess, labels)
    return 2 * right / np.maximum(there + guessed, 1)  # type: ignore[no-any-return]


def macro_f1(truth: np.ndarray, guess: np.ndarray, labels: int) -> float:
    """The mean of the classes' F1 over the classes that are there."""
    return float(f1_per_class(truth, guess, labels)[np.unique(truth)].mean())


def weighted_f1(truth: np.ndarray, guess: np.ndarray, labels: int) -> float:
    """The classes' F1 weighted by how often each is there."""
    weights = np.bincount(truth, minlength=labels) / len(truth)
    return float((f1_per_class(truth, guess, labels) * weights).sum())


def interval(measure: Callable[[np.ndarray, np.ndarray, int], float], truth: np.ndarray,
             guess: np.ndarray, labels: int, seed: int) -> dict[str, float]:
    """A value with its 95 % percentile-bootstrap interval (Efron 1979; 1,000 resamples)."""
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        rows = generator.integers(0, len(truth), len(truth))
        values.append(measure(truth[rows], guess[rows], labels))
    low, high = np.percentile(values, [2.5, 97.5])
    return {"value": round(measure(truth, guess, labels), 4), "low": round(float(low), 4),
            "high": round(float(high), 4)}


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error in 15 bins of equal width (Naeini et al. 2015; Guo 2017)."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(right[bins == b].mean() - sure[bins == b].mean()) * (bins == b).mean()
            for b in range(BINS) if (bins == b).any()]
    return float(sum(gaps))


def coverage_curve(scores: np.ndarray, right: np.ndarray, points: int = 20,
                   ) -> list[dict[str, float]]:
    """Coverage and error among the accepted, for thresholds at even quantiles of the scores."""
    rows = []
    for quantile in np.linspace(0, 0.95, points):
        threshold = float(np.quantile(scores, quantile))
        taken = scores >= threshold
        rows.append({"threshold": round(threshold, 4), "coverage": round(float(taken.mean()), 4),
                     "error": round(float(1 - right[taken].mean()), 4)})
    return rows


def all_scores(probabilities: np.ndarray, truth: np.ndarray, labels: Sequence[str],
               seed: int) -> dict[str, Any]:
    """Every score of a held-out set, ready for a card."""
    guess, count = probabilities.argmax(axis=1), len(labels)

    def of_class(index: int) -> Callable[[np.ndarray, np.ndarray, int], float]:
        return lambda t, g, n: float(f1_per_class(t, g, n)[index])

    return {
        "n": len(truth),
        "accuracy": interval(accuracy, truth, guess, count, seed),
        "macro_f1": interval(macro_f1, truth, guess, count, seed),
        "weighted_f1": interval(weighted_f1, truth, guess, count, seed),
        "expected_calibration_error": round(calibration_error(probabilities, truth), 4),
        "f1_per_class": {name: interval(of_class(i), truth, guess, count, seed)
                         for i, name in enumerate(labels)},
    }
