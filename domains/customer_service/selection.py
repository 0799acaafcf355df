"""Which sentences of the found articles the language model reads, and which are quoted.

A prompt is kept short, because its length is the wait for the first word, and because a
small model chooses well among five sentences and badly among thirty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domains.customer_service.grounding import ENCODERS, Window, single_sentences
from domains.customer_service.wording import leans, wording
from lepton_engine.results import Stamp
from lepton_engine.retrieval import Passage

FACTS = 5  # sentences that the model reads
SURE_FACTS = 1  # of them, these are always given
NEAR = 0.25  # others only within this distance of the best
QUOTED = 2  # sentences of an answer that is quoted from the article itself
RERANKED = 12
LEXICAL_WEIGHT = 0.2
FIRST_ARTICLE = 0.08
ALIKE = 0.05  # two sentences this close are both the nearest
LEANING = -0.08  # "A customer who takes out 300 therefore pays 2.00" leans on what is before it
STEP = -0.15  # "State your income" answers no question but how to do it
NUMBER = 0.1  # where an amount, a time or a limit is asked


class SentenceVectors:
    """The sentences of a passage with their vectors, computed once a passage.

    They depend on the knowledge base only, so one object serves every caller.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._kept: dict[str, tuple[list[Window], np.ndarray]] = {}

    def of(self, passage: Passage) -> tuple[list[Window], np.ndarray]:
        """float32 (n_sentences, dimension); each sentence is read under its title."""
        kept = self._kept.get(passage.id)
        if kept is None:
            windows = single_sentences(passage)
            texts = [headed(window) for window in windows]
            kept = self._kept[passage.id] = windows, self._vectors(texts, passage.language)
        return kept

    def _vectors(self, texts: list[str], language: str) -> np.ndarray:
        """By the original model, like every index, and kept in the engine's store."""
        model = ENCODERS[language]
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        kept: np.ndarray = self._engine.cached_array(
            f"{model} headed {digest}",
            lambda: self._engine.embed(texts, model, recipe="original").vectors)
        return kept


@dataclass(frozen=True)
class Aim:
    """What kind of sentence a question wants: steps to take, or a number."""

    how_to: bool = False
    amount: bool = False


@dataclass(frozen=True)
class Scored:
    """A sentence of a passage with its nearness to the question."""

    window: Window
    score: float


class Selection:
    """Sentences of ``passages`` (best article first) scored against ``question``.

    English: the mean of the sentence vectors and the cross-encoder, which reads the nearest
    twelve; Chinese, which it cannot read: the vectors. Words in common, the first article
    and the aim of the question add a little.
    """

    def __init__(self, engine: Any, kept: SentenceVectors, question: str,
                 passages: Sequence[Passage], aim: Aim) -> None:
        self._language, self._aim = passages[0].language, aim
        self._first = passages[0].id
        asked = engine.embed([question], ENCODERS[self._language])
        self.stamps: list[Stamp] = [asked.stamp]
        words = wording(question, self._language).kinds
        rows: list[Scored] = []
        for passage in passages:
            windows, vectors = kept.of(passage)
            rows += [Scored(w, float(near) + LEXICAL_WEIGHT * _share(words, w.text, self._language))
                     for w, near in zip(windows, vectors @ asked.vectors[0], strict=True)]
        rows.sort(key=lambda row: -row.score)
        if self._language == "en":
            rows = self._reranked(engine, question, rows)
        self.ranked = sorted((Scored(row.window, row.score + self._suits(row.window))
                              for row in rows), key=lambda row: -row.score)

    def _suits(self, window: Window) -> float:
        is_step = window.start > window.passage.text.index("\n\n")
        numbers = self._aim.amount and wording(window.text, self._language).numbers
        return ((FIRST_ARTICLE if window.passage.id == self._first else 0.0)
                + (STEP if is_step and not self._aim.how_to else 0.0)
                + (LEANING if leans(window.text, self._language) else 0.0)
                + (NUMBER if numbers else 0.0))

    def _reranked(self, engine: Any, question: str, rows: list[Scored]) -> list[Scored]:
        near = rows[:RERANKED]
        ranking = engine.rerank(question, [headed(row.window) for row in near])
        self.stamps.append(ranking.stamp)
        return [Scored(row.window, (row.score + float(score)) / 2)
                for row, score in zip(near, ranking.scores, strict=True)]

    def nearest(self) -> list[Window]:
        """The best sentence, and a second one that is as good."""
        return [row.window for row in self.ranked[:QUOTED]
                if row.score >= self.ranked[0].score - ALIKE]

    def facts(self, without: Sequence[str] = ()) -> list[str]:
        """What the model reads, the nearest last: it leans towards what it read last.

        ``without`` are sentences that the customer is shown anyway.
        """
        rows = [row for row in self.ranked if row.window.text not in without] or self.ranked
        chosen = [row for place, row in enumerate(rows[:FACTS])
                  if place < SURE_FACTS or row.score >= rows[0].score - NEAR]
        return [row.window.text for row in reversed(chosen)]

    def quoted(self, without: Sequence[str] = ()) -> list[Window]:
        """The best sentences of the best article, in its own order."""
        rows = [row for row in self.ranked
                if row.window.passage.id == self._first and row.window.text not in without]
        best = (rows or self.ranked)[:QUOTED]
        near = [row.window for row in best if row.score >= best[0].score - NEAR]
        return sorted(near, key=lambda window: window.start)


def headed(window: Window) -> str:
    """A sentence under its title: "Order another card" alone does not say when."""
    return f"{window.passage.title}. {window.text}"


def _share(asked: frozenset[str], text: str, language: str) -> float:
    return len(asked & wording(text, language).kinds) / len(asked) if asked else 0.0
