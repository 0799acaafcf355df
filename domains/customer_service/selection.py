"""Which sentences of the found articles the language model reads, and which are quoted.

A prompt is kept short, because its length is the wait for the first word, and because a
small model chooses well among five sentences and badly among thirty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domains.customer_service.grounding import ENCODERS, Window, single_sentences
from domains.customer_service.wording import wording
from lepton_engine.results import Stamp
from lepton_engine.retrieval import Passage

FACTS = 5  # sentences that the model reads
SURE_FACTS = 2  # of them, these are given however far they fall behind the best
NEAR = 0.25  # others only within this distance of the best
QUOTED = 2  # sentences of an answer that is quoted from the article itself
RERANKED = 12
LEXICAL_WEIGHT = 0.2


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
            found = self._engine.embed([headed(w) for w in windows], ENCODERS[passage.language])
            kept = self._kept[passage.id] = windows, found.vectors
        return kept


@dataclass(frozen=True)
class Scored:
    """A sentence of a passage with its nearness to the question."""

    window: Window
    score: float


class Selection:
    """Sentences of ``passages`` (best article first) scored against ``question``.

    English: the mean of the sentence vectors and the cross-encoder, which reads the nearest
    twelve; Chinese, which it cannot read: the vectors. Words in common add a little.
    """

    def __init__(self, engine: Any, kept: SentenceVectors, question: str,
                 passages: Sequence[Passage], language: str) -> None:
        self._language = "zh" if language == "zh" else "en"
        asked = engine.embed([question], ENCODERS[self._language])
        self.stamps: list[Stamp] = [asked.stamp]
        words = wording(question, self._language).kinds
        rows: list[Scored] = []
        for passage in passages:
            windows, vectors = kept.of(passage)
            rows += [Scored(w, float(near) + LEXICAL_WEIGHT * _share(words, w.text, self._language))
                     for w, near in zip(windows, vectors @ asked.vectors[0], strict=True)]
        rows.sort(key=lambda row: -row.score)
        self.ranked = self._reranked(engine, question, rows) if self._language == "en" else rows
        self._first = passages[0].id

    def _reranked(self, engine: Any, question: str, rows: list[Scored]) -> list[Scored]:
        near = rows[:RERANKED]
        ranking = engine.rerank(question, [headed(row.window) for row in near])
        self.stamps.append(ranking.stamp)
        both = [Scored(row.window, (row.score + float(score)) / 2)
                for row, score in zip(near, ranking.scores, strict=True)]
        return sorted(both, key=lambda row: -row.score)

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
        return sorted((row.window for row in best), key=lambda window: window.start)


def headed(window: Window) -> str:
    """A sentence under its title: "Order another card" alone does not say when."""
    return f"{window.passage.title}. {window.text}"


def _share(asked: frozenset[str], text: str, language: str) -> float:
    return len(asked & wording(text, language).kinds) / len(asked) if asked else 0.0
