"""The two indexes behind a knowledge base: BM25 over words, and vectors of meaning.

A passage is cut into windows of whole sentences, because a vector of a long text is a
blur; a passage is as good as its best window.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from lepton_engine import sentences
from lepton_engine.results import Embeddings, Ranking

ORIGINAL = "original"  # the recipe of every index
MOST_TEXTS = 2_000  # of one call; the engine takes 5,000
WINDOW_CHARACTERS = {"en": 420, "zh": 130}
RRF_CONSTANT = 60  # Cormack, Clarke and Büttcher 2009, Reciprocal rank fusion

_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3041-\u30ff]+")
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")


class RetrievalEngine(Protocol):
    """What retrieval needs of an engine."""

    def embed(self, texts: Sequence[str], model: str = ..., *,
              recipe: str | None = ...) -> Embeddings: ...

    def rerank(self, query: str, passages: Sequence[str]) -> Ranking: ...


@dataclass(frozen=True)
class Passage:
    """A text that answers may quote. ``document`` joins the passages of one article.

    ``title`` and ``keywords`` (other names, lay wordings) help to find it and are never
    quoted; ``language`` is the one that all of it is written in.
    """

    id: str
    document: str
    title: str
    text: str
    section: str = ""
    source: str = ""
    address: str = ""
    language: str = "en"
    keywords: str = ""


@dataclass(frozen=True)
class Window:
    """``passages[passage].text[start:end]``: neighbouring sentences of one passage."""

    passage: int
    start: int
    end: int
    text: str


def tokens(text: str) -> list[str]:
    """Stems of the words (Snowball, English) and, for Chinese, pairs of characters.

    A pair is the usual unit of Chinese search without a dictionary: it neither misses a
    word nor depends on where a segmenter cuts.
    """
    text = text.lower()
    found: list[str] = []
    for run in _HAN_RUN.findall(text):
        found += [run[i:i + 2] for i in range(len(run) - 1)] or [run]
    for word in _WORD.findall(_HAN_RUN.sub(" ", text)):
        found.append(_stem(word))
    return found


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


_stemmers = threading.local()


def _stemmer() -> Any:
    """One a thread: a Snowball stemmer keeps state while it works."""
    if not hasattr(_stemmers, "english"):
        import Stemmer

        _stemmers.english = Stemmer.Stemmer("english")
    return _stemmers.english


def windows(passages: Sequence[Passage]) -> list[Window]:
    """Every passage as windows of whole sentences, in order."""
    found: list[Window] = []
    for index, passage in enumerate(passages):
        limit = WINDOW_CHARACTERS["zh" if passage.language == "zh" else "en"]
        spans = sentences.split(passage.text)
        first = 0
        for last, span in enumerate(spans):
            start = spans[first].start
            if last + 1 == len(spans) or spans[last + 1].end - start > limit:
                found.append(Window(index, start, span.end, passage.text[start:span.end]))
                first = last + 1
    return found


class LexicalIndex:
    """BM25 (bm25s, Lucene's variant) over texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        self._size = len(texts)
        self._index = bm25s.BM25()
        self._index.index([tokens(text) for text in texts], show_progress=False)
        self._known = self._index.vocab_dict

    def scores(self, query: str) -> np.ndarray:
        """float32 (n_texts,); all 0 when no word of the query occurs anywhere."""
        words = [word for word in tokens(query) if word in self._known]
        if not words:
            return np.zeros(self._size, dtype=np.float32)
        return np.asarray(self._index.get_scores(words), dtype=np.float32)

    def known_share(self, query: str) -> float:
        """The share of the query's words that occur in any text; 0 without words."""
        words = tokens(query)
        return sum(word in self._known for word in words) / len(words) if words else 0.0


class PassageIndex:
    """Windows of the passages of one language with their BM25 index and their vectors.

    Vectors are computed when they are first asked for, once, however many threads ask,
    and kept; an engine with ``cached_array`` keeps them over restarts. They are always those
    of the original model, whatever compressed variant reads the questions: one index serves
    every profile, and the gate measures a variant's questions against just this index.
    """

    def __init__(self, engine: RetrievalEngine, passages: Sequence[Passage]) -> None:
        self._engine = engine
        self.passages = tuple(passages)
        self.windows = windows(self.passages)
        self.texts = [self._headed(window) for window in self.windows]
        self.owners = np.array([window.passage for window in self.windows], dtype=np.int64)
        self._lock = threading.Lock()
        self._lexical: LexicalIndex | None = None
        self._vectors: dict[str, np.ndarray] = {}
        self._spans: list[tuple[sentences.Span, ...]] = []

    def _headed(self, window: Window) -> str:
        passage = self.passages[window.passage]
        parts = (passage.title, passage.keywords, window.text)
        return ". ".join(part for part in parts if part)

    @property
    def lexical(self) -> LexicalIndex:
        with self._lock:
            if self._lexical is None:
                self._lexical = LexicalIndex(self.texts)
            return self._lexical

    def vectors(self, model: str) -> np.ndarray:
        """Of the windows: float32 (n_windows, dimension), each of length 1."""
        with self._lock:
            return self._kept("windows", model, self.texts)

    def sentence_vectors(self, passage: int, model: str) -> tuple[
            tuple[sentences.Span, ...], np.ndarray]:
        """The sentences of a passage, and their vectors (n_sentences, dimension)."""
        with self._lock:
            if not self._spans:
                self._spans = [tuple(sentences.split(p.text)) for p in self.passages]
            texts = [span.text for spans in self._spans for span in spans]
            vectors = self._kept("sentences", model, texts)
        first = sum(len(spans) for spans in self._spans[:passage])
        own = self._spans[passage]
        return own, vectors[first:first + len(own)]

    def _kept(self, what: str, model: str, texts: Sequence[str]) -> np.ndarray:
        key = f"{what} {model}"
        if key not in self._vectors:
            self._vectors[key] = self._embedded(what, model, texts)
        return self._vectors[key]

    def _embedded(self, what: str, model: str, texts: Sequence[str]) -> np.ndarray:
        def build() -> np.ndarray:
            parts = [self._engine.embed(texts[i:i + MOST_TEXTS], model,
                                        recipe=ORIGINAL).vectors
                     for i in range(0, len(texts), MOST_TEXTS)]
            return np.concatenate(parts).astype(np.float32)

        keep: Callable[..., np.ndarray] | None = getattr(self._engine, "cached_array", None)
        if keep is None:
            return build()
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        kept = keep(f"{model} {what} {digest}", build)
        return kept if kept.shape[:1] == (len(texts),) else build()

    def by_passage(self, values: np.ndarray) -> np.ndarray:
        """Values of windows -> of passages (n_passages,): each the highest of its windows."""
        best = np.full(len(self.passages), -np.inf)
        np.maximum.at(best, self.owners, values)
        return best

    def to_read(self, values: np.ndarray) -> dict[int, str]:
        """For every passage its window of highest value, with title and keywords.

        The keywords are in it because a cross-encoder trained on web searches knows a
        customer's words ("the machine ate my card") no better than the article does.
        """
        best: dict[int, str] = {}
        for window in np.argsort(-values, kind="stable"):
            best.setdefault(int(self.owners[window]), self.texts[window])
        return best


def fuse(scores: Sequence[np.ndarray], constant: int = RRF_CONSTANT) -> np.ndarray:
    """Reciprocal rank fusion: the sum over the lists of 1 / (constant + rank).

    A list whose scores are all equal says nothing and is left out; ties share the better
    rank, so that the order of the passages decides nothing.
    """
    total = np.zeros(len(scores[0]))
    for values in scores:
        if len(values) and values.max() > values.min():
            ranks = np.searchsorted(np.sort(-values), -values, side="left")
            total += 1.0 / (constant + 1 + ranks)
    return total
