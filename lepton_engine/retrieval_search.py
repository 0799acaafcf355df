"""One search over one index: candidates, the cross-encoder, the score, the quote."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lepton_engine.errors import LeptonError, ModelUnavailableError, UnknownNameError
from lepton_engine.results import Stamp
from lepton_engine.retrieval_conversation import content_words
from lepton_engine.retrieval_index import Passage, PassageIndex, RetrievalEngine, fuse, tokens

logger = logging.getLogger(__name__)

#: Encoders for questions in English; their similarities are averaged. all-mpnet-base-v2,
#: tried on 320 questions of Banking77 beside these two, won nothing for its 405 MB.
ENGLISH_ENCODERS = ("minilm-l6", "use-multilingual")
OTHER_ENCODERS = ("use-multilingual",)
CANDIDATES = 10
HALF_LEXICAL = 5.0  # the BM25 score that counts half
SHARED_WORDS = 0.5  # weight of shared words beside similarity when a quote is chosen
FEW_KNOWN = 0.5  # a share of known content words below this names another topic


@dataclass(frozen=True)
class Signs:
    """What speaks for a passage.

    ``similarity``: cosine of its best window; ``lexical``: BM25 / (BM25 + 5), 0..1;
    ``reranker``: the cross-encoder's logit / 10; ``prior``: what the caller knows, 0..1.
    """

    similarity: float
    lexical: float
    reranker: float
    prior: float


@dataclass(frozen=True)
class Calibration:
    """score = logistic(offset + the sum of weight times sign).

    Fitted by logistic regression on "is this passage about this question", over questions
    that are in neither judging set; ``benchmarks/retrieval_calibration.py`` prints it.
    """

    offset: float
    similarity: float
    lexical: float
    reranker: float = 0.0
    prior: float = 3.0  # chosen, not fitted: certainty alone gives a score of about 0.1

    def score(self, signs: Signs) -> float:
        value = (self.offset + self.similarity * signs.similarity + self.lexical * signs.lexical
                 + self.reranker * signs.reranker + self.prior * signs.prior)
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, value))))


ENGLISH = Calibration(offset=-6.94, similarity=13.19, lexical=2.17, reranker=2.63)
OTHER = Calibration(offset=-5.42, similarity=8.58, lexical=3.25)
#: English passages read in another language: words in common say nothing.
ACROSS = Calibration(offset=-5.42, similarity=11.35, lexical=0.0)


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
class Found:
    """``ranked``: passage numbers and scores, best first."""

    query: str
    ranked: list[tuple[int, float]]
    stamps: list[Stamp]

    @property
    def best(self) -> float:
        return self.ranked[0][1] if self.ranked else 0.0


class Search:
    """Made for one call and forgotten after it."""

    def __init__(self, engine: RetrievalEngine, index: PassageIndex, language: str,
                 prior: Mapping[str, float], k: int) -> None:
        self._engine = engine
        self._index = index
        self.language = language
        self._same = index.passages[0].language == language
        self._english = self._same and language == "en"
        self._models = ENGLISH_ENCODERS if language == "en" else OTHER_ENCODERS
        self._calibration = ENGLISH if self._english else OTHER if self._same else ACROSS
        self._prior = np.array([prior.get(p.document, 0.0) for p in index.passages])
        self._size = max(CANDIDATES, 2 * k)
        self._query_vectors: dict[tuple[str, str], np.ndarray] = {}

    def is_foreign(self, query: str) -> bool:
        """Whether the base knows hardly any content word of an English question."""
        words = content_words(query) if self._english else []
        return len(words) > 1 and self._index.lexical.known_share(" ".join(words)) < FEW_KNOWN

    def run(self, query: str, asked: str = "") -> Found:
        """Rank the passages for ``query``; raises what the engine raises.

        ``asked`` is its last part, the new question of a conversation: passages near to
        both come first, so that an old topic does not outweigh what is asked about it.
        """
        signs, stamps = self.signs(query, asked)
        ranked = sorted(((passage, self._calibration.score(own)) for passage, own in signs.items()),
                        key=lambda row: -row[1])
        return Found(query, ranked, stamps)

    def signs(self, query: str, asked: str = "") -> tuple[dict[int, Signs], list[Stamp]]:
        """What speaks for each candidate, best of the fused lists first; see `run`."""
        windows, stamps = self._similarity(query, asked)
        similarity = self._index.by_passage(windows)
        lexical = np.zeros_like(similarity)
        if self._same:
            lexical = self._index.by_passage(self._index.lexical.scores(query))
        order = np.argsort(-fuse([similarity, lexical, self._prior]), kind="stable")
        candidates = [int(passage) for passage in order[:self._size]]
        logits = self._logits(query, candidates, windows, stamps)
        return {p: Signs(float(similarity[p]), float(lexical[p] / (lexical[p] + HALF_LEXICAL)),
                         logits.get(p, 0.0) / 10, float(self._prior[p]))
                for p in candidates}, stamps

    def _similarity(self, query: str, asked: str) -> tuple[np.ndarray, list[Stamp]]:
        """Of every window to the query, averaged over the encoders that can be had."""
        total = np.zeros(len(self._index.windows))
        stamps: list[Stamp] = []
        missing: LeptonError | None = None
        for model in self._models:
            try:
                found = self._engine.embed([query, asked] if asked else [query], model)
                windows = self._index.vectors(model)
            except (ModelUnavailableError, UnknownNameError) as error:
                logger.warning("retrieval goes on without %s (id %s)", model, error.id)
                missing = error
                continue
            vector = found.vectors.mean(axis=0)
            vector /= max(float(np.linalg.norm(vector)), 1e-9)
            total += windows @ vector
            stamps.append(found.stamp)
            self._query_vectors[query, model] = vector
        if missing is not None and not stamps:
            raise missing
        return total / len(stamps), stamps

    def _logits(self, query: str, candidates: list[int], windows: np.ndarray,
                stamps: list[Stamp]) -> dict[int, float]:
        """The cross-encoder's logit by passage; empty where it does not know the language."""
        if not self._english or not candidates:
            return {}
        readable = self._index.to_read(windows)
        ranking = self._engine.rerank(query, [readable[p] for p in candidates])
        stamps.append(ranking.stamp)
        return {p: _logit(score) for p, score in zip(candidates, ranking.scores, strict=True)}

    def hit(self, passage: int, score: float, query: str) -> Hit:
        """The passage with its best sentence: near in meaning and sharing words."""
        model = next(m for m in reversed(self._models) if (query, m) in self._query_vectors)
        spans, vectors = self._index.sentence_vectors(passage, model)
        wanted = set(tokens(query))
        shared = np.array([len(wanted & set(tokens(span.text))) for span in spans])
        values = (vectors @ self._query_vectors[query, model]
                  + SHARED_WORDS * shared / max(1, len(wanted)))
        span = spans[int(np.argmax(values))]
        return Hit(self._index.passages[passage], score, span.text, span.start, span.end)


def _logit(score: float) -> float:
    score = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(score / (1 - score))
