"""What every recipe of an adapter shares: sources, the split, and what the card says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lepton_engine.training import data, fitting, statistics
from lepton_engine.training.heads import Head

TRUNK = "minilm-l6"
Embed = Callable[[Sequence[str]], np.ndarray]


class Trunk(Protocol):
    """The encoder that is adapted: its frozen vectors, and those with an update merged."""

    name: str
    folder: Path

    def tell(self, what: str, share: float) -> None:
        """What is being done, and the share of it that is done."""
        ...

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (texts, dimension) of length 1."""
        ...

    def updated(self, updates: Mapping[str, np.ndarray], scaling: float) -> Embed:
        """The vectors of the trunk with an update merged, as it will be served."""
        ...


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
OWN = Source("Texts written for this project, in assets/training", "Apache-2.0",
             "by a language model acting as the writer, who saw none of the test sets")


@dataclass(frozen=True, eq=False)
class Trained:
    """A head, its trunk's update (none for a head on the plain trunk), and what its card says.

    ``held_out`` are the numbers of the data's rows that it has not seen, with ``rows``, their
    texts and labels: what the gate judges its variants on.
    """

    head: Head
    facts: Mapping[str, Any]
    updates: Mapping[str, np.ndarray] | None = None
    scaling: float = 0.0
    held_out: data.Labelled = field(default_factory=lambda: data.Labelled([], []))


@dataclass(frozen=True)
class Row:
    """A shipped adapter: how it is made, from what, and what is known to be weak."""

    make: Callable[[Path, Trunk, int], Trained]
    sources: tuple[Source, ...]
    task: str
    weaknesses: tuple[tuple[str, str], ...]
    method: str = "low-rank update of the trunk with a linear head on its mean-pooled vectors"
    trunk: str = TRUNK
    languages: tuple[str, ...] = ("en",)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Texts and truth with their split; ``vectors`` are the frozen trunk's."""

    texts: list[str]
    vectors: np.ndarray
    truth: np.ndarray
    names: tuple[str, ...]
    split: data.Split
    groups: int

    def some(self, rows: np.ndarray) -> list[str]:
        return [self.texts[i] for i in rows]

    def labelled(self, rows: np.ndarray) -> data.Labelled:
        return data.Labelled(self.some(rows), [self.names[self.truth[i]] for i in rows])


def prepare(rows: data.Labelled, embed: Embed, seed: int) -> Prepared:
    """Split by near-duplicate group; the seeds 0, 1, 2, … hold out different rows."""
    names = tuple(sorted(set(rows.labels)))
    truth = np.array([names.index(label) for label in rows.labels])
    vectors = embed(rows.texts)
    groups = data.near_duplicates(rows.texts, vectors)
    split = data.split_by_group(truth, groups, seed)
    return Prepared(rows.texts, vectors, truth, names, split, len(np.unique(groups)))


def first_head(vectors: np.ndarray, truth: np.ndarray, strength: float,
               ) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the softmax regression on frozen vectors, where training starts."""
    linear = fitting.softmax_at(vectors, truth, strength)
    return linear.weight, linear.bias


def targets(truth: Sequence[int], labels: int, smoothing: float) -> np.ndarray:
    """float32 (n, labels): one label each with smoothing (Szegedy et al. 2016, section 7)."""
    wanted = np.full((len(truth), labels), smoothing / labels, dtype=np.float32)
    wanted[np.arange(len(truth)), np.asarray(truth)] += 1 - smoothing
    return wanted


def calibrated(head: Head, vectors: np.ndarray, truth: np.ndarray) -> Head:
    """With the temperature of least loss on the calibration part."""
    logits = vectors @ head.weight.T + head.bias
    return replace(head, temperature=fitting.fit_temperature(logits, truth))


def facts(head: Head, ready: Prepared, vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """Scores on the held-out part (``vectors`` of it), and what the threshold does there."""
    rows = ready.split.held_out
    truth, probabilities = ready.truth[rows], head.probabilities(vectors)
    scores, right = head.scores(vectors), probabilities.argmax(axis=1) == truth
    taken = scores >= head.threshold
    return {
        "seed": seed,
        "split": {"by": "near-duplicate group, stratified by label", "groups": ready.groups,
                  "train": len(ready.split.train), "calibration": len(ready.split.calibration),
                  "held_out": len(rows)},
        "scores": statistics.all_scores(probabilities, truth, head.labels, seed),
        "at_threshold": {"n": len(rows), "coverage": round(float(taken.mean()), 4),
                         "error": round(float(1 - right[taken].mean()), 4),
                         "error_without_threshold": round(float(1 - right.mean()), 4)},
        "coverage_curve": statistics.coverage_curve(scores, right),
    }
