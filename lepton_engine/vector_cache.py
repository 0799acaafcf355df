"""Vectors of texts that were seen before, within a bound of bytes.

The key is the variant and a digest of the text: the text itself is not kept.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

LIMIT_BYTES = 8 * 10**6
#: What an entry costs beside its numbers: key, array object, and its place in the table.
OVERHEAD_BYTES = 300
#: A call with more texts than this builds an index: its texts do not come again, and would
#: only push out those that do.
MOST_TEXTS_KEPT = 256

_on: ContextVar[bool] = ContextVar("vector caches", default=True)


@contextmanager
def caches_off() -> Iterator[None]:
    """Within the block (of this thread or task) every vector is computed: for measuring."""
    token = _on.set(False)
    try:
        yield
    finally:
        _on.reset(token)


def caches_on() -> bool:
    return _on.get()


def text_key(variant: str, text: str) -> bytes:
    """16 bytes; equal for equal texts under the same variant only."""
    digest = hashlib.blake2b(variant.encode(), digest_size=16)
    digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
    return digest.digest()


@dataclass(frozen=True)
class CacheState:
    """What a cache holds, and how often it was asked since it was made."""

    entries: int
    bytes: int
    limit_bytes: int
    hits: int
    misses: int


class VectorCache:
    """The vectors used last; the oldest go when ``limit_bytes`` is reached. For any thread."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._vectors: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._bytes = self._hits = self._misses = 0
        self._lock = threading.Lock()

    def get(self, key: bytes) -> np.ndarray | None:
        """float32 (dimension,), not to be written to; None when it is not there."""
        with self._lock:
            vector = self._vectors.get(key)
            if vector is None:
                self._misses += 1
                return None
            self._hits += 1
            self._vectors.move_to_end(key)
            return vector

    def put(self, key: bytes, vector: np.ndarray) -> None:
        """Keep a copy of ``vector``, unless it alone is past the limit."""
        own = np.array(vector, dtype=np.float32)  # a copy: a row would hold its whole batch
        own.flags.writeable = False
        size = own.nbytes + OVERHEAD_BYTES
        if size > self._limit:
            return
        with self._lock:
            old = self._vectors.pop(key, None)
            if old is not None:
                self._bytes -= old.nbytes + OVERHEAD_BYTES
            self._vectors[key] = own
            self._bytes += size
            while self._bytes > self._limit:
                _, oldest = self._vectors.popitem(last=False)
                self._bytes -= oldest.nbytes + OVERHEAD_BYTES

    def clear(self) -> None:
        with self._lock:
            self._vectors.clear()
            self._bytes = 0

    @property
    def state(self) -> CacheState:
        with self._lock:
            return CacheState(len(self._vectors), self._bytes, self._limit, self._hits,
                              self._misses)
