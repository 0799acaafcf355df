"""A trunk with an adapter merged into it: an encoder like any other, named ``trunk+adapter``.

An adapter's folder holds ``lora.safetensors`` beside its head: ``<layer>.lora_A`` (rank,
inputs) and ``<layer>.lora_B`` (outputs, rank) in float16, with the scaling and the sha256 in
its card. Merging happens once, into the store; what comes out is compressed and run as if it
had been published so.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.catalog import ModelSpec, Report, catalogue
from lepton_engine.catalog.integrity import VERIFIED
from lepton_engine.catalog.specs import FileSpec
from lepton_engine.errors import DigestError, ModelUnavailableError

if TYPE_CHECKING:
    import numpy as np

    from lepton_engine.runtimes.encoders import ConvertedStore

ADAPTERS = Path(__file__).resolve().parent.parent / "assets" / "adapters"
CARD, LORA = "card.json", "lora.safetensors"
JOINT = "+"
#: Raised when the way in which weights are merged changes.
LAYOUT = "1"


def trunk_of(name: str, card: Mapping[str, Any]) -> str:
    """What an adapter's head reads: the plain trunk, or the one that it is merged into."""
    trunk = str(card["trunk"])
    return f"{trunk}{JOINT}{name}" if card.get("lora") else trunk


def parts_of(name: str, adapters: Path = ADAPTERS) -> tuple[str, str] | None:
    """(trunk, adapter) of a name such as ``minilm-l6+bank-intent``; None for any other."""
    trunk, joint, adapter = name.partition(JOINT)
    known = joint and trunk in catalogue().specs and "/" not in adapter and ".." not in adapter
    return (trunk, adapter) if known and (adapters / adapter / LORA).is_file() else None


def resolve(name: str, store: ConvertedStore, adapters: Path = ADAPTERS,
            progress: Report | None = None) -> ModelSpec:
    """`Catalogue.resolve`, which also knows a trunk with an adapter; that one is merged here."""
    parts = parts_of(name, adapters)
    if parts is None:
        return catalogue().resolve(name)
    return merged_spec(parts[0], adapters / parts[1], store, progress)


def merged_spec(trunk: str, folder: Path, store: ConvertedStore,
                progress: Report | None = None) -> ModelSpec:
    """The trunk with the adapter of ``folder``, merged in the store.

    Raises:
        DigestError: the update is not the card's. ModelUnavailableError: it does not fit.
    """
    base = catalogue().resolve(trunk)
    if base.format != "safetensors":
        raise ModelUnavailableError(f"{trunk} is no safetensors model, so no adapter fits it.")
    facts, data = _update(folder)
    key = {"model": f"{trunk}{JOINT}{folder.name}", "weights": base.digest,
           "update": facts["sha256"], "scaling": str(facts["scaling"]), "layout": LAYOUT}
    place = store.converted(key, lambda target: _merge(store.fetch(base, progress), target, data,
                                                       float(facts["scaling"])), progress)
    files = tuple(FileSpec(p.relative_to(place).as_posix(), VERIFIED.digest(p),
                           p.stat().st_size, "computed")
                  for p in sorted(place.rglob("*")) if p.is_file())
    return replace(base, alias=key["model"], publisher=f"{base.publisher} with {folder.name}",
                   files=files, sources=(), folder=place, catalogued=False, default=False)


def _update(folder: Path) -> tuple[dict[str, Any], bytes]:
    """The card's facts of the update, and its bytes, checked against them."""
    try:
        facts = dict(json.loads((folder / CARD).read_text(encoding="utf-8"))["lora"])
        data = (folder / LORA).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailableError(f"The adapter {folder.name} is not complete. Restore its "
                                    "folder, or train it again: "
                                    f"python -m lepton_engine train {folder.name}") from error
    if hashlib.sha256(data).hexdigest() != facts.get("sha256"):
        raise DigestError(f"The update of the adapter {folder.name} is damaged: its sha256 is not "
                          "the card's. Restore it, or train the adapter again: "
                          f"python -m lepton_engine train {folder.name}")
    return facts, data


def _merge(source: Path, target: Path, update: bytes, scaling: float) -> None:
    """Copy the trunk's files and write its weights with the update added."""
    from safetensors.numpy import load, load_file, save_file

    from lepton_engine.training.lora import merge

    weights = sorted(source.glob("*.safetensors"))
    if len(weights) != 1:
        raise ModelUnavailableError("An adapter is merged into a trunk of one file of weights; "
                                    f"this one has {len(weights)}.")
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix in (".json", ".txt"):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    merged = merge(load_file(weights[0]), load(update), scaling)
    save_file(merged, target / "model.safetensors", metadata={"format": "pt"})


def save_update(updates: Mapping[str, np.ndarray], scaling: float, folder: Path) -> dict[str, Any]:
    """Write ``lora.safetensors``; gives what the card says of it."""
    from safetensors.numpy import save

    ranks = {int(array.shape[0]) for name, array in updates.items() if name.endswith("_A")}
    data = save(dict(sorted(updates.items())))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LORA).write_bytes(data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "scaling": scaling,
            "rank": max(ranks), "layers": sum(n.endswith("_A") for n in updates)}


__all__ = ["ADAPTERS", "LORA", "merged_spec", "parts_of", "resolve",
           "save_update", "trunk_of"]
