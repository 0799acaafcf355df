"""Fits a head: regularised softmax regression, its temperature and its threshold."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Chosen by cross-validation on the training part alone; the strongest that does not lose.
STRENGTHS = (1.0, 3.0, 10.0, 30.0)
FOLDS = 4


@dataclass(frozen=True, eq=False)
class Linear:
    """``weight`` (outputs, dimension) and ``bias`` (outputs,) in float32."""

    weight: np.ndarray
    bias: np.ndarray
    strength: float


def fit_softmax(vectors: np.ndarray, truth: np.ndarray, seed: int,
                groups: np.ndarray | None = None) -> Linear:
    """Multinomial logistic regression (scikit-learn, lbfgs) with cross-validated strength."""
    return softmax_at(vectors, truth, _best_strength(vectors, truth, seed, groups))


def softmax_at(vectors: np.ndarray, truth: np.ndarray, strength: float) -> Linear:
    """The same with a strength that is known."""
    model = _logistic(strength).fit(vectors, truth)
    return Linear(model.coef_.astype(np.float32), model.intercept_.astype(np.float32), strength)


def _logistic(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # lbfgs starts from zeros and takes the rows in order: the same data give the same bytes.
    return LogisticRegression(C=strength, max_iter=400, tol=1e-5)


def _best_strength(vectors: np.ndarray, truth: np.ndarray, seed: int,
                   groups: np.ndarray | None) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

    least = int(np.bincount(truth).min())
    if least < FOLDS:
        return STRENGTHS[0]
    folds = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    parts = list(folds.split(vectors, truth, np.arange(len(truth)) if groups is None else groups))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = [cross_val_score(_logistic(c), vectors, truth, cv=parts,
                                  scoring="neg_log_loss").mean() for c in STRENGTHS]
    return STRENGTHS[int(np.argmax(scores))]


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature of least negative log-likelihood on a calibration set (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled).sum(axis=1))
        return float((total - scaled[np.arange(len(truth)), truth]).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found.x))


def threshold_for_coverage(scores: np.ndarray, coverage: float) -> float:
    """The score that this share of the texts reaches."""
    return float(np.quantile(scores, 1 - coverage))


def threshold_for_error(scores: np.ndarray, right: np.ndarray, error: float) -> float:
    """The lowest score above which at most this share of the accepted is wrong."""
    order = np.argsort(-scores)
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    within: Sequence[int] = np.nonzero(wrong <= error)[0].tolist()
    return float(scores[order[within[-1]]]) if within else float(scores.max())
