"""Where an encoder looks: attention weights by a network exported for just that.

The application's own process never loads torch where OpenVINO computes: a child exports the
network once, and it stays in the store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.catalog import ModelSpec
from lepton_engine.compression.recipe import Recipe
from lepton_engine.encoding import plain_text
from lepton_engine.errors import InputError, LeptonError, LimitError, ModelUnavailableError
from lepton_engine.loaders import heard
from lepton_engine.results import Attention, noted
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.serving import Serving, Wish, key_of
from lepton_engine.subwords import Pieces, Vocabulary, open_vocabulary
from lepton_engine.telling import Tell

if TYPE_CHECKING:
    import numpy as np

MAX_SUBWORDS = 128
_MODULE = "lepton_engine.runtimes.attention_export"


def attend(serving: Serving, text: str, name: str, wish: Wish) -> Attention:
    """See `Laboratory.attention`."""
    note = ""
    asked = plain_text(text)
    try:
        result = _attended(serving, asked, name, wish.recipe)
    except LeptonError as error:
        if not wish.by_profile or not wish.recipe or isinstance(error, InputError):
            raise
        note = f"{wish.recipe} could not be shown here (id {error.id}), so this is the original"
        result = _attended(serving, asked, name, Recipe())
    found: Attention = noted(result, note)
    return found


def _attended(serving: Serving, text: str, name: str, recipe: Recipe) -> Attention:
    key = f"{key_of(name, recipe)} (attention)"
    with serving.kept(key, lambda tell: _load(serving, name, recipe, tell), name) as heads:
        result: Attention = heads.of(text)
        return result


def _load(serving: Serving, name: str, recipe: Recipe, tell: Tell) -> LoadedAttention:
    from lepton_engine.compression.calibration import MAX_LENGTH, chosen_texts
    from lepton_engine.compression.convert import Job

    spec = serving.loaders.spec(name, tell)
    if spec.format == "npz":
        raise InputError(f"{spec.alias} has no attention heads: it is a convolutional network. "
                         "Choose minilm-l6, mpnet or reranker.")
    folder = serving.store.fetch(spec, heard(tell))
    texts = chosen_texts(None) if recipe.needs_texts else ()
    job = Job(spec.format, str(folder), "", int(str(spec.options.get("attention_heads", 0))),
              str(recipe), texts, MAX_LENGTH)
    vocabulary = open_vocabulary(folder, MAX_SUBWORDS + 1)
    notes = []
    for runtime in serving.device.runtimes:
        info = RuntimeInfo(spec.alias, str(recipe), runtime, serving.device.device, "fp32")
        try:
            heads = _OPEN[runtime](serving, spec, folder, job, info, tell)
        except LeptonError:
            raise
        except Exception as error:  # the next runtime may do
            notes.append(f"{runtime} could not show it ({type(error).__name__})")
            continue
        return LoadedAttention(heads, vocabulary, info.with_note("; ".join(notes)))
    raise ModelUnavailableError(f"The attention of {name} cannot be shown: {'; '.join(notes)}.")


def _open_openvino(serving: Serving, spec: ModelSpec, folder: Path, job: Any, info: RuntimeInfo,
                   tell: Tell) -> OpenVinoHeads:
    from dataclasses import replace

    from lepton_engine.runtimes.encoder_export import export
    from lepton_engine.runtimes.encoders import conversion_key

    recipe = Recipe.parse(job.recipe)
    key = {**conversion_key(spec, folder, recipe, job.texts or None), "part": "attention 2"}
    converted = serving.store.converted(
        key, lambda target: export(replace(job, target=str(target)), tell, _MODULE), heard(tell))
    return OpenVinoHeads(converted)


def _open_torch(serving: Serving, spec: ModelSpec, folder: Path, job: Any, info: RuntimeInfo,
                tell: Tell) -> TorchHeads:
    return TorchHeads(job, info)


_OPEN: dict[str, Callable[..., OpenVinoHeads | TorchHeads]] = {
    "openvino": _open_openvino, "torch": _open_torch}


class OpenVinoHeads:
    """The exported network on a processor, in fp32."""

    def __init__(self, folder: Path) -> None:
        import openvino as ov

        from lepton_engine.runtimes.openvino_encoder import XML, core, read_signature

        self.signature = read_signature(folder)
        self.count = int(json.loads((folder / "heads.json").read_text(encoding="utf-8")))
        path = folder / XML
        self._compiled = core().compile_model(
            core().read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
        self.memory_bytes = path.with_suffix(".bin").stat().st_size

    def run(self, given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """(heads, n, n) of every layer."""
        import numpy as np

        found = self._compiled.create_infer_request().infer(dict(given))
        return [np.array(found[name][0], dtype=np.float32) for name in self.signature.outputs]


class TorchHeads:
    """The same network in torch, where torch computes anyway."""

    def __init__(self, job: Any, info: RuntimeInfo) -> None:
        from lepton_engine.runtimes.attention_export import attention_module
        from lepton_engine.runtimes.torch_encoder import TorchEncoder

        if Recipe.parse(job.recipe).number_format:
            raise InputError("The torch runtime has no number formats for encoders. Ask for the "
                             "recipe without its last step.")
        module = attention_module(job)
        self.count = module.heads
        self._encoder = TorchEncoder(module, info)
        self.signature = self._encoder.signature
        self.memory_bytes = self._encoder.memory_bytes

    def run(self, given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """(heads, n, n) of every layer."""
        found = self._encoder.run(given["input_ids"], given["attention_mask"],
                                  given.get("token_type_ids"))
        return [found[name][0] for name in self.signature.outputs]


@dataclass
class LoadedAttention:
    """A loaded network of attention weights, as the pool holds it."""

    heads: OpenVinoHeads | TorchHeads | None
    vocabulary: Vocabulary
    info: RuntimeInfo

    @property
    def memory_bytes(self) -> int:
        return self.heads.memory_bytes if self.heads else 0

    def of(self, text: str) -> Attention:
        """The attention of one text. Raises LimitError past ``MAX_SUBWORDS``."""
        started = time.perf_counter()
        pieces = self.vocabulary.encode([text])[0]
        if pieces.truncated or len(pieces.ids) > MAX_SUBWORDS:
            raise LimitError(f"Attention is shown for at most {MAX_SUBWORDS} sub-words; this text "
                             "has more. Shorten it.")
        heads = self.heads
        assert heads is not None  # the pool closes nobody who is used
        weights = stacked(heads.run(_inputs(pieces, heads.signature.type_ids)), heads.count)
        stamp = self.info.stamp((time.perf_counter() - started) * 1000, tokens=len(pieces.ids))
        return Attention(tuple(pieces.tokens), tuple((a, b) for a, b in pieces.offsets), weights,
                         stamp)

    def close(self) -> None:
        self.heads = None


def _inputs(pieces: Pieces, type_ids: bool) -> dict[str, np.ndarray]:
    import numpy as np

    ids = np.array([pieces.ids], dtype=np.int64)
    given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return {**given, "token_type_ids": np.zeros_like(ids)} if type_ids else given


def stacked(layers: Sequence[np.ndarray], heads: int) -> np.ndarray:
    """float32 (layers, heads, n, n). Where heads were removed, the last ones of a layer are
    NaN: those that stay are numbered anew."""
    import numpy as np

    whole = np.full((len(layers), heads, *layers[0].shape[1:]), np.nan, dtype=np.float32)
    for row, layer in zip(whole, layers, strict=True):
        row[:layer.shape[0]] = layer
    return whole
