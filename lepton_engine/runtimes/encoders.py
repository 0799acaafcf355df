"""Which runtime serves an encoder: the device's first choice, or the next one and why."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from lepton_engine.compression.calibration import MAX_LENGTH, chosen_texts, recipe_key
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.report import StepReport, read_report
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
    from lepton_engine.compression.convert import Job
    from lepton_engine.runtimes.torch_encoder import EncoderModule

log = logging.getLogger(__name__)
#: Raised when the way in which a model is traced or its arrays are named changes.
LAYOUT = "1"
RUNTIMES = ("openvino", "torch")
NOTHING = Recipe()


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
    #: What each step of the recipe did; empty for an original.
    report: tuple[StepReport, ...]

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray,
            token_type_ids: np.ndarray | None = None,
            outputs: Sequence[str] | None = None) -> Mapping[str, np.ndarray]: ...

    def close(self) -> None: ...


def load_encoder(spec: ModelSpec, store: ConvertedStore, choice: DeviceChoice,
                 runtime: str | None = None, progress: Report | None = None, *,
                 recipe: Recipe = NOTHING, texts: Sequence[str] | None = None) -> LoadedEncoder:
    """Load with ``runtime``, or with the first of ``choice.runtimes`` that can.

    Where the first choice fails, the next one serves and ``info.note`` says why. ``recipe`` is
    worked out once and kept; its steps look at ``texts`` (None: the bundled ones).

    Raises:
        InputError: no runtime of that name, a step that does not fit the model, too few texts.
        DeviceError: the runtime does not serve this device.
        ModelUnavailableError: no runtime can load the model.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise InputError(f"There is no runtime “{runtime[:40]}”. There are: {', '.join(RUNTIMES)}.")
    if runtime is not None and runtime not in choice.runtimes:
        raise DeviceError(f"The runtime {runtime} does not serve the device {choice.device}. "
                          f"Use {' or '.join(choice.runtimes)}.")
    wanted = Wanted(spec, recipe, chosen_texts(texts) if recipe.needs_texts else (), progress)
    folder = store.fetch(spec, progress)
    notes: list[str] = []
    for name in (runtime,) if runtime else choice.runtimes:
        try:
            loaded = _LOADERS[name](wanted, folder, store, choice)
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


@dataclass(frozen=True)
class Wanted:
    """What is asked of a runtime: the model, its recipe, and the texts that the steps need."""

    spec: ModelSpec
    recipe: Recipe
    texts: tuple[str, ...]
    progress: Report | None

    def job(self, source: Path, target: Path) -> Job:
        """The conversion from the published files in ``source``."""
        from lepton_engine.compression.convert import Job

        return Job(self.spec.format, str(source), str(target), _heads(self.spec),
                   str(self.recipe), self.texts, MAX_LENGTH)

    def tell(self, stage: str, share: float | None) -> None:
        """Hand a child's progress on in the store's words."""
        if self.progress is not None:
            from lepton_engine.catalog import Progress

            self.progress(Progress("convert", round(100 * (share or 0)), 100 if share else 0,
                                   stage))


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


def _load_torch(wanted: Wanted, folder: Path, _store: ConvertedStore,
                choice: DeviceChoice) -> LoadedEncoder:
    spec = wanted.spec
    if spec.format == "onnx" and not _heads(spec):
        raise ModelUnavailableError(f"The model {spec.alias} is an ONNX file, which only OpenVINO "
                                    "on a processor runs. Set LEPTON_DEVICE=cpu for it.")
    from lepton_engine.runtimes.torch_encoder import TorchEncoder

    # On a processor torch is the reference, against which the others are measured.
    precision = "fp32" if choice.device == "cpu" else choice.precision
    info = RuntimeInfo(spec.alias, str(wanted.recipe), "torch", choice.device, precision)
    module = open_encoder(spec.format, folder, _heads(spec))
    report: tuple[StepReport, ...] = ()
    if len(wanted.recipe):
        from lepton_engine.compression.convert import compressed_here

        report = compressed_here(module, wanted.job(folder, folder), wanted.tell)
    loaded = cast(LoadedEncoder, TorchEncoder(module, info))
    loaded.report = report
    return loaded


def _load_openvino(wanted: Wanted, folder: Path, store: ConvertedStore,
                   choice: DeviceChoice) -> LoadedEncoder:
    from lepton_engine.runtimes import encoder_export, openvino_encoder

    spec = wanted.spec
    # 17 million weights are worked with: fp32 costs little, and bf16 would cost the scores' third
    # digit. The transformers lose less than their scores show.
    precision = choice.precision if spec.format != "npz" else "fp32"
    info = RuntimeInfo(spec.alias, str(wanted.recipe), "openvino", choice.device, precision)
    if spec.format == "onnx" and not _heads(spec):
        if len(wanted.recipe):
            raise ModelUnavailableError(f"The model {spec.alias} is an ONNX file that runs as it "
                                        "is: it takes no compression step.")
        whole = cast(LoadedEncoder,
                     openvino_encoder.OpenVinoEncoder(_onnx_file(folder), None, info))
        whole.report = ()
        return whole
    if spec.format == "safetensors":
        Checkpoint.open(folder)  # refused files stay refused when a conversion is in the store
    converted = store.converted(
        conversion_key(spec, folder, wanted.recipe, wanted.texts or None),
        lambda target: encoder_export.export(wanted.job(folder, target), wanted.tell),
        wanted.progress)
    loaded = cast(LoadedEncoder, openvino_encoder.OpenVinoEncoder(
        converted / openvino_encoder.XML, openvino_encoder.read_signature(converted), info))
    found = read_report(converted)
    loaded.report = found.steps if found else ()
    return loaded


_LOADERS = {"openvino": _load_openvino, "torch": _load_torch}


def conversion_key(spec: ModelSpec, folder: Path, recipe: Recipe = NOTHING,
                   texts: Sequence[str] | None = None) -> dict[str, str]:
    """What a converted encoder depends on: its bytes, the recipe, and who converted it."""
    digest = spec.digest
    if not spec.files:  # a hub id outside the catalogue: its bytes are known once they are here
        from lepton_engine.catalog.outside import folder_spec

        digest = folder_spec(folder).digest
    versions = {name: importlib.metadata.version(name)
                for name in ("openvino", "torch", "transformers")}
    return {"model": spec.alias, "digest": digest, "runtime": "openvino", "layout": LAYOUT,
            **recipe_key(recipe, texts), **versions}
