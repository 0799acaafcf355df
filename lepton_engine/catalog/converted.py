"""Converted models: built once from verified weights, checked whenever they are opened."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lepton_engine.catalog.integrity import VERIFIED, read_manifest, write_manifest
from lepton_engine.catalog.progress import Progress, Report, silent

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConvertedKey:
    """What a converted model was made of; any other weights, recipe or version is another."""

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, parts: Mapping[str, str]) -> ConvertedKey:
        return cls(tuple(sorted((str(k), str(v)) for k, v in parts.items())))

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.parts).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """Readable words first, then what makes it unique."""
        values = [v for k, v in self.parts if k in ("model", "alias", "recipe", "runtime")]
        words = "-".join(values or [v for _, v in self.parts])
        slug = re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-.")[:48].rstrip("-.")
        return f"{slug or 'model'}-{self.digest[:16]}"


def intact(folder: Path, manifest: Path) -> bool:
    """Whether every file that the manifest names is there with its sha256 (hashed in full)."""
    files = read_manifest(manifest)
    if not files or not folder.is_dir():
        return False
    for name, row in files.items():
        path = folder / name
        try:
            if path.stat().st_size != row["size"] or VERIFIED.digest(path) != row["sha256"]:
                log.warning("a converted file is damaged and will be built again: %s", name)
                return False
        except OSError:
            return False
    return True


def build(key: ConvertedKey, folder: Path, manifest: Path, work: Callable[[Path], None],
          report: Report = silent) -> None:
    """Build into a temporary folder beside, rename it, write the manifest last.

    The caller holds the lock. Whatever ``work`` raises passes through, and nothing remains.
    """
    temporary = folder.with_name(f".{folder.name}.building")
    for leftover in (temporary, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    manifest.unlink(missing_ok=True)
    temporary.mkdir(parents=True)
    report(Progress("convert", 0, 0, folder.name))
    try:
        work(temporary)
        names = sorted(p.relative_to(temporary).as_posix()
                       for p in temporary.rglob("*") if p.is_file())
        if not names:
            raise ValueError("a conversion wrote no file")
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    digests = {name: VERIFIED.digest(folder / name) for name in names}
    write_manifest(manifest, folder, digests, dict(key.parts))
    report(Progress("convert", 1, 1, folder.name))


def values_of(manifest: Path) -> tuple[str, ...]:
    """The values of the key that a converted model's manifest records."""
    try:
        facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]
        return tuple(str(v) for v in facts.values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return ()
