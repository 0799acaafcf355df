"""Which decoder runtime serves a model on a device, converted once and cached."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lepton_engine import errors as lepton_errors
from lepton_engine.chat import ChatTokenizer
from lepton_engine.compression.calibration import recipe_key
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.report import read_report
from lepton_engine.errors import LeptonError, ModelUnavailableError
from lepton_engine.runtimes.base import DecoderRuntime, RuntimeInfo
from lepton_engine.runtimes.decoder_weights import SCHEMA_FILES, refuse_code

if TYPE_CHECKING:
    from lepton_engine.catalog import ModelSpec
    from lepton_engine.catalog.store import Store
    from lepton_engine.device import DeviceChoice

logger = logging.getLogger(__name__)

Say = Callable[[str], None]

# What a decoder runs as where nobody asked for a recipe. Generating reads every weight
# once a token, so on a CPU the bytes of the weights set the speed.
DEFAULT_RECIPE = {"openvino": "int8", "torch": "original"}

TORCH_RECIPES = ("original", "int8", "int8-weights", "int4", "int4-channel")

# More conversions than these change the IR; their versions are part of its key.
EXPORT_VERSIONS = ("openvino", "openvino-genai", "nncf", "transformers", "torch")
EXPORT_FORMAT = "1"
REFUSED = 3  # a child's exit code: its last line is the sentence
TOKENIZER_FORMAT = "2"
TOKENIZER_VERSIONS = ("transformers", "openvino-tokenizers")


def decoder_tokenizer_folder(spec: ModelSpec, store: Store) -> Path:
    """The folder with ``tokenizer.json`` and ``chat.json`` of a decoder, made once."""

    def build(target: Path) -> None:
        source = store.fetch(spec)
        refuse_code(source)
        _run_apart("lepton_engine.runtimes.decoder_weights", str(source), str(target))

    key = {"model": spec.alias, "weights": spec.digest, "part": "tokenizer",
           "format": TOKENIZER_FORMAT, **{name: version(name) for name in TOKENIZER_VERSIONS}}
    return store.converted(key, build)


def load_decoder(
    spec: ModelSpec, store: Store, choice: DeviceChoice, *, runtime: str | None = None,
    recipe: str | None = None, say: Say = lambda stage: None,
) -> tuple[DecoderRuntime, ChatTokenizer]:
    """The first runtime of ``choice`` that loads; the note says why an earlier one did not.

    Raises:
        ModelUnavailableError: no runtime could load it.
    """
    tokenizer = ChatTokenizer.load(decoder_tokenizer_folder(spec, store))
    notes: list[str] = []
    for name in (runtime,) if runtime else choice.runtimes:
        wanted = recipe or DEFAULT_RECIPE[name]
        try:
            load = {"openvino": _load_openvino, "torch": _load_torch}[name]
            decoder = load(spec, store, choice, wanted, tokenizer.context_length, say)
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


def _load_openvino(spec: ModelSpec, store: Store, choice: DeviceChoice, recipe: str,
                   context_length: int, say: Say) -> DecoderRuntime:
    from lepton_engine.runtimes.openvino_decoder import OpenVINODecoder

    key = {"model": spec.alias, "weights": spec.digest, "recipe": recipe,
           "runtime": "openvino", "format": EXPORT_FORMAT,
           **{name: version(name) for name in EXPORT_VERSIONS}}
    if (parsed := Recipe.parse(recipe)).structural:  # its steps look at texts
        key |= recipe_key(parsed)
    folder = store.converted(key, lambda target: _convert(store.fetch(spec), target, recipe, say))
    info = RuntimeInfo(spec.alias, recipe, "openvino", "cpu", f"{recipe} weights")
    if recipe == "original":
        info = RuntimeInfo(spec.alias, recipe, "openvino", "cpu", choice.precision)
    words = decoder_tokenizer_folder(spec, store)
    whole = all((words / name).exists() for name in SCHEMA_FILES)
    decoder = OpenVINODecoder(folder, info, context_length, words if whole else None)
    report = read_report(folder)
    decoder.report = report.steps if report else ()
    say("starting")
    decoder.wait_ready()
    return decoder


def _convert(source: Path, target: Path, recipe: str, say: Say) -> None:
    _run_apart("lepton_engine.runtimes.decoder_export", str(source), str(target),
               "--recipe", recipe, say=say)


def _run_apart(module: str, *arguments: str, say: Say = lambda stage: None) -> None:
    """Run a module in a process of its own and hand on what it says it does.

    torch, transformers and NNCF take a gigabyte that the application never gets back.
    """
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=root, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # NNCF draws progress bars on the error stream; unread they would fill the pipe.
        errors = _drained(process.stderr)
        last = ""
        for line in process.stdout:
            last = line
            if line.startswith('{"stage"'):
                say(json.loads(line)["stage"])
    if process.returncode == REFUSED:
        refusal = json.loads(last)
        raise getattr(lepton_errors, refusal["kind"])(refusal["message"])
    if process.returncode:
        logger.warning("%s ended with %s:\n%s", module, process.returncode,
                       "".join(errors[-20:]))
        raise RuntimeError(f"{module} ended with code {process.returncode}")


def _drained(stream: IO[str]) -> list[str]:
    """A list that a thread fills with the stream's lines."""
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(stream), daemon=True).start()
    return lines


def _load_torch(spec: ModelSpec, store: Store, choice: DeviceChoice, recipe: str,
                context_length: int, say: Say) -> DecoderRuntime:
    from lepton_engine.runtimes.torch_decoder import TorchDecoder

    if recipe not in TORCH_RECIPES:
        raise ModelUnavailableError(
            f"The torch runtime runs {spec.alias} as {', '.join(TORCH_RECIPES)}; “{recipe[:80]}” "
            "needs the openvino runtime on a CPU.")
    say("reading the weights")
    info = RuntimeInfo(spec.alias, recipe, "torch", choice.device, choice.precision)
    return TorchDecoder.load(store.fetch(spec), info, context_length)
