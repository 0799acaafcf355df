"""Scores of out-of-fold predictions, with intervals over groups of near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lepton_engine.training.statistics import RESAMPLES, calibration_error


def confusion_matrix(truth: np.ndarray, guess: np.ndarray, labels: int) -> np.ndarray:
    """int64 (labels, labels): rows are the true labels, columns the predicted ones."""
    cells = np.bincount(truth * labels + guess, minlength=labels * labels)
    return cells.reshape(labels, labels)


def _measures(cells: np.ndarray) -> dict[str, np.ndarray]:
    """Of confusion matrices (draws, labels, labels): accuracy, F1 by class, macro, weighted."""
    right = np.diagonal(cells, axis1=1, axis2=2)
    there, guessed = cells.sum(axis=2), cells.sum(axis=1)
    f1 = 2 * right / np.maximum(there + guessed, 1e-12)
    present = there > 0
    total = np.maximum(there.sum(axis=1), 1e-12)
    return {"accuracy": right.sum(axis=1) / total, "f1": f1,
            "macro_f1": (f1 * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1),
            "weighted_f1": (f1 * there).sum(axis=1) / total}


def _drawn(truth: np.ndarray, guess: np.ndarray, groups: np.ndarray, labels: int,
           seed: int) -> dict[str, np.ndarray]:
    """The measures of resamples of whole groups: near-duplicates are not independent, so
    drawing rows would make intervals too narrow (cluster bootstrap, Field and Welsh 2007)."""
    generator = np.random.default_rng(seed)
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    cell = truth * labels + guess
    used, column = np.unique(cell, return_inverse=True)
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, RESAMPLES, 50):  # fifty matrices at a time: 100 classes stay small
        drawn = np.zeros((min(50, RESAMPLES - start), labels * labels))
        for row in drawn:
            times = np.bincount(generator.integers(0, count, count), minlength=count)
            row[used] = np.bincount(column, weights=times[group], minlength=len(used))
        parts.append(_measures(drawn.reshape(-1, labels, labels)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _interval(value: float, draws: np.ndarray) -> dict[str, float]:
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def taught_scores(probabilities: np.ndarray, truth: np.ndarray, groups: np.ndarray,
                  names: Sequence[str], seed: int) -> dict[str, Any]:
    """Scores ready for a card. ``commonest`` is the share of the commonest label: what
    answering it always would get right."""
    guess, labels = probabilities.argmax(axis=1), len(names)
    cells = confusion_matrix(truth, guess, labels)
    own = _measures(cells[None].astype(float))
    draws = _drawn(truth, guess, groups, labels, seed)
    counts = cells.sum(axis=1)
    return {
        "n": len(truth),
        **{name: _interval(float(own[name][0]), draws[name])
           for name in ("accuracy", "macro_f1", "weighted_f1")},
        "expected_calibration_error": round(calibration_error(probabilities, truth), 4),
        "commonest": {"label": names[int(counts.argmax())],
                      "share": round(float(counts.max() / len(truth)), 4)},
        "f1_per_class": {name: {**_interval(float(own["f1"][0, i]), draws["f1"][:, i]),
                                "n": int(counts[i])} for i, name in enumerate(names)},
    }
