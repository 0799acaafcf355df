"""Every error that Lepton raises on purpose.

::

    LeptonError                    a sentence: what happened and what to do next
    ├── InputError                 what the caller gave is broken or past a limit
    │   └── LimitError             a stated limit, with its value
    ├── UnknownNameError           no such model, adapter, recipe step, language
    ├── ModelUnavailableError      a model that cannot be had or cannot be loaded
    │   ├── SourceError            no source of its bytes could be reached
    │   ├── DigestError            bytes that are not the catalogue's; kept aside, never opened
    │   └── UnsafeModelError       a format or a configuration that would run code
    ├── DiskFullError              not enough room in the store
    ├── DeviceError                a wish for a device that is not there
    ├── BusyError                  the queue is full; says how long to wait
    ├── DeadlineError              the time limit passed before anything was produced
    └── RuntimeFailure             a runtime or a worker died; the next call starts a new one

Each carries a short ``id``, which the log line of the failure carries too, so that a
person can report it. The text of an error never holds what a user typed and no path.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Iterable


class LeptonError(Exception):
    """Base of all. ``str(error)`` is one sentence or two for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.id = secrets.token_hex(4)


class InputError(LeptonError, ValueError):
    """The caller's input is of a wrong type or shape, or is empty."""


class LimitError(InputError):
    """The caller's input is past a limit; the message names the limit."""


class UnknownNameError(LeptonError, LookupError):
    """A name that no table holds."""

    @classmethod
    def of(cls, what: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """Say which ``what`` was asked for and the nearest of ``known``."""
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
        return cls(f"There is no {what} called “{name[:80]}”. {hint}")


class ModelUnavailableError(LeptonError):
    """A model that cannot be had or cannot be loaded."""


class SourceError(ModelUnavailableError):
    """No source of a file could be reached."""


class DigestError(ModelUnavailableError):
    """A file's sha256 is not the catalogue's."""


class UnsafeModelError(ModelUnavailableError):
    """A format or a configuration that would execute code."""


class DiskFullError(LeptonError, OSError):
    """The store's disk has not enough room."""

    def __str__(self) -> str:
        return self.message


class DeviceError(LeptonError):
    """A device was asked for that this machine does not have."""


class BusyError(LeptonError):
    """Too many callers are waiting."""


class DeadlineError(LeptonError, TimeoutError):
    """The deadline passed before the work produced anything."""

    def __str__(self) -> str:
        return self.message


class RuntimeFailure(LeptonError):  # noqa: N818 - RuntimeError is taken by Python
    """A runtime failed or its worker process died."""
