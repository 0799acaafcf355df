"""How each shipped head is made: one row a head, one function a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lepton_engine.training import data, fitting, statistics
from lepton_engine.training.heads import Head

Embed = Callable[[Sequence[str]], np.ndarray]
TRUNK = "minilm-l6"
ACCEPTED_ERROR = 0.15
KEPT_IN_SCOPE = 0.95


@dataclass(frozen=True)
class Source:
    """A data set as a card names it."""

    name: str
    licence: str
    citation: str


TFNS = Source("Twitter Financial News Sentiment 1.0.0, training split", "MIT",
              "zeroshot/twitter-financial-news-sentiment")
BANKING77 = Source("Banking77, training split", "CC BY 4.0",
                   "Casanueva et al. 2020, Efficient Intent Detection with Dual Sentence Encoders")
CLINC150 = Source("CLINC150, train, val, oos_train and oos_val", "CC BY 3.0",
                  "Larson et al. 2019, An Evaluation Dataset for Intent Classification and "
                  "Out-of-Scope Prediction")


@dataclass(frozen=True, eq=False)
class Trained:
    """A head and what its card says of it."""

    head: Head
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Vectors and truth with their split."""

    vectors: np.ndarray
    truth: np.ndarray
    names: tuple[str, ...]
    split: data.Split
    groups: int


def _prepare(rows: data.Labelled, embed: Embed, seed: int) -> Prepared:
    names = tuple(sorted(set(rows.labels)))
    truth = np.array([names.index(label) for label in rows.labels])
    vectors = embed(rows.texts)
    groups = data.near_duplicates(rows.texts, vectors)
    split = data.split_by_group(truth, groups, seed)
    return Prepared(vectors, truth, names, split, len(np.unique(groups)))


def _fit(ready: Prepared, seed: int) -> tuple[Head, float]:
    """Softmax and temperature; the threshold comes after."""
    train, calibration = ready.split.train, ready.split.calibration
    linear = fitting.fit_softmax(ready.vectors[train], ready.truth[train], seed)
    logits = ready.vectors[calibration] @ linear.weight.T + linear.bias
    temperature = fitting.fit_temperature(logits, ready.truth[calibration])
    return Head(ready.names, TRUNK, linear.weight, linear.bias, temperature, 0.0), linear.strength


def _right(head: Head, ready: Prepared, rows: np.ndarray) -> np.ndarray:
    guess = head.probabilities(ready.vectors[rows]).argmax(axis=1)
    return guess == ready.truth[rows]  # type: ignore[no-any-return]


def _facts(head: Head, ready: Prepared, seed: int, strength: float) -> dict[str, Any]:
    """Scores on held-out data, and what the threshold does there."""
    rows = ready.split.held_out
    scores, right = head.scores(ready.vectors[rows]), _right(head, ready, rows)
    taken = scores >= head.threshold
    return {
        "seed": seed, "regularisation_strength_C": strength,
        "split": {"by": "near-duplicate group, stratified by label", "groups": ready.groups,
                  "train": len(ready.split.train), "calibration": len(ready.split.calibration),
                  "held_out": len(rows)},
        "scores": statistics.all_scores(head.probabilities(ready.vectors[rows]),
                                        ready.truth[rows], head.labels, seed),
        "at_threshold": {"n": len(rows), "coverage": round(float(taken.mean()), 4),
                         "error": round(float(1 - right[taken].mean()), 4),
                         "error_without_threshold": round(float(1 - right.mean()), 4)},
        "coverage_curve": statistics.coverage_curve(scores, right),
    }


def _with(head: Head, **changes: Any) -> Head:
    from dataclasses import replace

    return replace(head, **changes)


def finance_sentiment(folder: Path, embed: Embed, seed: int) -> Trained:
    """Three labels; refuses below the probability above which 15 % are wrong."""
    ready = _prepare(data.financial_news(folder), embed, seed)
    head, strength = _fit(ready, seed)
    rows = ready.split.calibration
    threshold = fitting.threshold_for_error(head.scores(ready.vectors[rows]),
                                            _right(head, ready, rows), ACCEPTED_ERROR)
    head = _with(head, threshold=threshold)
    return Trained(head, {
        **_facts(head, ready, seed, strength), "score": "highest probability",
        "threshold_rule": f"at most {ACCEPTED_ERROR:.0%} wrong among the accepted, on the "
                          "calibration part"})


def bank_intent(folder: Path, embed: Embed, seed: int) -> Trained:
    """77 intents, and a linear scope trained against CLINC150's queries of other topics."""
    ready = _prepare(data.banking(folder), embed, seed)
    head, strength = _fit(ready, seed)
    other = {name: embed(texts) for name, texts in data.out_of_scope(folder).items()}
    scope = fitting.fit_scope(ready.vectors[ready.split.train], other["train"], seed)
    head = _with(head, scope_weight=scope.weight[0], scope_bias=scope.bias)
    kept = head.scores(ready.vectors[ready.split.calibration])
    head = _with(head, threshold=fitting.threshold_for_coverage(kept, KEPT_IN_SCOPE))
    refused = {name: {"n": len(vectors),
                      "refused": round(float((head.scores(vectors) < head.threshold).mean()), 4)}
               for name, vectors in other.items() if name != "train"}
    return Trained(head, {
        **_facts(head, ready, seed, strength), "score": "log-odds of being in scope",
        "threshold_rule": f"keeps {KEPT_IN_SCOPE:.0%} of the in-scope calibration part",
        "refused_out_of_scope": refused})


@dataclass(frozen=True)
class Row:
    """A shipped head: how it is made, from what, and what is known to be weak."""

    make: Callable[[Path, Embed, int], Trained]
    sources: tuple[Source, ...]
    task: str
    weaknesses: tuple[tuple[str, str], ...]


HEADS: dict[str, Row] = {
    "finance-sentiment": Row(
        finance_sentiment, (TFNS,), "Sentiment of an English financial headline",
        (("Two companies with opposite news share one label for the whole headline",
          "Ford gains while Rivian loses its largest order"),
         ("Numbers are hardly read: better or worse than expected must be said in words",
          "EPS of $1.20 against $1.35 a year ago"),
         ("A word with a bad ring outweighs good news: this one is labelled negative at 0.99",
          "Siemens' loss narrows"),
         ("The same inside one headline: labelled negative at 0.91",
          "Intel cuts costs, shares jump 8%"))),
    "bank-intent": Row(
        bank_intent, (BANKING77, CLINC150), "Intent of an English message to a bank",
        (("Neighbouring intents are confused", "card_arrival and card_delivery_estimate"),
         ("A message with two wishes gets one label",
          "My card is lost and I also need a new PIN"),
         ("Topics near banking that Banking77 lacks are often taken for an intent",
          "What is my credit score?"))),
}
