"""Teaches a linear head from a few labelled texts and tells what may be expected of it.

Everything that is told comes from predictions on texts that the predicting model did not see,
in folds that keep near-duplicates together. The strength of the regularisation and the
temperature of a fold's predictions are chosen on the other folds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter
from typing import Any

import numpy as np

from lepton_engine.errors import InputError
from lepton_engine.fitted import Fitted, Mistake
from lepton_engine.results import Embeddings, Stamp
from lepton_engine.telling import Tell
from lepton_engine.training.fitting import STRENGTHS, Linear, threshold_for_error
from lepton_engine.training.heads import Head
from lepton_engine.training.lessons import Lesson, Reader, lesson, reader_of
from lepton_engine.training.near import near_groups
from lepton_engine.training.taught_scores import confusion_matrix, taught_scores

FOLDS = 5
#: Few examples want less regularisation than the shipped heads' thousands.
LADDER = (*STRENGTHS, 100.0)
ACCEPTED_ERROR = 0.15
MOST_MISTAKES = 20
#: The bias of a label that a training part lacks: its probability is next to nothing.
ABSENT = -20.0
#: Texts in one call: so many that the engine does not keep their vectors in its cache.
PART = 512
Embed = Callable[[Sequence[str], str, str | None], Embeddings]
"""``embed(texts, trunk, recipe)``; None: the profile's."""
_fitting = threading.Lock()  # one at a time: the limit on threads is the whole process's


@dataclass(frozen=True, eq=False)
class Predicted:
    """Out-of-fold ``probabilities`` (n, labels) and the ``strength`` and ``temperature`` that
    all folds together chose."""

    probabilities: np.ndarray
    strength: float
    temperature: float


def teach(embed: Embed, name: str, texts: Sequence[str], labels: Sequence[str], seed: int,
          tell: Tell) -> Fitted:
    """A classifier with its cross-validated scores. ``tell`` may raise to stop the work.

    Raises:
        InputError, LimitError: what `lessons` refuses.
    """
    started = perf_counter()
    tell("reading", 0.0)
    given = lesson(texts, labels)
    reader = reader_of(given.texts)
    vectors, stamps = _vectors(embed, given, reader.trunk, tell)
    truth = np.array([given.names.index(label) for label in given.labels])
    groups = near_groups(given.texts, vectors)
    if len(np.unique(groups)) < 2:
        raise InputError("All texts are nearly the same, so nothing can be learned from them. "
                         "Add different ones.")
    with _fitting, _one_thread():
        found = _cross_validated(vectors, truth, groups, len(given.names), seed, tell)
        tell("fitting", 0.9)
        head = _head(vectors, truth, given.names, reader.trunk, found)
    tell("scores", 0.95)
    recipe = _recipe_of(stamps[0])
    card = _card(name, given, reader, recipe, groups, found, truth, head.threshold, seed)
    stamp = Stamp.combined([_named(s, reader.trunk, name) for s in stamps],
                           (perf_counter() - started) * 1000)

    def again(wanted: Sequence[str], other: str | None) -> Embeddings:
        return embed(wanted, reader.trunk, other or recipe)

    return Fitted(name, head, card, stamp, _mistakes(given, truth, found.probabilities), again)


def _one_thread() -> Any:
    """Small matrix products on one thread: on two cores that others use as well, the threads
    of the linear algebra waited for each other and took 20 times as long (2026-11-24)."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    return threadpool_limits(1, "blas")


def _named(stamp: Stamp, trunk: str, name: str) -> Stamp:
    return replace(stamp, variant=stamp.variant.replace(trunk, f"{trunk}+{name}", 1))


def _recipe_of(stamp: Stamp) -> str:
    """``int8`` of ``minilm-l6/int8@openvino:cpu``: what really served."""
    return stamp.variant.partition("@")[0].partition("/")[2] or "original"


def _vectors(embed: Embed, given: Lesson, trunk: str,
             tell: Tell) -> tuple[np.ndarray, list[Stamp]]:
    parts: list[Embeddings] = []
    recipe: str | None = None
    for start in range(0, len(given.texts), PART):
        tell("vectors", 0.05 + 0.45 * start / len(given.texts))
        parts.append(embed(given.texts[start:start + PART], trunk, recipe))
        recipe = _recipe_of(parts[0].stamp)  # all parts by the variant that served the first
    return np.concatenate([part.vectors for part in parts]), [part.stamp for part in parts]


def _ladder(vectors: np.ndarray, truth: np.ndarray, labels: int) -> Iterator[Linear]:
    """Softmax regression at each strength, ascending, each begun where the last one ended."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(truth)
    weight = np.zeros((labels, vectors.shape[1]), np.float32)
    bias = np.full(labels, ABSENT, np.float32)
    model = LogisticRegression(max_iter=400, tol=1e-4, warm_start=True)
    for strength in LADDER:
        if len(present) > 1:
            model.set_params(C=strength).fit(vectors, truth)
            rows, ends = model.coef_, model.intercept_
            if len(present) == 2:  # one row for both; its halves as a softmax are the same
                rows, ends = np.concatenate([-rows, rows]) / 2, np.concatenate([-ends, ends]) / 2
            weight[present], bias[present] = rows, ends
        else:
            bias[present] = 0.0
        yield Linear(weight.copy(), bias.copy(), strength)


