"""Small wheels, specs and a downloader that stand in for the package index."""

from __future__ import annotations

import hashlib
import shutil
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from lepton_engine.catalog.specs import FileSpec, ModelSpec, Part, Wheel


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(folder: Path, name: str, members: Mapping[str, bytes],
               version: str = "1.0") -> Wheel:
    """A wheel that pip accepts, written to ``folder``; the catalogue's row of it."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    everything = {**members, f"{stem}.dist-info/METADATA": metadata.encode(),
                  f"{stem}.dist-info/WHEEL": tags.encode(), f"{stem}.dist-info/RECORD": b""}
    with zipfile.ZipFile(path, "w") as out:
        for member, data in everything.items():
            info = zipfile.ZipInfo(member)  # of a fixed date: the same bytes in every process
            info.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(info, data)
    return Wheel(f"{name}=={version}", sha(path.read_bytes()), path.stat().st_size)


def file_of(name: str, data: bytes, *parts: Part, hub: str = "") -> FileSpec:
    return FileSpec(name, sha(data), len(data), "observed", parts, hub)


def spec_of(*files: FileSpec, alias: str = "toy", sources: tuple[str, ...] = ("wheel",),
            ) -> ModelSpec:
    return ModelSpec(alias=alias, kind="encoder", format="safetensors", publisher="maker/toy",
                     revision="0" * 40, licence="MIT", languages=("en",), parameters=1,
                     files=files, sources=sources)


class Index:
    """A downloader that serves wheels from a folder and counts what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.before: Callable[[Wheel], None] = lambda wheel: None

    def __call__(self, wheel: Wheel, folder: Path, on_bytes: Callable[[int], None],
                 cancel: threading.Event | None) -> Path:
        self.asked.append(wheel.pin)
        self.before(wheel)
        name, _, version = wheel.pin.partition("==")
        source = self.folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        on_bytes(wheel.size)
        return Path(shutil.copy(source, folder))


def unreachable(wheel: Wheel, folder: Path, on_bytes: Callable[[int], None],
                cancel: threading.Event | None) -> Path:
    """A downloader that must not be called."""
    raise AssertionError(f"the network was asked for {wheel.pin}")


class Toy:
    """A model of two files: one whole member, one put together from three wheels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = b'{"hidden": 4}'
        self.weights = bytes(range(256)) * 900
        cut = len(self.weights) // 3
        pieces = [self.weights[:cut], self.weights[cut:2 * cut], self.weights[2 * cut:]]
        members: list[dict[str, bytes]] = [{f"data/part{i}.bin": piece}
                                           for i, piece in enumerate(pieces)]
        members[0]["data/config.json"] = self.config
        self.wheels = [make_wheel(folder, f"toy-part{i}", m) for i, m in enumerate(members)]
        self.spec = spec_of(
            file_of("config.json", self.config, Part("data/config.json", self.wheels[0])),
            file_of("sub/model.safetensors", self.weights,
                    *(Part(f"data/part{i}.bin", w) for i, w in enumerate(self.wheels))))
