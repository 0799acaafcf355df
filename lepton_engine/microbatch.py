"""Callers on several threads share an encoder: who waits while it computes joins its next batch.

There is no thread of its own and no time window. A caller who finds the encoder idle computes
at once, on its own thread; those who come meanwhile wait, and the first of them to wake takes
what all of them want, as far as it fits one batch. Callers take turns, so a single text
waits for one batch and not for the two thousand texts of another caller.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lepton_engine.batching import MAX_PADDED_TOKENS, MAX_TEXTS, joined, plan
from lepton_engine.errors import LeptonError, RuntimeFailure

log = logging.getLogger(__name__)

#: A joint batch may be padded to this many times its real tokens: past it, two runs are faster.
MAX_STRETCH = 1.4
_CLOSED = "The model was closed while this waited for it. Load it again and repeat the call."
_FAILED = ("These texts could not be computed, nor half of them at a time: as a rule the memory "
           "does not suffice. Try again with fewer or shorter texts.")

Arrays = Mapping[str, np.ndarray]
#: (input_ids, attention_mask, token_type_ids, outputs) -> arrays whose first axis is the batch
Run = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[str]], Arrays]


@dataclass(frozen=True, eq=False)
class Row:
    """One text in ids."""

    ids: Sequence[int]
    type_ids: Sequence[int]


@dataclass(eq=False)
class Call:
    """One caller: its rows, the batches that nobody computes yet, and results not yet taken."""

    rows: Sequence[Row]
    outputs: tuple[str, ...]
    batches: deque[list[int]]
    max_tokens: int
    started: float
    ready: list[tuple[int, Arrays]] = field(default_factory=list)
    error: BaseException | None = None
    waited_ms: float | None = None


Part = tuple[Call, list[int]]
Outcome = tuple[Call, "list[tuple[int, Arrays]] | Exception"]


class MicroBatcher:
    """Puts rows of several callers into batches for ``run``, one batch at a time.

    Args:
        pad_id: what rows are filled up with. max_texts, max_tokens: limits of a batch.
    """

    def __init__(self, run: Run, pad_id: int, max_texts: int = MAX_TEXTS,
                 max_tokens: int = MAX_PADDED_TOKENS) -> None:
        self._run = run
        self._pad_id = pad_id
        self._max_texts = max_texts
        self._max_tokens = max_tokens
        self._calls: deque[Call] = deque()
        self._state = threading.Condition()
        self._busy = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many callers have rows that are not being computed yet."""
        with self._state:
            return sum(bool(call.batches) for call in self._calls)

    def compute(self, rows: Sequence[Row], outputs: Sequence[str],
                take: Callable[[int, Arrays], None], max_tokens: int | None = None) -> float:
        """Call ``take(index, arrays of that row)`` for every row, on this thread, as batches end.

        The arrays still have the padding of their batch. Returns the milliseconds for which
        the rows waited before the first of them was computed.

        Raises:
            RuntimeFailure: closed, or a batch that could not be computed, not even in halves.
        """
        limit = max_tokens or self._max_tokens
        batches = plan([len(row.ids) for row in rows], self._max_texts, limit)
        call = Call(rows, tuple(outputs), deque(batches), limit, time.perf_counter())
        left = len(rows)
        with self._state:
            self._calls.append(call)
        try:
            while left:
                parts = self._turn(call)
                if parts:
                    self._serve(parts)
                for index, arrays in self._taken(call):
                    take(index, arrays)
                    left -= 1
        finally:
            with self._state:
                self._calls.remove(call)
                self._state.notify_all()
        return call.waited_ms or 0.0

    def close(self) -> None:
        """Refuse waiting and later calls; the batch that is being computed ends as usual."""
        with self._state:
            self._closed = True
            self._state.notify_all()

    # Whose turn it is; all of this under the lock

    def _turn(self, call: Call) -> list[Part]:
        """Wait until ``call`` has results or an error (then []), or the encoder is free (then
        what it computes next, and this thread has to do it)."""
        with self._state:
            while not (call.ready or call.error):
                if self._closed:
                    raise RuntimeFailure(_CLOSED)
                if not self._busy and (parts := self._next()):
                    self._busy = True
                    return parts
                self._state.wait()
            return []

    def _next(self) -> list[Part]:
        """The batch of the caller whose turn it is, and those of others that fit beside it."""
        first = next((call for call in self._calls if call.batches), None)
        if first is None:
            return []
        self._calls.remove(first)
        self._calls.append(first)  # the others' turn comes before its next one
        parts = [(first, first.batches.popleft())]
        for call in self._calls:
            if (call is not first and call.batches and call.outputs == first.outputs
                    and self._fits([*parts, (call, call.batches[0])])):
                parts.append((call, call.batches.popleft()))
        for call, _ in parts:
            if call.waited_ms is None:
                call.waited_ms = (time.perf_counter() - call.started) * 1000
        return parts

    def _fits(self, parts: Sequence[Part]) -> bool:
        lengths = [len(call.rows[index].ids) for call, batch in parts for index in batch]
        size = len(lengths) * max(lengths)
        return (len(lengths) <= self._max_texts and size <= MAX_STRETCH * sum(lengths)
                and size <= min(call.max_tokens for call, _ in parts))

    def _taken(self, call: Call) -> list[tuple[int, Arrays]]:
        with self._state:
            if call.error is not None:
                raise call.error
            taken, call.ready = call.ready, []
            return taken

    # Computing, outside the lock

    def _serve(self, parts: list[Part]) -> None:
        """Compute and hand over; whatever happens, the encoder is free again afterwards."""
        outcomes: list[Outcome] = []
        try:
            outcomes = self._outcomes(parts)
        finally:
            with self._state:
                self._busy = False
                for call, found in outcomes:
                    if isinstance(found, Exception):
                        call.error = found
                    else:
                        call.ready.extend(found)
                if not outcomes:  # this thread was interrupted: the others' rows are still to do
                    for call, batch in parts:
                        call.batches.appendleft(batch)
                self._state.notify_all()

    def _outcomes(self, parts: Sequence[Part]) -> list[Outcome]:
        """Results by caller. Where a joint batch fails each caller's part is tried alone, so
        that one's fault is not another's; a part alone is tried once more in two halves."""
        try:
            return self._batch(parts)
        except Exception as error:
            if len(parts) > 1:
                return [found for part in parts for found in self._outcomes([part])]
            (call, batch), = parts
            if len(batch) == 1 or not isinstance(error, (RuntimeError, MemoryError,
                                                         RuntimeFailure)):
                return [(call, _sentence(error))]
            log.warning("A batch of %d texts failed (%s): it is tried in halves",
                        len(batch), type(error).__name__)
        half = len(batch) // 2
        try:
            first, second = (self._batch([(call, some)]) for some in (batch[:half], batch[half:]))
        except Exception as error:
            return [(call, _sentence(error))]
        return [*first, *second]

    def _batch(self, parts: Sequence[Part]) -> list[Outcome]:
        rows = [call.rows[index] for call, batch in parts for index in batch]
        ids, mask, types = joined([row.ids for row in rows], [row.type_ids for row in rows],
                                  self._pad_id)
        arrays = self._run(ids, mask, types, parts[0][0].outputs)
        outcomes: list[Outcome] = []
        start = 0
        for call, batch in parts:
            outcomes.append((call, [
                (index, {name: array[start + place] for name, array in arrays.items()})
                for place, index in enumerate(batch)]))
            start += len(batch)
        return outcomes


def _sentence(error: Exception) -> Exception:
    """What the caller gets: a LeptonError as it is, a lack of memory as a sentence."""
    if isinstance(error, (RuntimeError, MemoryError)) and not isinstance(error, LeptonError):
        failure = RuntimeFailure(_FAILED)
        failure.__cause__ = error
        log.warning("A batch failed (id %s)", failure.id, exc_info=error)
        return failure
    return error
