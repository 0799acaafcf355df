"""Which decoder runtime serves a model on a device, converted once and cached."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_engine.chat import ChatTokenizer
from lepton_engine.compression.calibration import methods, recipe_key
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.report import read_report
from lepton_engine.errors import LeptonError, ModelUnavailableError
from lepton_engine.runtimes.base import DecoderRuntime, RuntimeInfo
from lepton_engine.runtimes.children import run_child
from lepton_engine.runtimes.decoder_weights import SCHEMA_FILES, refuse_code
from lepton_engine.telling import Tell, silent

if TYPE_CHECKING:
    from lepton_engine.catalog import ModelSpec
    from lepton_engine.catalog.store import Store
    from lepton_engine.device import DeviceChoice

logger = logging.getLogger(__name__)

# What a decoder runs as where nobody asked for a recipe. Generating reads every weight
# once a token, so on a CPU the bytes of the weights set the speed.
DEFAULT_RECIPE = {"openvino": "int8", "torch": "original"}

TORCH_RECIPES = ("original", "int8", "int8-weights", "int4", "int4-channel")

# More conversions than these change the IR; their versions are part of its key.
EXPORT_VERSIONS = ("openvino", "openvino-genai", "nncf", "transformers", "torch")
EXPORT_FORMAT = "1"
TOKENIZER_FORMAT = "2"
TOKENIZER_VERSIONS = ("transformers", "openvino-tokenizers")


def decoder_tokenizer_folder(spec: ModelSpec, store: Store) -> Path:
    """The folder with ``tokenizer.json`` and ``chat.json`` of a decoder, made once."""

    def build(target: Path) -> None:
        source = store.fetch(spec)
        refuse_code(source)
        run_child("lepton_engine.runtimes.decoder_weights", str(source), str(target))

    key = {"model": spec.alias, "weights": spec.digest, "part": "tokenizer",
           "format": TOKENIZER_FORMAT, **{name: version(name) for name in TOKENIZER_VERSIONS}}
    return store.converted(key, build)


def load_decoder(
    spec: ModelSpec, store: Store, choice: DeviceChoice, *, runtime: str | None = None,
    recipe: str | None = None, texts: Sequence[str] | None = None, tell: Tell = silent,
) -> tuple[DecoderRuntime, ChatTokenizer]:
    """The first runtime of ``choice`` that loads; the note says why an earlier one did not.

    The steps of ``recipe`` look at ``texts`` (None: the bundled ones).

    Raises:
        ModelUnavailableError: no runtime could load it.
    """
    tokenizer = ChatTokenizer.load(decoder_tokenizer_folder(spec, store))
    notes: list[str] = []
    for name in (runtime,) if runtime else choice.runtimes:
        wanted = recipe or DEFAULT_RECIPE[name]
        try:
            load = {"openvino": _load_openvino, "torch": _load_torch}[name]
            decoder = load(Wanted(spec, wanted, texts, tokenizer.context_length, tell), store,
                           choice)
        except LeptonError:
            raise
        except Exception as error:  # any failure of a fast path must leave the slow one
            logger.warning("%s could not serve %s: %s", name, spec.alias, type(error).__name__)
            notes.append(f"{name} could not run this model ({type(error).__name__})")
            continue
        decoder.info = decoder.info.with_note("; ".join(notes))
        return decoder, tokenizer
    raise ModelUnavailableError(f"{spec.alias} could not be loaded: {'; '.join(notes)}. "
                                f"Try: python -m lepton_engine models verify {spec.alias}")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a runtime."""

    spec: ModelSpec
    recipe: str
    texts: Sequence[str] | None
    context_length: int
    tell: Tell

    def key(self) -> dict[str, str]:
        """What its conversion depends on; only steps on the module look at texts.

        A number format by itself is named from its second version on, so that conversions from
        before there were versions are found. Those of ``int8`` hold the same weights as today's.
        """
        recipe = Recipe.parse(self.recipe)
        key = {"model": self.spec.alias, "weights": self.spec.digest, "recipe": self.recipe,
               "runtime": "openvino", "format": EXPORT_FORMAT,
               **{name: version(name) for name in EXPORT_VERSIONS}}
        if recipe.structural:
            return key | recipe_key(recipe, self.texts)
        later = methods(step.name for step in recipe if step.kind.version > 1)
        return key | {"methods": later} if later else key


def _load_openvino(wanted: Wanted, store: Store, choice: DeviceChoice) -> DecoderRuntime:
    from lepton_engine.runtimes.openvino_decoder import OpenVINODecoder

    spec, recipe = wanted.spec, wanted.recipe
    folder = store.converted(wanted.key(), lambda target: _convert(
        store.fetch(spec), target, recipe, wanted.texts, wanted.tell))
    info = RuntimeInfo(spec.alias, recipe, "openvino", "cpu", f"{recipe} weights")
    if recipe == "original":
        info = RuntimeInfo(spec.alias, recipe, "openvino", "cpu", choice.precision)
    words = decoder_tokenizer_folder(spec, store)
    whole = all((words / name).exists() for name in SCHEMA_FILES)
    report = read_report(folder)
    decoder = OpenVINODecoder(folder, info, wanted.context_length, words if whole else None)
    try:
        decoder.report = report.steps if report else ()
        wanted.tell("starting", None)
        decoder.wait_ready()
    except BaseException:  # nobody else would end the worker
        decoder.close()
        raise
    return decoder


def _convert(source: Path, target: Path, recipe: str, texts: Sequence[str] | None,
             tell: Tell) -> None:
    with tempfile.TemporaryDirectory(prefix="lepton-texts-") as folder:
        own = []
        if texts is not None:
            path = Path(folder) / "texts.json"
            path.write_text(json.dumps(list(texts)), encoding="utf-8")
            own = ["--texts", str(path)]
        run_child("lepton_engine.runtimes.decoder_export", str(source), str(target),
                  "--recipe", recipe, *own, tell=tell)


def _load_torch(wanted: Wanted, store: Store, choice: DeviceChoice) -> DecoderRuntime:
    from lepton_engine.runtimes.torch_decoder import TorchDecoder

    spec, recipe = wanted.spec, wanted.recipe
    if recipe not in TORCH_RECIPES:
        raise ModelUnavailableError(
            f"The torch runtime runs {spec.alias} as {', '.join(TORCH_RECIPES)}; “{recipe[:80]}” "
            "needs the openvino runtime on a CPU.")
    wanted.tell("reading the weights", None)
    info = RuntimeInfo(spec.alias, recipe, "torch", choice.device, choice.precision)
    return TorchDecoder.load(store.fetch(spec), info, wanted.context_length)
