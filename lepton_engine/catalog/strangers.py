"""Models of the hub that the catalogue does not know: fetched safely, their digests recorded."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from lepton_engine.catalog import outside
from lepton_engine.catalog.hub import RepositoryDownloader
from lepton_engine.catalog.integrity import read_manifest, write_manifest
from lepton_engine.catalog.locks import full_disk_as_sentence, hold
from lepton_engine.catalog.progress import Progress, Report
from lepton_engine.catalog.specs import ModelSpec
from lepton_engine.errors import SourceError


@dataclass(frozen=True)
class Strangers:
    """The part of a store that holds them: ``outside/<org--name@revision>/`` and a manifest."""

    home: Path
    offline: bool
    download: RepositoryDownloader

    def folder(self, spec: ModelSpec) -> Path:
        name = f"{spec.publisher}@{spec.revision}"
        return self.home / "outside" / re.sub(r"[^\w.@-]", "--", name)

    def manifest(self, spec: ModelSpec) -> Path:
        folder = self.folder(spec)
        return folder.with_name(f"{folder.name}.json")

    def recorded(self, spec: ModelSpec) -> ModelSpec | None:
        """The spec with the digests that were recorded when it came, or None."""
        files = read_manifest(self.manifest(spec))
        return outside.recorded_spec(spec, self.folder(spec), files) if files else None

    def all(self) -> tuple[ModelSpec, ...]:
        """Every stranger in the store."""
        found = []
        for manifest in sorted((self.home / "outside").glob("*.json")):
            try:
                alias = json.loads(manifest.read_text(encoding="utf-8"))["facts"]["alias"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            found.append(self.recorded(outside.hub_spec(str(alias))))
        return tuple(spec for spec in found if spec is not None)

    def open(self, spec: ModelSpec, report: Report,
             cancel: threading.Event | None) -> ModelSpec:
        """The recorded spec; fetched first when it is not there."""
        known = self.recorded(spec)
        if known is not None:
            return known
        folder = self.folder(spec)
        with hold(self.home / "locks", folder.name, report, cancel), \
                full_disk_as_sentence(spec.alias):
            if self.recorded(spec) is None:
                self._bring(spec, folder, report, cancel)
        known = self.recorded(spec)
        if known is None:
            raise SourceError(f"{spec.alias} was removed while it was opened. Try again.")
        return known

    def _bring(self, spec: ModelSpec, folder: Path, report: Report,
               cancel: threading.Event | None) -> None:
        if self.offline:
            raise SourceError(f"{spec.alias} is not in the store and LEPTON_OFFLINE is set. "
                              "Unset it and try again, or name a folder.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder.parent) as work:
            try:
                found, commit = self.download(
                    spec.publisher, spec.revision, Path(work),
                    lambda size: report(Progress("download", size, 0, spec.alias)), cancel)
            except SourceError as error:
                raise SourceError(f"{spec.alias} could not be fetched from the model hub: "
                                  f"{error.message}. Check the name and the network.") from error
            digests = {f.name: f.sha256 for f in outside.folder_spec(found).files}
            os.replace(found, folder)
        write_manifest(self.manifest(spec), folder, digests,
                       {"alias": spec.alias, "publisher": spec.publisher, "commit": commit,
                        "catalogued": "no"})
