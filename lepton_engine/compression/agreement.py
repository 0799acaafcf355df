"""Tasks without labels: how far a variant is from its original. They decide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_engine.compression.gate import judge
from lepton_engine.compression.measure import Doing
from lepton_engine.compression.tasks import (
    TOP,
    EmbeddingTask,
    Judging,
    closeness,
    digest_of,
    overlap,
)

if TYPE_CHECKING:
    from lepton_engine.training.heads import Head

#: A passage list for a cross-encoder, and how many of them at most.
LIST = 10
MOST_LISTS = 100


class LabelAgreement(EmbeddingTask):
    """The share of texts that get the same label from a shipped head."""

    metric = "agreement"

    def __init__(self, name: str, head: Head, texts: Sequence[str], about: str) -> None:
        super().__init__(name, head.trunk, texts, about)
        self.digest = digest_of(["labels", name], texts)
        self._head = head

    def judge(self, original: Any, variant: Any) -> Judging:
        before, after = yield from self._both(original, variant)
        labels = [self._head.probabilities(v).argmax(axis=1) for v in (before, after)]
        judged = judge(np.ones(self.n), (labels[0] == labels[1]).astype(np.float64), None,
                       self.metric, held_out=False)
        return replace(judged, detail=closeness(before, after))


class NeighbourAgreement(EmbeddingTask):
    """Each text asks for the ten nearest of the others: how many are the original's ten.

    As in the application, the original's vectors are what is searched.
    """

    metric = "top-10 overlap"

    def __init__(self, name: str, texts: Sequence[str], about: str) -> None:
        super().__init__(name, name, texts, about)
        self.digest = digest_of(["neighbours", name], texts)

    def judge(self, original: Any, variant: Any) -> Judging:
        before, after = yield from self._both(original, variant)
        same = overlap(neighbours(before, before), neighbours(after, before))
        judged = judge(np.ones(self.n), same, None, self.metric, held_out=False)
        return replace(judged, detail=closeness(before, after))


def neighbours(asked: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(n, 10) the nearest rows of ``index`` to each row of ``asked`` but the one in its place;
    fewer columns where there are fewer rows."""
    scores = asked @ index.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :min(TOP, len(index) - 1)]


class OrderAgreement:
    """A cross-encoder: the share of pairs of passages that keep their order, a question each.

    The question is the beginning of a text (its first ten words), the passages are that text
    and the nine after it.
    """

    metric = "order agreement"
    learning: Sequence[str] | None = None

    def __init__(self, name: str, texts: Sequence[str], about: str) -> None:
        self.name = self.model = name
        self.about = about
        self._texts = list(texts)
        self.n = min(len(self._texts), MOST_LISTS)
        self.digest = digest_of(["order", name], texts)
        self._before: list[np.ndarray] = []

    def timing_texts(self) -> Sequence[str]:
        return self._texts

    def run(self, model: Any, texts: Sequence[str]) -> object:
        return model.rerank(" ".join(texts[0].split()[:10]), texts)

    def judge(self, original: Any, variant: Any) -> Judging:
        same = []
        for index in range(self.n):
            yield Doing("ordering passages", index / self.n)
            passages = [self._texts[(index + step) % len(self._texts)]
                        for step in range(min(LIST, len(self._texts)))]
            if index == len(self._before):
                self._before.append(np.array(self.run(original, passages).scores))  # type: ignore[attr-defined]
            after = np.array(self.run(variant, passages).scores)  # type: ignore[attr-defined]
            same.append(same_order(self._before[index], after))
        return judge(np.ones(self.n), np.array(same), None, self.metric, held_out=False)


def same_order(first: np.ndarray, second: np.ndarray) -> float:
    """The share of pairs that both put into the same order (Kendall's tau on a scale 0..1);
    two values that are equal in one only count half."""
    rows, columns = np.triu_indices(len(first), 1)
    signs = [np.sign(values[rows] - values[columns]) for values in (first, second)]
    return float((1 + signs[0] * signs[1])[(signs[0] != 0) | (signs[1] != 0)].mean() / 2
                 if np.any(signs) else 1.0)
