"""Runs items through an encoder: sub-words, batches by length, order restored, one stamp."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from lepton_engine.batching import MAX_PADDED_TOKENS, in_batches
from lepton_engine.inputs import Item
from lepton_engine.results import Stamp
from lepton_engine.runtimes.encoders import LoadedEncoder
from lepton_engine.subwords import Pieces, Vocabulary

#: Outputs with a length axis, which padding is cut from.
TOKEN_OUTPUTS = frozenset({"last_hidden_state", "mlm_logits"})
#: Logits over the vocabulary are 120 kB a sub-word: batches of these stay small.
MAX_MASKED_TOKENS = 512

Reduced = TypeVar("Reduced")


@dataclass(frozen=True, eq=False)
class Work:
    """An item with its sub-words."""

    item: Item
    pieces: Pieces


class EncoderSession:
    """A loaded encoder with its vocabulary. ``max_length`` counts the separators."""

    def __init__(self, runtime: LoadedEncoder, vocabulary: Vocabulary, max_length: int) -> None:
        self.runtime = runtime
        self.vocabulary = vocabulary
        self.max_length = max_length

    def prepare(self, items: Sequence[Item], spans: bool) -> list[Work]:
        """Items with sub-words; ids that were given as ids stay as they are."""
        texts = [item.content for item in items if not item.ids]
        encoded = iter(self.vocabulary.encode(texts, spans) if texts else ())  # type: ignore[arg-type]
        return [Work(item, self._of_ids(item.ids) if item.ids else next(encoded))
                for item in items]

    def _of_ids(self, ids: tuple[int, ...]) -> Pieces:
        return Pieces(ids, [0] * len(ids), [self.vocabulary.token(i) for i in ids],
                      special=[0] * len(ids))

    def compute(self, items: Sequence[Item], outputs: Sequence[str],
                reduce: Callable[[Work, Mapping[str, np.ndarray]], Reduced],
                spans: bool = False) -> tuple[list[Reduced], Stamp]:
        """``reduce`` of every item's own rows (padding cut off), in the items' order.

        It is called batch by batch, so that large outputs need not be kept for all texts.
        """
        started = time.perf_counter()
        works = self.prepare(items, spans)
        limit = MAX_MASKED_TOKENS if "mlm_logits" in outputs else MAX_PADDED_TOKENS
        found: dict[int, Reduced] = {}
        batches = in_batches([w.pieces.ids for w in works], [w.pieces.type_ids for w in works],
                             self.vocabulary.pad_id, limit)
        for indices, ids, mask, types in batches:
            arrays = self.runtime.run(ids, mask, types, outputs)
            for row, index in enumerate(indices):
                length = len(works[index].pieces.ids)
                own = {name: array[row, :length] if name in TOKEN_OUTPUTS else array[row]
                       for name, array in arrays.items()}
                found[index] = reduce(works[index], own)
        stamp = self._stamp(works, (time.perf_counter() - started) * 1000)
        return [found[index] for index in range(len(works))], stamp

    def _stamp(self, works: Sequence[Work], latency_ms: float) -> Stamp:
        tokens = sum(len(work.pieces.ids) for work in works)
        stamp = self.runtime.info.stamp(latency_ms, tokens=tokens,
                                        tokens_per_second=tokens / latency_ms * 1000)
        cut = sum(work.pieces.truncated for work in works)
        if not cut:
            return stamp
        which = "the text was" if len(works) == 1 else f"{cut} of {len(works)} texts were"
        note = f"{which} cut at {self.max_length} sub-words"
        return replace(stamp, note="; ".join(n for n in (stamp.note, note) if n))
