"""Finds the passages of a knowledge base that answer a question, and says how sure it is.

Four steps: (1) BM25 over words and, in the same list, vectors of meaning, joined by
reciprocal rank fusion, give the candidates; (2) the cross-encoder reads each candidate with
the question (English; the other languages have none); (3) similarity and the
cross-encoder's logit together give a score between 0 and 1 that thresholds can rest on;
(4) the best sentence of each passage becomes the quote. A question that leans on an
earlier one is completed with its topic first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lepton_engine.errors import InputError
from lepton_engine.language import is_english
from lepton_engine.results import Stamp
from lepton_engine.retrieval_conversation import Lean, completed, lean
from lepton_engine.retrieval_index import Passage, PassageIndex, RetrievalEngine
from lepton_engine.retrieval_search import Found, Hit, Search
from lepton_engine.text import clean

__all__ = ["Hit", "KnowledgeBase", "Passage", "Retrieval"]


@dataclass(frozen=True)
class Retrieval:
    """Hits, best first; ``query`` is the question as the conversation completed it."""

    hits: tuple[Hit, ...]
    stamp: Stamp
    query: str


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
        language = "en" if is_english(language) else language
        search = Search(self._engine, self._index(language), language, prior or {}, k)
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

    def _understood(self, search: Search, query: str, history: Sequence[str]) -> Found:
        """Search for the question alone, completed, or both, as it leans on the history.

        A question that may lean is read alone where the base supports it so at least as
        well as with the topic before it.
        """
        leaning = lean(query, search.language) if history else Lean.NONE
        full = completed(query, history, search.language)
        if leaning is Lean.NONE or full == query or search.is_foreign(query):
            return search.run(query)
        whole = search.run(full, asked=query)
        if leaning is Lean.FULL:
            return whole
        alone = search.run(query)
        return alone if alone.best >= whole.best else whole
