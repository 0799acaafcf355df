"""What a variant is measured on: one small class a kind of task, all with the same face.

A task knows its data, computes what the original gives once, and judges any number of
variants against it. Nothing here trains what is shipped: the heads below are fitted to
measure, on the original's vectors of the other folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lepton_engine.compression.calibration import texts_digest
from lepton_engine.compression.gate import Judgement, also_alike, judge, paired_difference
from lepton_engine.compression.measure import Doing
from lepton_engine.vector_cache import caches_off

if TYPE_CHECKING:
    from lepton_engine.training.heads import Head

CHUNK = 512
TOP = 10
FOLDS = 5
Judging = Generator[Doing, None, Judgement]


class Task(Protocol):
    """``name`` is whose verdict it is, ``model`` what is opened (the trunk of an adapter).

    ``digest`` changes with every text and label; ``learning`` are texts for the steps of a
    recipe that are not judged on, None for the bundled ones; ``about`` is a sentence.
    """

    name: str
    model: str
    metric: str
    n: int
    digest: str
    about: str
    learning: Sequence[str] | None

    def timing_texts(self) -> Sequence[str]: ...

    def run(self, model: Any, texts: Sequence[str]) -> object:
        """Compute texts with a model: what is timed."""
        ...

    def judge(self, original: Any, variant: Any) -> Judging:
        """Yield what is being done; return the judgement."""
        ...


def vectors(model: Any, texts: Sequence[str], what: str) -> Generator[Doing, None, np.ndarray]:
    """float32 (texts, dimension) of length 1, computed in chunks of like length."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    parts = []
    for start in range(0, len(order), CHUNK):
        yield Doing(what, start / len(order))
        with caches_off():  # they would push out what visitors asked
            found = model.embed([texts[i] for i in order[start:start + CHUNK]]).vectors
        parts.append(found)
    sorted_rows = np.concatenate(parts)
    restored = np.empty_like(sorted_rows)
    restored[order] = sorted_rows
    return restored


def digest_of(*parts: Sequence[str]) -> str:
    """sha256 over lists of texts, each in its order."""
    return hashlib.sha256("|".join(texts_digest(part) for part in parts).encode()).hexdigest()


def closeness(original: np.ndarray, variant: np.ndarray) -> dict[str, float]:
    """Cosines of a variant's vectors to the original's: 1st percentile and mean."""
    cosines = (original * variant).sum(axis=1)
    return {"cosine_p1": round(float(np.percentile(cosines, 1)), 5),
            "cosine_mean": round(float(cosines.mean()), 5)}


class EmbeddingTask:
    """What the tasks on sentence vectors share."""

    learning: Sequence[str] | None = None

    def __init__(self, name: str, model: str, texts: Sequence[str], about: str) -> None:
        self.name, self.model, self.about = name, model, about
        self.texts = list(texts)
        self.n = len(self.texts)
        self._original: np.ndarray | None = None

    def timing_texts(self) -> Sequence[str]:
        """In an order of chance, so that the first few are like the rest."""
        order = np.random.default_rng(0).permutation(len(self.texts))
        return [self.texts[index] for index in order]

    def run(self, model: Any, texts: Sequence[str]) -> object:
        return model.embed(texts)

    def _both(self, original: Any, variant: Any,
              ) -> Generator[Doing, None, tuple[np.ndarray, np.ndarray]]:
        if self._original is None:
            self._original = yield from vectors(original, self.texts, "vectors of the original")
        own = yield from vectors(variant, self.texts, "vectors of the variant")
        return self._original, own


class HeadTask(EmbeddingTask):
    """A shipped head on its trunk, judged on texts that it was not trained on."""

    def __init__(self, name: str, head: Head, texts: Sequence[str], labels: Sequence[str],
                 metric: str, about: str) -> None:
        super().__init__(name, head.trunk, texts, about)
        self.metric = metric
        self.digest = digest_of(["head", name, metric], texts, labels)
        self._head = head
        self._truth = np.array([head.labels.index(label) for label in labels])

    def judge(self, original: Any, variant: Any) -> Judging:
        before, after = yield from self._both(original, variant)
        guesses = [self._head.probabilities(v).argmax(axis=1) for v in (before, after)]
        return of_classes(guesses[0], guesses[1], self._truth, self.metric,
                          closeness(before, after))


