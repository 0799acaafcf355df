"""One process at a time, and a full disk as a sentence."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lepton_engine.catalog.progress import Progress, Report, check_cancel
from lepton_engine.errors import DiskFullError


@contextlib.contextmanager
def hold(place: Path, name: str, report: Report, cancel: threading.Event | None) -> Iterator[None]:
    """Hold the lock of a name across threads and processes.

    Waiting is reported once and ends with StoppedError when ``cancel`` is set. The system frees
    the lock of a process that dies, so a dead one blocks nobody.
    """
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / f"{name.replace('/', '--')}.lock")
    told = False
    while True:
        check_cancel(cancel, name)
        try:
            lock.acquire(timeout=0.2, poll_interval=0.05)
            break
        except Timeout:
            if not told:
                told = True
                report(Progress("wait", 0, 0, f"Somebody else is fetching {name}; waiting."))
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def full_disk_as_sentence(what: str) -> Iterator[None]:
    """Turn the system's "no space left" into DiskFullError; other errors pass."""
    try:
        yield
    except DiskFullError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(f"The disk became full while {what} was written. Free some room "
                            "and try again; what was checked so far is kept.") from error
