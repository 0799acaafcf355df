"""Finds the passages of a knowledge base that answer a question, and says how sure it is.

Four steps: (1) BM25 over words and, in the same list, vectors of meaning, joined by
reciprocal rank fusion, give the candidates; (2) the cross-encoder reads each candidate with
the question (English; the other languages have none); (3) similarity and the
cross-encoder's logit together give a score between 0 and 1 that thresholds can rest on;
(4) the best sentence of each passage becomes the quote. A question that leans on an
earlier one is completed with its topic first.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lepton_engine.errors import InputError, ModelUnavailableError, UnknownNameError
from lepton_engine.results import Stamp
from lepton_engine.retrieval_conversation import Lean, completed, content_words, lean
from lepton_engine.retrieval_index import (
    Passage,
    PassageIndex,
    RetrievalEngine,
    fuse,
    tokens,
)
from lepton_engine.text import clean

__all__ = ["Hit", "KnowledgeBase", "Passage", "Retrieval"]

logger = logging.getLogger(__name__)

#: Encoders by the language of the question; their similarities are averaged.
ENCODERS: Mapping[str, tuple[str, ...]] = {"en": ("minilm-l6", "use-multilingual")}
OTHER_ENCODERS = ("use-multilingual",)
CANDIDATES = 12
READ_WORDS = 900  # characters of a passage that the cross-encoder reads


@dataclass(frozen=True)
class Calibration:
    """score = logistic(offset + similarity * s + reranker * logit + prior * p).

    Fitted by ``benchmarks/retrieval.py --calibrate`` on questions that are in no
    judging set (Banking77 and CLINC150, MedQuAD); see there for the data.
    """

    offset: float
    similarity: float
    reranker: float = 0.0
    prior: float = 0.0

    def score(self, similarity: float, logit: float, prior: float) -> float:
        value = (self.offset + self.similarity * similarity + self.reranker * logit
                 + self.prior * prior)
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, value))))


CALIBRATIONS: Mapping[str, Calibration] = {"en": Calibration(-6.0, 12.0, 0.2, 2.0)}
OTHER_CALIBRATION = Calibration(-6.0, 15.0, prior=2.0)


@dataclass(frozen=True)
class Hit:
    """A passage that was found; ``quote`` is ``passage.text[start:end]``, its best sentence.

    ``score`` 0..1 is how probably the passage is about the question.
    """

    passage: Passage
    score: float
    quote: str
    start: int
    end: int


@dataclass(frozen=True)
class Retrieval:
    """Hits, best first; ``query`` is the question as the conversation completed it."""

    hits: tuple[Hit, ...]
    stamp: Stamp
    query: str


@dataclass(frozen=True)
class _Found:
    query: str
    ranked: list[tuple[int, float]]  # passage and score, best first
    stamps: list[Stamp]

    @property
    def best(self) -> float:
        return self.ranked[0][1] if self.ranked else 0.0


class KnowledgeBase:
    """Passages of one or more languages, searched in the language of the question.

    Indexes are built on the first search of a language, once; searches may run in
    parallel threads. Raises InputError when there is no passage at all.
    """

    def __init__(self, engine: RetrievalEngine, passages: Sequence[Passage]) -> None:
        if not passages:
            raise InputError("A knowledge base needs at least one passage.")
        self._engine = engine
        languages = dict.fromkeys(passage.language for passage in passages)
        self._indexes = {
            language: PassageIndex(engine, [p for p in passages if p.language == language])
            for language in languages
        }

    def search(self, query: str, *, history: Sequence[str] = (), k: int = 5,
               language: str = "en", prior: Mapping[str, float] | None = None) -> Retrieval:
        """The ``k`` passages that answer ``query`` best.

        Args:
            history: the questions before this one, newest last; used when ``query``
                leans on them.
            language: of the question. Without passages in it, those in English are
                searched by meaning alone.
            prior: how probable each document is for another reason (an intent), 0..1.

        Raises:
            InputError: the query is empty.
            LeptonError: no encoder could be loaded.
        """
        started = time.perf_counter()
        query = clean(query).strip()
        if not query:
            raise InputError("The question is empty. Write what you want to know.")
        search = _Search(self._engine, self._index(language), language, prior or {}, k)
        found = self._understood(search, query, [clean(text) for text in history])
        hits = tuple(search.hit(passage, score, found.query)
                     for passage, score in found.ranked[:k])
        elapsed = 1000 * (time.perf_counter() - started)
        return Retrieval(hits, Stamp.combined(found.stamps, elapsed), found.query)

    def warm_up(self, language: str = "en") -> None:
        """Build the index of a language now, so that the first question need not wait."""
        self.search("?", language=language, k=1)

    def _index(self, language: str) -> PassageIndex:
        for name in (language, "en", *self._indexes):
            if name in self._indexes:
                return self._indexes[name]
        raise AssertionError("a knowledge base has passages")

    def _understood(self, search: _Search, query: str, history: Sequence[str]) -> _Found:
        """Search for the question alone, completed, or both, as it leans on the history.

        A question that may lean is read alone where the base supports it so at least as
        well as with the topic before it.
        """
        leaning = lean(query, search.language) if history else Lean.NONE
        full = completed(query, history, search.language)
        if leaning is Lean.NONE or full == query or search.is_foreign(query):
            return search.run(query)
        whole = search.run(full)
        if leaning is Lean.FULL:
            return whole
        alone = search.run(query)
        return alone if alone.best >= whole.best else whole


class _Search:
    """One search over one index; collects nothing between searches."""

    def __init__(self, engine: RetrievalEngine, index: PassageIndex, language: str,
                 prior: Mapping[str, float], k: int) -> None:
        self._engine = engine
        self._index = index
        self.language = language
        self._same = index.passages[0].language == language
        self._english = language == "en" and self._same
        self._prior = np.array([prior.get(p.document, 0.0) for p in index.passages])
        self._size = max(CANDIDATES, 2 * k)
        self._models = list(ENCODERS.get(language, OTHER_ENCODERS))
        self._query_vectors: dict[tuple[str, str], np.ndarray] = {}

    def is_foreign(self, query: str) -> bool:
        """Whether the content words of an English question are mostly unknown to the base."""
        words = content_words(query) if self._english else []
        return len(words) >= 2 and self._index.lexical.known_share(" ".join(words)) < 0.5

    def run(self, query: str) -> _Found:
        similarity, stamps = self._similarity(query)
        lists = [similarity]
        if self._same:
            lists.append(self._index.lexical.scores(query))
        fused = fuse(lists)
        best = self._index.best_windows(similarity)
        by_passage = np.full(len(self._index.passages), -np.inf)
        np.maximum.at(by_passage, self._index.owners, fused)
        by_passage += self._prior * 2 / 60
        candidates = np.argsort(-by_passage, kind="stable")[:self._size]
        logits = self._logits(query, candidates, stamps)
        calibration = CALIBRATIONS["en"] if self._english else OTHER_CALIBRATION
        ranked = [
            (int(p), calibration.score(float(similarity[best[p]]), logits.get(int(p), 0.0),
                                       float(self._prior[p])))
            for p in candidates
        ]
        ranked.sort(key=lambda row: -row[1])
        return _Found(query, ranked, stamps)

    def _similarity(self, query: str) -> tuple[np.ndarray, list[Stamp]]:
        """Of every window to the query, averaged over the encoders that can be had."""
        total = np.zeros(len(self._index.windows))
        stamps: list[Stamp] = []
        missing: Exception | None = None
        for model in self._models:
            try:
                found = self._engine.embed([query], model)
                total += self._index.vectors(model) @ found.vectors[0]
            except (ModelUnavailableError, UnknownNameError) as error:
                logger.warning("retrieval goes on without %s (id %s)", model, error.id)
                missing = error
                continue
            stamps.append(found.stamp)
            self._query_vectors[query, model] = found.vectors[0]
        if not stamps:
            assert missing is not None
            raise missing
        return total / len(stamps), stamps

    def _logits(self, query: str, candidates: np.ndarray, stamps: list[Stamp],
                ) -> dict[int, float]:
        """The cross-encoder's logit by passage; empty where it does not know the language."""
        if not self._english or not len(candidates):
            return {}
        texts = [self._headed(int(p))[:READ_WORDS] for p in candidates]
        ranking = self._engine.rerank(query, texts)
        stamps.append(ranking.stamp)
        return {int(p): _logit(ranking.scores[i]) for i, p in enumerate(candidates)}

    def _headed(self, passage: int) -> str:
        found = self._index.passages[passage]
        return f"{found.title}. {found.text}"

    def hit(self, passage: int, score: float, query: str) -> Hit:
        """The passage with its best sentence: similar in meaning and sharing words."""
        model = next(m for m in reversed(self._models) if (query, m) in self._query_vectors)
        spans, vectors = self._index.sentence_vectors(passage, model)
        wanted = set(tokens(query))
        similarity = vectors @ self._query_vectors[query, model]
        shared = [len(wanted & set(tokens(span.text))) / max(1, len(wanted)) for span in spans]
        best = int(np.argmax(similarity + 0.5 * np.array(shared)))
        span = spans[best]
        return Hit(self._index.passages[passage], score, span.text, span.start, span.end)


def _logit(score: float) -> float:
    score = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(score / (1 - score))
