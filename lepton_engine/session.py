"""Runs items through an encoder: sub-words, batches shared with other callers, one stamp."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from lepton_engine.batching import MAX_PADDED_TOKENS
from lepton_engine.inputs import Item
from lepton_engine.microbatch import Arrays, MicroBatcher, Row
from lepton_engine.results import Stamp
from lepton_engine.runtimes.base import TOKEN_OUTPUTS
from lepton_engine.runtimes.encoders import LoadedEncoder
from lepton_engine.subwords import Pieces, Vocabulary
from lepton_engine.vector_cache import MOST_TEXTS_KEPT, VectorCache, caches_on, text_key

#: Logits over the vocabulary are 120 kB a sub-word: batches of these stay small.
MAX_MASKED_TOKENS = 512

Reduced = TypeVar("Reduced")
Reduce = Callable[["Work", Mapping[str, np.ndarray]], Reduced]


@dataclass(frozen=True, eq=False)
class Work:
    """An item with its sub-words."""

    item: Item
    pieces: Pieces


class EncoderSession:
    """A loaded encoder with its vocabulary. ``max_length`` counts the separators.

    Safe to call from several threads; who waits while another's batch is computed shares the
    next one. ``cache`` holds the pooled vectors of texts that came before.
    """

    def __init__(self, runtime: LoadedEncoder, vocabulary: Vocabulary, max_length: int) -> None:
        self.runtime = runtime
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.cache = VectorCache()
        self.batcher = MicroBatcher(
            lambda ids, mask, types, outputs: self.runtime.run(ids, mask, types, outputs),
            vocabulary.pad_id)

    def prepare(self, items: Sequence[Item], spans: bool) -> list[Work]:
        """Items with sub-words; ids that were given as ids stay as they are."""
        texts = [item.content for item in items if not item.ids]
        encoded = iter(self.vocabulary.encode(texts, spans) if texts else ())  # type: ignore[arg-type]
        return [Work(item, self._of_ids(item.ids) if item.ids else next(encoded))
                for item in items]

    def _of_ids(self, ids: tuple[int, ...]) -> Pieces:
        return Pieces(ids, [0] * len(ids), [self.vocabulary.token(i) for i in ids],
                      special=[0] * len(ids))

    def compute(self, items: Sequence[Item], outputs: Sequence[str], reduce: Reduce[Reduced],
                spans: bool = False) -> tuple[list[Reduced], Stamp]:
        """``reduce`` of every item's own rows (padding cut off), in the items' order.

        It is called batch by batch, so that large outputs need not be kept for all texts.
        """
        started = time.perf_counter()
        works = self.prepare(items, spans)
        found: dict[int, Reduced] = {}

        def take(index: int, arrays: Arrays) -> None:
            length = len(works[index].pieces.ids)
            own = {name: array[:length] if name in TOKEN_OUTPUTS else array
                   for name, array in arrays.items()}
            found[index] = reduce(works[index], own)

        waited = self.batcher.compute(
            [Row(work.pieces.ids, work.pieces.type_ids) for work in works], outputs, take,
            MAX_MASKED_TOKENS if "mlm_logits" in outputs else MAX_PADDED_TOKENS)
        stamp = self._stamp(works, (time.perf_counter() - started) * 1000, waited)
        return [found[index] for index in range(len(works))], stamp

    def vectors(self, texts: Sequence[str], outputs: Sequence[str],
                pooled: Reduce[np.ndarray]) -> tuple[np.ndarray, Stamp]:
        """Pooled vectors, float32 (n_texts, dimension), as ``pooled`` makes them of ``outputs``.

        A text that came before, or twice in ``texts``, is not computed again, except within
        ``caches_off()``. The stamp counts the tokens that were computed, and its note says how
        many vectors were at hand.
        """
        if not caches_on():
            rows, stamp = self.compute([Item(text) for text in texts], outputs, pooled)
            return np.stack(rows), stamp
        started = time.perf_counter()
        keys = [text_key(self.runtime.info.variant, text) for text in texts]
        known = {key: vector for key in dict.fromkeys(keys)
                 if (vector := self.cache.get(key)) is not None}
        absent = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        stamp = self.runtime.info.stamp(0.0)
        if absent:
            computed, stamp = self.compute(
                [Item(text) for text in absent.values()], outputs,
                lambda work, row: (pooled(work, row), work.pieces.truncated))
            for key, (vector, truncated) in zip(absent, computed, strict=True):
                known[key] = vector
                if len(absent) <= MOST_TEXTS_KEPT and not truncated:  # whose stamp says it anew
                    self.cache.put(key, vector)
        stamp = replace(stamp, latency_ms=(time.perf_counter() - started) * 1000)
        if at_hand := len(texts) - len(absent):
            note = f"{at_hand} of {len(texts)} vectors were at hand from before"
            stamp = replace(stamp, note="; ".join(n for n in (stamp.note, note) if n))
        return np.stack([known[key] for key in keys]), stamp

    def close(self) -> None:
        """Refuse callers that wait and those that come; forget the vectors."""
        self.batcher.close()
        self.cache.clear()

    def _stamp(self, works: Sequence[Work], latency_ms: float, waited_ms: float) -> Stamp:
        tokens = sum(len(work.pieces.ids) for work in works)
        stamp = self.runtime.info.stamp(latency_ms, tokens=tokens, queue_wait_ms=waited_ms,
                                        tokens_per_second=tokens / latency_ms * 1000)
        cut = sum(work.pieces.truncated for work in works)
        if not cut:
            return stamp
        which = "the text was" if len(works) == 1 else f"{cut} of {len(works)} texts were"
        note = f"{which} cut at {self.max_length} sub-words"
        return replace(stamp, note="; ".join(n for n in (stamp.note, note) if n))
