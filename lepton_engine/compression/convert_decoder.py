"""The recipe's part in a decoder's conversion: its torch steps, its number format, its report."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.calibration import MAX_LENGTH, SEED, encode
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.report import ConversionReport, StepReport
from lepton_engine.telling import Tell

if TYPE_CHECKING:
    from openvino import Model
    from transformers import PreTrainedModel

#: A pass of half a billion weights over one text takes a tenth of a second and more.
TEXTS = 128
BATCH = 8
#: A decoder meets its own words, of which calibration texts say little: its activations are
#: rounded as they come.
NEAREST = {"int8": "int8-dynamic"}


def compress_module(model: PreTrainedModel, source: Path, recipe: Recipe, texts: Sequence[str],
                    tell: Tell) -> list[StepReport]:
    """The torch steps, in place, on at most ``TEXTS`` texts spread over all of them.

    Raises InputError for a step that does not fit.
    """
    if not recipe.structural:
        return []
    from lepton_engine.compression.apply import apply_steps, as_tensors
    from lepton_engine.compression.looking import some

    chosen = some([text for text in texts if len(text.split()) > 1], TEXTS)  # type: ignore[misc,arg-type]
    batches = as_tensors(encode(_vocabulary(source), chosen, batch=BATCH), model)  # type: ignore[arg-type]
    for batch in batches:
        batch.pop("token_type_ids", None)
    return apply_steps(model, recipe, batches, tell=tell, seed=SEED)


def _vocabulary(source: Path) -> Any:
    from lepton_engine.runtimes.decoder_weights import save_tokenizer
    from lepton_engine.subwords import HubVocabulary

    with tempfile.TemporaryDirectory(prefix="lepton-tokenizer-") as folder:
        save_tokenizer(source, Path(folder))  # a GGUF file has its tokenizer inside
        return HubVocabulary.from_folder(Path(folder), MAX_LENGTH, bare=True)


def compress_graph(graph: Model, recipe: Recipe, target: Path, parameters: int,
                   tell: Tell) -> tuple[Model, list[StepReport]]:
    """The graph in the recipe's number format; properties for compiling go to ``target``."""
    name = recipe.number_format
    if not name:
        return graph, []
    from lepton_engine.compression.quantise import quantise, write_properties

    tell(f"turning weights into {name}", None)
    start = time.perf_counter()
    done = quantise(graph, NEAREST.get(name, name), ())
    write_properties(target, done.properties)
    detail = done.detail
    if name in NEAREST:
        detail += f" For a decoder that is the same as {NEAREST[name]}: nothing is calibrated."
    report = StepReport(name, done.layers, done.skipped, parameters, parameters, detail,
                        time.perf_counter() - start)
    return done.model, [report]


def write_report(recipe: Recipe, reports: Sequence[StepReport], source: Path, target: Path,
                 seconds: float) -> None:
    """``report.json`` beside the converted decoder; an original has none."""
    if not len(recipe):
        return
    weights = (".gguf", ".safetensors")
    published = sum(p.stat().st_size for p in source.iterdir() if p.suffix in weights)
    after = sum(p.stat().st_size for p in target.iterdir())
    ConversionReport(str(recipe), tuple(reports), published, after, seconds).write(target)