class FoldsTask(EmbeddingTask):
    """Heads that are cross-validated by near-duplicate group, so that every row is predicted
    once by a head that saw nothing like it.

    ``learn``: half of the groups give the texts on which the recipes calibrate and recover,
    and only the other half is judged.
    """

    def __init__(self, name: str, model: str, texts: Sequence[str], labels: Sequence[str],
                 metric: str, about: str, *, strength: float = 10.0, learn: bool = False,
                 seed: int = 0) -> None:
        super().__init__(name, model, texts, about)
        self.metric, self.strength, self.seed = metric, strength, seed
        names = sorted(set(labels))
        self._truth = np.array([names.index(label) for label in labels])
        self.digest = digest_of(["folds", name, metric, f"{strength:g}", str(seed), str(learn)],
                                texts, labels)
        self._folds: list[tuple[np.ndarray, Any]] = []
        self._judged = np.ones(len(self.texts), dtype=bool)
        if learn:
            self._set_aside()

    def _set_aside(self) -> None:
        """By template, as the vectors are not known yet: near-duplicates stay together."""
        from lepton_engine.training.data import template

        def side(text: str) -> bool:
            return hashlib.sha256(template(text).encode()).digest()[0] % 2 == 0

        self._judged = np.array([side(text) for text in self.texts])
        self.learning = [t for t, own in zip(self.texts, self._judged, strict=True) if not own]
        self.n = int(self._judged.sum())

    def judge(self, original: Any, variant: Any) -> Judging:
        before, after = yield from self._both(original, variant)
        if not self._folds:
            self._folds = yield from self._fitted(before)
        guesses = [np.empty(len(before), dtype=np.int64) for _ in range(2)]
        for rows, head in self._folds:
            for guess, given in zip(guesses, (before, after), strict=True):
                guess[rows] = head.predict(given[rows])
        own = self._judged
        detail = {**closeness(before[own], after[own]), "folds": len(self._folds),
                  "regularisation_strength_C": self.strength}
        return of_classes(guesses[0][own], guesses[1][own], self._truth[own], self.metric, detail)

    def _fitted(self, before: np.ndarray) -> Generator[Doing, None, list[tuple[np.ndarray, Any]]]:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold

        from lepton_engine.training.data import near_duplicates

        yield Doing("looking for near-duplicates")
        groups = near_duplicates(self.texts, before)
        count = min(FOLDS, int(np.bincount(self._truth).min()))
        folds = StratifiedGroupKFold(n_splits=max(2, count), shuffle=True, random_state=self.seed)
        found: list[tuple[np.ndarray, Any]] = []
        for train, test in folds.split(before, self._truth, groups):
            yield Doing("fitting heads on the original's vectors", len(found) / max(2, count))
            # As the shipped heads are fitted (training.fitting), with the strength chosen there.
            head = LogisticRegression(C=self.strength, max_iter=400, tol=1e-5)
            found.append((test, head.fit(before[train], self._truth[train])))
        return found


def of_classes(before: np.ndarray, after: np.ndarray, truth: np.ndarray, metric: str,
               detail: dict[str, Any]) -> Judgement:
    """The judgement by ``metric``, with the other usual scores of a classifier beside it."""
    judged = judge(before, after, truth, metric)
    for other in ("macro F1", "weighted F1", "accuracy"):
        if other != metric:
            found = paired_difference(before, after, truth, other)
            detail |= {other: {"original": found.original, "value": found.value,
                               "loss_points": found.loss_points, "low": found.low,
                               "high": found.high}}
    same = float((before == after).mean())
    return replace(judged, detail={**detail, "same_label": same})


class RetrievalTask(EmbeddingTask):
    """Questions to passages: the original indexes, each variant asks. Question i's right
    passage is passage i."""

    metric = "recall@10"

    def __init__(self, name: str, questions: Sequence[str], passages: Sequence[str],
                 about: str) -> None:
        super().__init__(name, name, questions, about)
        self.digest = digest_of(["retrieval", name], questions, passages)
        self._passages = list(passages)
        self._index: np.ndarray | None = None
        self._found: tuple[np.ndarray, np.ndarray] | None = None

    def judge(self, original: Any, variant: Any) -> Judging:
        if self._index is None:
            self._index = yield from vectors(original, self._passages, "vectors of the passages")
        before, after = yield from self._both(original, variant)
        if self._found is None:
            self._found = ranked(before, self._index)
        (old, old_top), (new, new_top) = self._found, ranked(after, self._index)
        alike = float(overlap(old_top, new_top).mean())
        judged = also_alike(judge(old < TOP, new < TOP, None, self.metric), alike)
        detail = {
            **closeness(before, after), "passages": len(self._passages), "top-10 overlap": alike,
            "recall@1": {"original": float((old == 0).mean()), "value": float((new == 0).mean())},
            "mean_reciprocal_rank": {"original": float((1 / (old + 1)).mean()),
                                     "value": float((1 / (new + 1)).mean())},
        }
        return replace(judged, detail=detail)


def ranked(asked: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) how many passages stand before question i's own, and (n, 10) the first passages."""
    ranks, tops = [], []
    for start in range(0, len(asked), CHUNK):
        scores = asked[start:start + CHUNK] @ index.T
        rows = np.arange(len(scores))
        own = scores[rows, start + rows]
        ranks.append((scores > own[:, None]).sum(axis=1))
        tops.append(np.argsort(-scores, axis=1, kind="stable")[:, :TOP])
    return np.concatenate(ranks), np.concatenate(tops)


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) the share of each row of ``first`` that is in the same row of ``second``, in any
    order."""
    return np.asarray((first[:, :, None] == second[:, None, :]).any(axis=2).mean(axis=1))
