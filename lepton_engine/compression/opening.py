"""Opens a variant behind a generator: it may take minutes, and can be watched and stopped."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from lepton_engine.catalog.progress import StoppedError
from lepton_engine.compression.measure import Doing
from lepton_engine.telling import Tell

POLL_S = 0.2
TELL_S = 1.0


class Opening:
    """Enters ``make(tell)`` on a thread of its own.

    The thread that was given up closes what it opened after all; ``tell`` raises StoppedError
    in it as soon as the work reports anything.
    """

    def __init__(self, make: Callable[[Tell], AbstractContextManager[Any]], what: str) -> None:
        self._make = make
        self.doing = Doing(what)
        self._what = what
        self._lock = threading.Lock()
        self._given_up = False
        self._manager: AbstractContextManager[Any] | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._enter,), daemon=True,
                                        name="lepton-compare-open")
        self._thread.start()

    def _tell(self, what: str, share: float | None) -> None:
        if self._given_up:
            raise StoppedError(self._what)
        self.doing = Doing(what, share)

    def _enter(self) -> None:
        try:
            manager = self._make(self._tell)
            value = manager.__enter__()
        except BaseException as error:  # handed to the one who waits, whatever it is
            self.error = error
            return
        with self._lock:
            if not self._given_up:
                self._manager, self.value = manager, value
                return
        manager.__exit__(None, None, None)

    def waited(self) -> Generator[Doing, None, Any]:
        """Yield what is being done until it is open; then the value, or the error is raised."""
        last: Doing | None = None
        quiet = 0.0
        while self._thread.is_alive():
            if self.doing != last or quiet >= TELL_S:  # a sign of life now and then
                last, quiet = self.doing, 0.0
                yield last
            self._thread.join(POLL_S)
            quiet += POLL_S
        if self.error is not None:
            raise self.error
        return self.value

    def close(self) -> None:
        """Leave the block, now or when it has been entered."""
        with self._lock:
            self._given_up = True
            manager, self._manager, self.value = self._manager, None, None
        if manager is not None:
            manager.__exit__(None, None, None)


@contextmanager
def opening(make: Callable[[Tell], AbstractContextManager[Any]], what: str) -> Iterator[Opening]:
    """An `Opening` that is closed in the end."""
    opened = Opening(make, what)
    try:
        yield opened
    finally:
        opened.close()
