"""Which runtime serves an encoder: the device's first choice, or the next one and why."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lepton_engine.device import DeviceChoice
from lepton_engine.errors import (
    DeviceError,
    InputError,
    LeptonError,
    ModelUnavailableError,
)
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.runtimes.checkpoint import Checkpoint, Signature

if TYPE_CHECKING:
    import numpy as np

    from lepton_engine.catalog import ModelSpec, Report
    from lepton_engine.runtimes.torch_encoder import EncoderModule

log = logging.getLogger(__name__)
ORIGINAL = "original"
#: Raised when the way in which a model is traced or its arrays are named changes.
LAYOUT = "1"
RUNTIMES = ("openvino", "torch")


class ConvertedStore(Protocol):
    """The part of the catalogue's Store that a runtime needs."""

    def fetch(self, spec: ModelSpec, progress: Report | None = None) -> Path: ...

    def converted(self, key_parts: Mapping[str, str], build: Callable[[Path], None],
                  progress: Report | None = None) -> Path: ...


class LoadedEncoder(Protocol):
    """``EncoderRuntime`` with its signature and a choice of outputs."""

    info: RuntimeInfo
    memory_bytes: int
    vocabulary_size: int
    signature: Signature

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray,
            token_type_ids: np.ndarray | None = None,
            outputs: Sequence[str] | None = None) -> Mapping[str, np.ndarray]: ...

    def close(self) -> None: ...


def load_encoder(spec: ModelSpec, store: ConvertedStore, choice: DeviceChoice,
                 runtime: str | None = None, progress: Report | None = None) -> LoadedEncoder:
    """Load with ``runtime``, or with the first of ``choice.runtimes`` that can.

    Where the first choice fails, the next one serves and ``info.note`` says why.

    Raises:
        InputError: no runtime of that name. DeviceError: it does not serve this device.
        ModelUnavailableError: no runtime can load the model.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise InputError(f"There is no runtime “{runtime[:40]}”. There are: {', '.join(RUNTIMES)}.")
    if runtime is not None and runtime not in choice.runtimes:
        raise DeviceError(f"The runtime {runtime} does not serve the device {choice.device}. "
                          f"Use {' or '.join(choice.runtimes)}.")
    folder = store.fetch(spec, progress)
    notes: list[str] = []
    for name in (runtime,) if runtime else choice.runtimes:
        try:
            loaded = _LOADERS[name](spec, folder, store, choice, progress)
        except LeptonError:
            raise  # a fault of the model's files, which another runtime would meet as well
        except Exception as error:
            log.warning("%s could not load %s", name, spec.alias, exc_info=True)
            notes.append(f"{name} could not load the model ({type(error).__name__})")
            continue
        if notes:
            loaded.info = loaded.info.with_note("; ".join(notes) + f", so {name} serves it")
        return loaded
    raise ModelUnavailableError(f"The model {spec.alias} cannot be loaded: {'; '.join(notes)}. "
                                "Another runtime or another model may serve.")


def open_encoder(form: str, folder: Path, attention_heads: int = 0) -> EncoderModule:
    """The torch module of a folder in the catalogue's format ``form``, in fp32 on the processor;
    the source of every conversion. An ONNX file does not say its ``attention_heads``."""
    if form == "npz":
        from lepton_engine.runtimes.multilingual import open_multilingual

        return open_multilingual(folder)
    if form == "onnx":
        from lepton_engine.runtimes.quantized_onnx import open_quantized_bert

        return open_quantized_bert(_onnx_file(folder), attention_heads)
    from lepton_engine.runtimes.torch_encoder import open_module

    return open_module(Checkpoint.open(folder))


def _onnx_file(folder: Path) -> Path:
    return next(iter(sorted(folder.glob("*.onnx"))), folder / "model.onnx")


def _heads(spec: ModelSpec) -> int:
    return int(str(spec.options.get("attention_heads", 0)))


def _load_torch(spec: ModelSpec, folder: Path, _store: ConvertedStore, choice: DeviceChoice,
                _progress: Report | None) -> LoadedEncoder:
    if spec.format == "onnx" and not _heads(spec):
        raise ModelUnavailableError(f"The model {spec.alias} is an ONNX file, which only OpenVINO "
                                    "on a processor runs. Set LEPTON_DEVICE=cpu for it.")
    from lepton_engine.runtimes.torch_encoder import TorchEncoder

    # On a processor torch is the reference, against which the others are measured.
    precision = "fp32" if choice.device == "cpu" else choice.precision
    info = RuntimeInfo(spec.alias, ORIGINAL, "torch", choice.device, precision)
    return TorchEncoder(open_encoder(spec.format, folder, _heads(spec)), info)


def _load_openvino(spec: ModelSpec, folder: Path, store: ConvertedStore, choice: DeviceChoice,
                   progress: Report | None) -> LoadedEncoder:
    from lepton_engine.runtimes import encoder_export, openvino_encoder

    # 17 million weights are worked with: fp32 costs little, and bf16 would cost the scores' third
    # digit. The transformers lose less than their scores show.
    precision = choice.precision if spec.format != "npz" else "fp32"
    info = RuntimeInfo(spec.alias, ORIGINAL, "openvino", choice.device, precision)
    if spec.format == "onnx" and not _heads(spec):
        return openvino_encoder.OpenVinoEncoder(_onnx_file(folder), None, info)
    if spec.format == "safetensors":
        Checkpoint.open(folder)  # refused files stay refused when a conversion is in the store
    converted = store.converted(
        conversion_key(spec, folder),
        lambda target: encoder_export.export(spec.format, folder, target, _heads(spec)), progress)
    return openvino_encoder.OpenVinoEncoder(
        converted / openvino_encoder.XML, openvino_encoder.read_signature(converted), info)


_LOADERS = {"openvino": _load_openvino, "torch": _load_torch}


def conversion_key(spec: ModelSpec, folder: Path) -> dict[str, str]:
    """What a converted encoder depends on: its bytes, the recipe, and who converted it."""
    digest = spec.digest
    if not spec.files:  # a hub id outside the catalogue: its bytes are known once they are here
        from lepton_engine.catalog.outside import folder_spec

        digest = folder_spec(folder).digest
    versions = {name: importlib.metadata.version(name)
                for name in ("openvino", "torch", "transformers")}
    return {"model": spec.alias, "digest": digest, "recipe": ORIGINAL, "runtime": "openvino",
            "layout": LAYOUT, **versions}
