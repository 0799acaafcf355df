"""What a caller sees of long work, and how it stops it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from lepton_engine.errors import ModelUnavailableError


@dataclass(frozen=True)
class Progress:
    """One report. ``stage`` is wait, space, download, unpack, verify or convert.

    ``done`` and ``total`` are bytes (0 of 0 where nobody can count); ``detail`` is a
    sentence or a name for a person.
    """

    stage: str
    done: int
    total: int
    detail: str = ""


Report = Callable[[Progress], None]


class StoppedError(ModelUnavailableError):
    """The caller asked for the work to stop; what was verified so far is kept."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Fetching {what} was stopped. What was checked so far is kept; "
                         "the next try goes on from there.")


def silent(_: Progress) -> None:
    """A report that nobody reads."""


def check_cancel(cancel: threading.Event | None, what: str) -> None:
    """Raise StoppedError when the caller wants to stop."""
    if cancel is not None and cancel.is_set():
        raise StoppedError(what)


def megabytes(size: int) -> str:
    """Bytes for a person, three significant digits: ``478 MB``, ``1.12 GB``, ``14 kB``."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            value = size / factor
            return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"
    return f"{size} bytes"
