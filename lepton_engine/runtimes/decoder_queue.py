"""A bounded queue before the batch's places, which says how long the wait would be."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lepton_engine.errors import BusyError

LEARNING = 0.2


class Places:
    """``places`` callers at once, ``most_waiting`` behind them; the next is told the wait.

    The wait is computed from how long the last replies really held their places, or, before
    the first has ended, from how long the present ones have held theirs.
    """

    def __init__(self, places: int, most_waiting: int) -> None:
        self._places, self.most_waiting = places, most_waiting
        self._free = threading.BoundedSemaphore(places)
        self._lock = threading.Lock()
        self._keys = itertools.count()
        self._since: dict[int, float] = {}
        self._mean_s: float | None = None
        self.waiting = 0

    def expected_wait_s(self) -> float:
        """How long a caller who came now would wait, in seconds."""
        with self._lock:
            if len(self._since) < self._places:
                return 0.0
            ages = [time.monotonic() - start for start in self._since.values()]
            mean = self._mean_s if self._mean_s is not None else max(ages)
            return mean * (self.waiting + 1) / self._places

    @contextmanager
    def taken(self, timeout_s: float) -> Iterator[float]:
        """Hold a place; gives the milliseconds waited for it.

        Raises:
            BusyError: at once when the queue is full, else after ``timeout_s``.
        """
        start = time.monotonic()
        self._queue_up(timeout_s)
        held = time.monotonic()
        with self._lock:
            key = next(self._keys)
            self._since[key] = held
        try:
            yield 1000 * (held - start)
        finally:
            with self._lock:
                del self._since[key]
                seconds = time.monotonic() - held
                mean = self._mean_s
                self._mean_s = (seconds if mean is None
                                else mean + LEARNING * (seconds - mean))
            self._free.release()

    def _queue_up(self, timeout_s: float) -> None:
        if self._free.acquire(blocking=False):
            return
        wait = self.expected_wait_s()
        with self._lock:
            if self.waiting >= self.most_waiting:
                raise BusyError(f"{self.waiting} questions are waiting for the language model. "
                                f"Please try again in about {said(wait)}.")
            self.waiting += 1
        try:
            if not self._free.acquire(timeout=timeout_s):
                raise BusyError("The language model was busy for the whole time allowed. "
                                f"Please try again in about {said(self.expected_wait_s())}.")
        finally:
            with self._lock:
                self.waiting -= 1


def said(seconds: float) -> str:
    """A wait in words: whole seconds to a minute, then minutes."""
    if seconds < 90:
        whole = max(1, math.ceil(seconds))
        return f"{whole} second{'s' if whole > 1 else ''}"
    return f"{math.ceil(seconds / 60)} minutes"
