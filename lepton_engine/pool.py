"""The loaded parts of an engine: one load however many ask, least recently used out first."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lepton_engine.catalog.progress import StoppedError
from lepton_engine.errors import BusyError, LeptonError, ModelUnavailableError, UnknownNameError
from lepton_engine.status import LoadState
from lepton_engine.telling import Tell

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 15.0  # a failed load is not tried again at every keystroke


class Loadable(Protocol):
    """Anything the pool holds. ``memory_bytes`` is asked anew each time."""

    @property
    def memory_bytes(self) -> int: ...

    def close(self) -> None: ...


Loader = Callable[[Tell], Any]


@dataclass
class Slot:
    """One variant: its value once loaded, its failure, and who uses it now."""

    name: str
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
    """Loads by key; drops what was used longest ago when the budget is exceeded.

    A key is a model's name for its original, else ``name/recipe``.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()

    def expect(self, names: Mapping[str, str]) -> None:
        """Show these keys (with the names of their models) as waiting before their turn."""
        with self._lock:
            for key, name in names.items():
                self._slots.setdefault(key, Slot(name))

    def states(self) -> tuple[LoadState, ...]:
        with self._lock:
            slots = dict(self._slots)
        return tuple(LoadState(s.name, s.state, s.progress, s.detail, key, _bytes(s.value))
                     for key, s in slots.items())

    def loaded(self) -> dict[str, Any]:
        """What is in memory now, by key."""
        with self._lock:
            return {key: s.value for key, s in self._slots.items() if s.value is not None}

    @contextmanager
    def use(self, key: str, load: Loader, name: str = "") -> Iterator[Any]:
        """The loaded value, kept in memory while the block runs.

        Raises:
            LeptonError: it could not be loaded; the same failure for some seconds.
        """
        with self._lock:
            slot = self._slots.setdefault(key, Slot(name or key))
            slot.users += 1
        try:
            yield self._value(key, slot, load)
        finally:
            with self._lock:
                slot.users -= 1
                slot.used_at = time.monotonic()

    def _value(self, key: str, slot: Slot, load: Loader) -> Any:
        with slot.lock:
            if slot.value is not None:
                return slot.value
            if slot.error is not None and time.monotonic() - slot.failed_at < RETRY_AFTER_S:
                raise slot.error
            value = self._load(key, slot, load)
        self._shrink(keep=key)
        return value

    def _load(self, key: str, slot: Slot, load: Loader) -> Any:
        def tell(detail: str, progress: float | None) -> None:
            slot.detail, slot.progress = detail, progress

        slot.state, slot.detail, slot.progress, slot.error = "loading", "", None, None
        try:
            value = slot.value = load(tell)
        except StoppedError:  # whoever asked for it went away; the next one starts anew
            slot.state, slot.detail, slot.progress = "unloaded", "stopped while loading", None
            raise
        except LeptonError as error:
            self._fail(key, slot, error)
            raise
        except Exception as error:
            # A sentence for the person; the cause is in the log under the same id.
            sentence = ModelUnavailableError(
                f"{key} could not be loaded ({type(error).__name__}). "
                f"Try: python -m lepton_engine models verify {slot.name}"
            )
            self._fail(key, slot, sentence, error)
            raise sentence from error
        slot.state, slot.detail, slot.progress = "ready", "", None
        return value

    def _fail(self, key: str, slot: Slot, error: LeptonError,
              cause: Exception | None = None) -> None:
        logger.warning("Loading %s failed (id %s)", key, error.id, exc_info=cause or error)
        slot.state, slot.detail, slot.progress = "failed", f"{error} (id {error.id})", None
        slot.error, slot.failed_at = error, time.monotonic()

    def _shrink(self, keep: str) -> None:
        """Unload what nobody uses, oldest first, until the rest fits the budget."""
        while True:
            sizes = {key: _bytes(value) for key, value in self.loaded().items()}
            if sum(sizes.values()) <= self.budget_bytes:
                return
            with self._lock:
                idle = [k for k in sizes if k != keep and not self._slots[k].users]
                oldest = min(idle, key=lambda k: self._slots[k].used_at, default=None)
                if oldest is None:
                    return
                value = self._take(oldest, "unloaded to make room")
            logger.info("Unloading %s to stay within the memory budget", oldest)
            value.close()

    def unload(self, key: str) -> int:
        """Free one variant and give the bytes of its weights; 0 where it was not loaded.

        Raises:
            UnknownNameError: no such key. BusyError: it is computing for somebody.
        """
        with self._lock:
            if key not in self._slots:
                raise UnknownNameError.of("loaded variant", key, self._slots)
            if self._slots[key].users:
                raise BusyError(f"{key} is computing for somebody. Unload it when it is done.")
            if self._slots[key].value is None:
                return 0
            value = self._take(key, "unloaded on request")
        size = _bytes(value)
        value.close()
        return size

    def release(self, key: str) -> None:
        """Free a variant that was wanted once only, and take it off the list; a used one
        stays."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is None or slot.users:
                return
            del self._slots[key]
        if slot.value is not None:
            slot.value.close()

    def forget(self, key: str) -> None:
        """Take a key that could not be loaded off the list."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is not None and slot.value is None and not slot.users:
                del self._slots[key]

    def abandon(self) -> list[Any]:
        """Empty the pool at once, whoever still uses it; gives what was loaded."""
        with self._lock:
            slots, self._slots = self._slots, {}
        return [s.value for s in slots.values() if s.value is not None]

    def _take(self, key: str, why: str) -> Any:
        slot = self._slots[key]
        value, slot.value, slot.state, slot.detail = slot.value, None, "unloaded", why
        return value

    def close(self) -> None:
        with self._lock:
            values = [self._take(k, "closed") for k, s in self._slots.items()
                      if s.value is not None]
        close_all(values)


def close_all(values: Iterable[Any]) -> None:
    """Close each, whatever closing another one raised."""
    for value in values:
        try:
            value.close()
        except Exception as error:  # a lost device: there is nothing left to free on it
            logger.warning("Closing a model raised %s", type(error).__name__)


def _bytes(value: Any) -> int:
    return int(getattr(value, "memory_bytes", 0) or 0)
