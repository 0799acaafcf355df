"""The loaded parts of an engine: one load however many ask, least recently used out first."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lepton_engine.errors import LeptonError, ModelUnavailableError
from lepton_engine.results import LoadState

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 15.0  # a failed load is not tried again at every keystroke


class Loadable(Protocol):
    """Anything the pool holds. ``memory_bytes`` is asked anew each time."""

    @property
    def memory_bytes(self) -> int: ...

    def close(self) -> None: ...


Tell = Callable[[str, float | None], None]
"""Called while loading with what is being done and the share done (None: not known)."""

Loader = Callable[[Tell], Any]


@dataclass
class Slot:
    """One name: its value once loaded, its failure, and who uses it now."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    error: LeptonError | None = None
    failed_at: float = 0.0
    state: str = "waiting"
    detail: str = ""
    progress: float | None = None
    users: int = 0
    used_at: float = 0.0


class Pool:
    """Loads by name; drops what was used longest ago when the budget is exceeded."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()

    def expect(self, names: list[str]) -> None:
        """Show these as waiting before their turn to load comes."""
        with self._lock:
            for name in names:
                self._slots.setdefault(name, Slot())

    def states(self) -> tuple[LoadState, ...]:
        with self._lock:
            slots = dict(self._slots)
        return tuple(LoadState(n, s.state, s.progress, s.detail) for n, s in slots.items())

    def loaded(self) -> dict[str, Any]:
        """What is in memory now, by name."""
        with self._lock:
            return {n: s.value for n, s in self._slots.items() if s.value is not None}

    @contextmanager
    def use(self, name: str, load: Loader) -> Iterator[Any]:
        """The loaded value, kept in memory while the block runs.

        Raises:
            LeptonError: it could not be loaded; the same failure for some seconds.
        """
        with self._lock:
            slot = self._slots.setdefault(name, Slot())
            slot.users += 1
        try:
            value = self._value(name, slot, load)
            yield value
        finally:
            with self._lock:
                slot.users -= 1
                slot.used_at = time.monotonic()

    def _value(self, name: str, slot: Slot, load: Loader) -> Any:
        with slot.lock:
            if slot.value is not None:
                return slot.value
            if slot.error is not None and time.monotonic() - slot.failed_at < RETRY_AFTER_S:
                raise slot.error
            self._load(name, slot, load)
        self._shrink(keep=name)
        return slot.value

    def _load(self, name: str, slot: Slot, load: Loader) -> None:
        def tell(detail: str, progress: float | None) -> None:
            slot.detail, slot.progress = detail, progress

        slot.state, slot.detail, slot.progress, slot.error = "loading", "", None, None
        try:
            slot.value = load(tell)
        except LeptonError as error:
            self._fail(name, slot, error)
            raise
        except Exception as error:
            # A sentence for the person; the cause is in the log under the same id.
            sentence = ModelUnavailableError(
                f"{name} could not be loaded ({type(error).__name__}). "
                f"Try: python -m lepton_engine models verify {name}"
            )
            self._fail(name, slot, sentence, error)
            raise sentence from error
        slot.state, slot.detail, slot.progress = "ready", "", None

    def _fail(self, name: str, slot: Slot, error: LeptonError,
              cause: Exception | None = None) -> None:
        logger.warning("Loading %s failed (id %s)", name, error.id, exc_info=cause or error)
        slot.state, slot.detail, slot.progress = "failed", f"{error} (id {error.id})", None
        slot.error, slot.failed_at = error, time.monotonic()

    def _shrink(self, keep: str) -> None:
        """Unload what nobody uses, oldest first, until the rest fits the budget."""
        while True:
            sizes = {n: int(v.memory_bytes) for n, v in self.loaded().items()}
            if sum(sizes.values()) <= self.budget_bytes:
                return
            with self._lock:
                idle = [n for n in sizes if n != keep and not self._slots[n].users]
                oldest = min(idle, key=lambda n: self._slots[n].used_at, default=None)
                if oldest is None:
                    return
                value = self._take(oldest)
            logger.info("Unloading %s to stay within the memory budget", oldest)
            value.close()

    def _take(self, name: str) -> Any:
        slot = self._slots[name]
        value, slot.value, slot.state = slot.value, None, "waiting"
        slot.detail = "unloaded to make room"
        return value

    def close(self) -> None:
        with self._lock:
            values = [self._take(n) for n, s in self._slots.items() if s.value is not None]
        for value in values:
            value.close()
