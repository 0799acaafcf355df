"""Fills a model's folder: asks the sources in order, checks every file, puts it in place.

Runs under the alias's lock. A file gets its name by a rename after its sha256 was checked, so
whatever has that name is whole; the caller writes the manifest last.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from lepton_engine.catalog.integrity import VERIFIED
from lepton_engine.catalog.progress import Progress, megabytes
from lepton_engine.catalog.sources import Job, Source
from lepton_engine.catalog.specs import FileSpec
from lepton_engine.errors import DigestError, DiskFullError, SourceError

log = logging.getLogger(__name__)


def is_right(path: Path, file: FileSpec) -> bool:
    """Whether the bytes are the catalogue's; a wrong size needs no hashing."""
    return (path.is_file() and path.stat().st_size == file.size
            and VERIFIED.digest(path) == file.sha256)


def check_room(job: Job, need: int, free: int) -> None:
    """Say what a fetch will take before it starts. Raises DiskFullError when it cannot fit."""
    alias, total = job.spec.alias, job.meter.total
    amount = megabytes(total) if total else "nothing"
    sentence = (f"{alias}: {amount} to download, {megabytes(need)} of disk while it is put "
                f"together; {megabytes(free)} are free.")
    log.info("%s", sentence)
    job.meter.report(Progress("space", 0, total, sentence))
    if free < need:
        raise DiskFullError(f"Not enough room for {alias}: it takes {megabytes(need)} while it is "
                            f"fetched and {megabytes(free)} are free. Free some room or point "
                            "LEPTON_HOME to another disk.")


@dataclass
class Filler:
    """Brings single files of one job into ``folder``.

    A source that failed for one file is asked last for the next, so that an index that does not
    answer is waited for once.
    """

    job: Job
    folder: Path
    sources: tuple[Source, ...]

    def bring(self, file: FileSpec) -> None:
        """Put one file in place. Raises SourceError or DigestError that names what was tried."""
        tried: list[str] = []
        wrong = False
        for source in self.sources:
            self.job.check()
            base = self.job.meter.done
            try:
                self._try(source, file)
                return
            except (SourceError, DigestError) as error:
                log.warning("%s of %s was not had from %s: %s (%s)", file.name,
                            self.job.spec.alias, source.name, error.message, error.id)
                wrong = wrong or isinstance(error, DigestError)
                tried.append(f"{source.name} ({error.message.rstrip('.')})")
                self.job.meter.done = base
                self.sources = (*(s for s in self.sources if s is not source), source)
        raise _failure(self.job.spec.alias, tried, wrong)

    def _try(self, source: Source, file: FileSpec) -> None:
        target, place = self.job.work / "file", self.folder / file.name
        try:
            source.fetch(file, target, self.job)
            self.job.meter.report(Progress("verify", 0, file.size, file.name))
            place.parent.mkdir(parents=True, exist_ok=True)
            if not is_right(target, file):
                os.replace(target, place.with_name(f"{place.name}.damaged"))
                raise DigestError(f"its {file.name} has another sha256 than the catalogue states")
            VERIFIED.move(target, place)
        finally:
            target.unlink(missing_ok=True)


def _failure(alias: str, tried: list[str], wrong: bool) -> SourceError | DigestError:
    listed = ", then ".join(tried) or "nothing, because LEPTON_OFFLINE is set"
    if wrong:
        return DigestError(
            f"{alias} was not fetched, because what came has not the sha256 of the catalogue; "
            f"it was put aside and is not loaded. Tried: {listed}. Try again later with "
            f"`python -m lepton_engine models pull {alias}`.")
    return SourceError(
        f"{alias} could not be fetched. Tried: {listed}. Connect to a network (or point "
        "LEPTON_WHEELS to a folder with the wheels), then run "
        f"`python -m lepton_engine models pull {alias}`.")
