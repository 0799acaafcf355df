"""API conversations: one bounded store, ids made by the server, nothing shared.

The page keeps its conversations in the session; a program has none, so it gets an id. An
id that the store does not know, or no longer knows, starts a new conversation under a new
id, so that nobody can choose the id of another's.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from lepton_engine.errors import BusyError

State = TypeVar("State")
MAX_CONVERSATIONS = 1000
MAX_IDLE_SECONDS = 30 * 60.0
MAX_WAIT_SECONDS = 60.0


@dataclass
class _Entry(Generic[State]):
    state: State
    used_at: float
    lock: Lock = field(default_factory=Lock)


class ConversationStore(Generic[State]):
    """At most ``limit`` conversations, each dropped after ``idle_s`` seconds of silence.

    ``make`` gives the state of a new conversation, such as ``list``.
    """

    def __init__(self, make: Callable[[], State], *, limit: int = MAX_CONVERSATIONS,
                 idle_s: float = MAX_IDLE_SECONDS, wait_s: float = MAX_WAIT_SECONDS,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._limit, self._idle_s = make, limit, idle_s
        self._wait_s, self._clock = wait_s, clock
        self._lock = Lock()
        self._entries: OrderedDict[str, _Entry[State]] = OrderedDict()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @contextmanager
    def open(self, session_id: str = "") -> Iterator[tuple[str, State]]:
        """``with store.open(id) as (id, state)``: alone with one conversation.

        Two calls with the same id take turns. Raises BusyError after ``wait_s`` seconds.
        """
        key, entry = self._find(session_id)
        if not entry.lock.acquire(timeout=self._wait_s):
            raise BusyError("This conversation is still answering an earlier message. "
                            "Wait for it, or start a new one.")
        try:
            yield key, entry.state
        finally:
            entry.used_at = self._clock()
            entry.lock.release()

    def _find(self, session_id: str) -> tuple[str, _Entry[State]]:
        with self._lock:
            self._drop_old()
            entry = self._entries.get(session_id)
            if entry is not None:
                self._entries.move_to_end(session_id)
                entry.used_at = self._clock()
                return session_id, entry
            key = secrets.token_hex(16)
            entry = self._entries[key] = _Entry(self._make(), self._clock())
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)
            return key, entry

    def _drop_old(self) -> None:
        oldest = self._clock() - self._idle_s
        for key in [k for k, e in self._entries.items() if e.used_at < oldest]:
            if not self._entries[key].lock.locked():
                del self._entries[key]
