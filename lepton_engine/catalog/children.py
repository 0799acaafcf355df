"""Runs a downloader in a process of its own, so that it can be watched and stopped."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lepton_engine.catalog.progress import check_cancel
from lepton_engine.errors import DiskFullError, SourceError

_POLL = 0.2  # seconds between looks at the folder and at the wish to stop
STALL = 300.0  # seconds without one new byte after which a download is given up

#: What a downloader prints -> what a person is told. Its own text is not shown: it may name
#: hosts and accounts.
_REASONS = (
    ("No module named pip", "pip is not installed beside this Python"),
    ("No module named 'huggingface_hub'", "huggingface_hub is not installed"),
    ("HTTP error 404", "the file is not there"),
    ("EntryNotFound", "the file is not there"),
    ("RevisionNotFound", "the revision is not there"),
    ("RepositoryNotFound", "the repository is not there or is not open"),
    ("GatedRepo", "the repository asks for a login"),
    ("No matching distribution", "the file is not there"),
    ("Could not find a version", "the file is not there"),
    ("is not a valid wheel", "the wheel is damaged"),
    ("does not match", "the bytes were damaged on the way"),
    ("timed out", "no answer came in time"),
)
_UNREACHED = ("NewConnectionError", "ConnectionError", "ConnectError", "Max retries", "resolution",
              "Name or service", "Connection refused", "LocalEntryNotFound", "OfflineMode",
              "ProxyError", "Network is unreachable", "SSLError")
_FULL = ("No space left on device", "Disk quota exceeded", "not enough space on the disk")


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; files that vanish meanwhile count nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total


_running: set[subprocess.Popen[bytes]] = set()


def _stop(child: subprocess.Popen[bytes]) -> None:
    _running.discard(child)
    if child.poll() is not None:
        return
    if sys.platform == "win32":
        child.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@atexit.register
def _stop_all() -> None:
    """No downloader outlives a program whose background thread was just cut off."""
    for child in tuple(_running):
        _stop(child)


def explain(output: str) -> str:
    """Why a downloader failed, as half a sentence. Raises DiskFullError for a full disk."""
    if any(sign in output for sign in _FULL):
        raise DiskFullError("The disk is full, so the download was stopped. Free some room "
                            "and try again; what was checked so far is kept.")
    if any(sign in output for sign in _UNREACHED):
        return "it could not be reached"
    for sign, reason in _REASONS:
        if sign in output:
            return reason
    return "the download failed"


def run_child(arguments: Sequence[str], *, watch: Path, what: str,
              on_bytes: Callable[[int], None], cancel: threading.Event | None,
              environment: Mapping[str, str] | None = None) -> None:
    """Run ``sys.executable`` with ``arguments`` until it ends well.

    ``watch`` is its working and temporary folder; the bytes in it are reported as they grow.
    Raises SourceError with the reason, StoppedError when ``cancel`` is set (the child and its
    children are killed), DiskFullError when it met a full disk.
    """
    env = {**os.environ, "TMPDIR": str(watch), "TEMP": str(watch), "TMP": str(watch),
           "PYTHONUNBUFFERED": "1", **(environment or {})}
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen([sys.executable, *arguments], cwd=watch, env=env,
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                 start_new_session=True)
        _running.add(child)
        try:
            _watch(child, watch, what, on_bytes, cancel)
        finally:
            _stop(child)
        if child.returncode == 0:
            return
        output.seek(max(0, output.seek(0, os.SEEK_END) - 20_000))
        raise SourceError(explain(output.read().decode("utf-8", "replace")))


def _watch(child: subprocess.Popen[bytes], folder: Path, what: str,
           on_bytes: Callable[[int], None], cancel: threading.Event | None) -> None:
    seen, moved = 0, time.monotonic()
    while child.poll() is None:
        check_cancel(cancel, what)
        size = folder_size(folder)
        if size != seen:
            seen, moved = size, time.monotonic()
            on_bytes(size)
        elif time.monotonic() - moved > STALL:
            raise SourceError("no new byte came for five minutes")
        try:
            child.wait(_POLL)
        except subprocess.TimeoutExpired:
            continue