def _cross_validated(vectors: np.ndarray, truth: np.ndarray, groups: np.ndarray, labels: int,
                     seed: int, tell: Tell) -> Predicted:
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, len(np.unique(groups)))
    folds = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    parts = [test for _, test in folds.split(vectors, truth, groups)]
    logits = np.zeros((len(LADDER), len(truth), labels), np.float32)
    for number, held_out in enumerate(parts):
        train = np.setdiff1d(np.arange(len(truth)), held_out)
        for step, linear in enumerate(_ladder(vectors[train], truth[train], labels)):
            share = (number + step / len(LADDER)) / count
            tell(f"fold {number + 1} of {count}", 0.5 + 0.4 * share)
            logits[step, held_out] = vectors[held_out] @ linear.weight.T + linear.bias
    return _chosen(logits, truth, parts)


def _chosen(logits: np.ndarray, truth: np.ndarray, parts: Sequence[np.ndarray]) -> Predicted:
    """Each part's predictions at the strength and temperature that the other parts choose."""
    rows = np.arange(len(truth))
    # A label that a training part lacked says nothing about the temperature.
    usable = logits[0, rows, truth] > ABSENT / 2
    if not usable.any():
        usable[:] = True
    warm = [_temperature(step[usable], truth[usable]) for step in logits]
    losses = np.stack([-np.log(np.maximum(_softmax(step / t)[rows, truth], 1e-12))
                       for step, t in zip(logits, warm, strict=True)])
    probabilities = np.zeros_like(logits[0])
    for part in parts:
        others = np.setdiff1d(rows, part)
        best = int(losses[:, others].mean(axis=1).argmin())
        fair = others[usable[others]]
        temperature = _temperature(logits[best, fair], truth[fair]) if len(fair) else 1.0
        probabilities[part] = _softmax(logits[best, part] / temperature)
    best = int(losses.mean(axis=1).argmin())
    return Predicted(probabilities, LADDER[best], warm[best])


def _temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """As `fitting.fit_temperature`, with targets a little short of certainty (Platt 1999): a few
    texts that are all told rightly would else ask for a temperature of nothing."""
    from scipy.optimize import minimize_scalar

    doubt = 1 / (len(truth) + 2)
    own = logits[np.arange(len(truth)), truth]
    target = (1 - doubt) * own + doubt * logits.mean(axis=1)

    def loss(log_temperature: float) -> float:
        scale = float(np.exp(-log_temperature))
        most = logits.max(axis=1)
        total = np.log(np.exp((logits - most[:, None]) * scale).sum(axis=1)) + most * scale
        return float((total - target * scale).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found.x))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def _head(vectors: np.ndarray, truth: np.ndarray, names: tuple[str, ...], trunk: str,
          found: Predicted) -> Head:
    """Fitted on everything, at the strength that cross-validation chose."""
    linear = next(step for step in _ladder(vectors, truth, len(names))
                  if step.strength == found.strength)
    sure, right = _sure(found.probabilities, truth)
    return Head(names, trunk, linear.weight, linear.bias, found.temperature,
                threshold_for_error(sure, right, ACCEPTED_ERROR))


def _sure(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == truth


def _mistakes(given: Lesson, truth: np.ndarray, probabilities: np.ndarray) -> tuple[Mistake, ...]:
    """The most confident of the wrong ones first."""
    sure, right = _sure(probabilities, truth)
    guess = probabilities.argmax(axis=1)
    worst = sorted(np.nonzero(~right)[0].tolist(), key=lambda i: (-sure[i], i))[:MOST_MISTAKES]
    return tuple(Mistake(given.rows[i], given.texts[i], given.labels[i], given.names[guess[i]],
                         float(sure[i]), float(probabilities[i, truth[i]])) for i in worst)


def _card(name: str, given: Lesson, reader: Reader, recipe: str, groups: np.ndarray,
          found: Predicted, truth: np.ndarray, threshold: float, seed: int) -> dict[str, Any]:
    """Facts without any of the texts."""
    names = given.names
    sure, right = _sure(found.probabilities, truth)
    taken = sure >= threshold
    lone = [label for i, label in enumerate(names) if len(np.unique(groups[truth == i])) < 2]
    return {
        "name": name, "task": "Taught by a user", "languages": list(reader.languages),
        "method": "multinomial logistic regression on frozen, pooled sentence vectors",
        "trunk_name": reader.trunk, "recipe": recipe, "seed": seed,
        "trained_at": datetime.now(UTC).date().isoformat(),
        "regularisation_strength_C": found.strength,
        "examples": {"n": len(truth), "duplicates_dropped": given.dropped,
                     "groups": len(np.unique(groups)), "not_read": reader.foreign,
                     "language_read": reader.read, "one_group": lone},
        "split": {"by": f"cross-validation in {min(FOLDS, len(np.unique(groups)))} parts, "
                        "near-duplicates together"},
        "scores": taught_scores(found.probabilities, truth, groups, names, seed),
        "confusion": confusion_matrix(truth, found.probabilities.argmax(axis=1),
                                      len(names)).tolist(),
        "score": "highest probability",
        "threshold_rule": f"at most {ACCEPTED_ERROR:.0%} wrong among the accepted, on the "
                          "cross-validated predictions",
        "at_threshold": {"n": len(truth), "coverage": round(float(taken.mean()), 4),
                         "error": round(float(1 - right[taken].mean()), 4),
                         "error_without_threshold": round(float(1 - right.mean()), 4)},
        "versions": {p: version(p) for p in ("numpy", "scikit-learn", "scipy")},
    }
