"""Models outside the catalogue: a folder or a hub id, in formats that cannot run code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from lepton_engine.catalog.integrity import VERIFIED
from lepton_engine.catalog.specs import FileSpec, ModelSpec
from lepton_engine.errors import InputError, UnsafeModelError

#: Formats that are, or may hold, pickled Python objects or code.
PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".h5", ".hdf5",
                     ".keras", ".npy", ".mar", ".dill", ".pyc", ".so", ".dll", ".dylib"})
WEIGHTS = (".safetensors", ".gguf")
#: What a safe folder may hold beside its weights, and all that is asked of a hub.
SIDE_FILES = (".json", ".txt", ".model", ".jinja")
#: Keys of a configuration that name code to import.
_CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(/[\w.-]+\.gguf)?(@[\w.-]+)?")
_MAX_CONFIGURATION = 20_000_000  # bytes; a tokenizer.json is not a configuration


def is_hub_id(text: str) -> bool:
    """``org/name``, ``org/name@revision`` or ``org/name/file.gguf@revision``."""
    return _HUB_ID.fullmatch(text) is not None and ".." not in text


def check_configuration(path: Path) -> dict[str, object]:
    """Read a configuration. Raises UnsafeModelError when it names code to run."""
    if path.stat().st_size > _MAX_CONFIGURATION:
        raise InputError(f"{path.name} is too large for a configuration. Check the folder.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise InputError(f"{path.name} is not JSON that can be read. Export the model again.") \
            from None
    if not isinstance(data, dict):
        raise InputError(f"{path.name} is not a table of settings. Export the model again.")
    key = _code_key(data)
    if key:
        raise UnsafeModelError(
            f"{path.name} asks for code of the model's author to be run ({key}). Lepton "
            "runs no such code; use a model whose architecture the library knows.")
    return data


def _code_key(data: object) -> str:
    """The first key, at any depth, that names code to run."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            for key in _CODE_KEYS:
                if item.get(key):
                    return key
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return ""


def check_folder(folder: Path) -> tuple[Path, ...]:
    """All usable files of a folder. Raises UnsafeModelError for pickles and code to run."""
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or ".cache" in path.relative_to(folder).parts:
            continue
        if path.suffix.lower() in PICKLES:
            raise UnsafeModelError(
                f"{path.name} may hold pickled code and is never opened. Convert the weights "
                "to safetensors or GGUF and remove this file from the folder.")
        if path.suffix.lower() in (*WEIGHTS, *SIDE_FILES):
            found.append(path)
        if path.name.endswith("config.json"):
            check_configuration(path)
    if not any(p.suffix.lower() in WEIGHTS for p in found):
        raise UnsafeModelError("The folder holds neither safetensors nor GGUF weights, the only "
                               "formats accepted outside the catalogue. Convert the model first.")
    return tuple(found)


def _kind(folder: Path, form: str) -> str:
    path = folder / "config.json"
    if form == "gguf" or not path.is_file():
        return "decoder"
    architectures = check_configuration(path).get("architectures")
    first = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    if first.endswith(("ForCausalLM", "LMHeadModel")):
        return "decoder"
    return "encoder"


def folder_spec(folder: Path, *, alias: str = "", publisher: str = "", revision: str = "",
                ) -> ModelSpec:
    """The spec of a folder: every file's digest is computed and stated as such.

    Raises UnsafeModelError when the folder holds pickles, code to run, or no weights.
    """
    folder = folder.absolute()
    paths = check_folder(folder)
    form = "safetensors" if any(p.suffix.lower() == ".safetensors" for p in paths) else "gguf"
    files = tuple(
        FileSpec(p.relative_to(folder).as_posix(), VERIFIED.digest(p), p.stat().st_size, "computed")
        for p in paths
    )
    return ModelSpec(
        alias=alias or folder.name, kind=_kind(folder, form), format=form,
        publisher=publisher or "not catalogued", revision=revision or "not catalogued",
        licence="not catalogued", languages=(), parameters=0, files=files, sources=(),
        summary="not catalogued", folder=folder, catalogued=False,
        options=MappingProxyType({}),
    )


def recorded_spec(spec: ModelSpec, folder: Path,
                  files: Mapping[str, Mapping[str, object]]) -> ModelSpec:
    """The spec of a fetched hub id with the digests that were recorded when it came."""
    form = "safetensors" if any(name.endswith(".safetensors") for name in files) else "gguf"
    return replace(
        spec, folder=folder, format=form, kind=_kind(folder, form),
        files=tuple(FileSpec(name, str(row["sha256"]), int(str(row["size"])), "computed")
                    for name, row in sorted(files.items())))


def hub_spec(text: str) -> ModelSpec:
    """The spec of a hub id before its files were fetched; its digest is known afterwards."""
    name, _, revision = text.partition("@")
    return ModelSpec(
        alias=text, kind="decoder" if name.endswith(".gguf") else "encoder",
        format="gguf" if name.endswith(".gguf") else "safetensors",
        publisher=name, revision=revision or "main", licence="not catalogued", languages=(),
        parameters=0, files=(), sources=("hub",), summary="not catalogued", catalogued=False,
    )
