"""Compresses and converts an encoder, as a program of its own.

    python -m lepton_engine.compression.convert JOB.json

torch, transformers and NNCF take a gigabyte, which ends with the process; what it says and its
exit codes are those of `runtimes.children`. The target folder gets ``model.xml`` and
``model.bin``, ``signature.json``, ``report.json`` and, where the runtime must be told
something, ``compile.json``.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.calibration import SEED, Encoded, encode, texts_as_mapping
from lepton_engine.compression.recipe import ORIGINAL, Recipe
from lepton_engine.compression.report import ConversionReport, StepReport
from lepton_engine.errors import InputError
from lepton_engine.runtimes.children import main, say
from lepton_engine.telling import Tell, silent

if TYPE_CHECKING:
    from lepton_engine.runtimes.torch_encoder import EncoderModule


@dataclass(frozen=True)
class Job:
    """What to convert. ``form`` is the catalogue's format, ``heads`` what an ONNX file does not
    say, ``texts`` what the steps look at, ``max_length`` in sub-words."""

    form: str
    source: str
    target: str
    heads: int = 0
    recipe: str = ORIGINAL
    texts: tuple[str, ...] = ()
    max_length: int = 128
    seed: int = SEED

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Job:
        row: dict[str, Any] = json.loads(text)
        return cls(**{**row, "texts": tuple(row["texts"])})


def run(job: Job, tell: Tell = silent) -> tuple[StepReport, ...]:
    """Do the job in this process.

    Raises LeptonError for a model or a recipe that is refused.
    """
    from lepton_engine.runtimes.encoders import open_encoder
    from lepton_engine.runtimes.openvino_encoder import convert

    warnings.filterwarnings("ignore")  # remarks of the tracer on branches that are tested here
    start = time.perf_counter()
    source, target = Path(job.source), Path(job.target)
    recipe = Recipe.parse(job.recipe)
    tell("reading the weights", None)
    module = open_encoder(job.form, source, job.heads)
    batches = _batches(job, module) if recipe.needs_texts else []
    reports: list[StepReport] = []
    if recipe.structural:
        from lepton_engine.compression.apply import apply_steps, as_tensors

        reports = apply_steps(module, recipe, as_tensors(batches, module), seed=job.seed,
                              tell=tell)
    tell("converting for this processor", None)
    parameters = _parameters(module)
    convert(module, target)
    if recipe.number_format:
        rows = texts_as_mapping(batches, module.signature.type_ids)
        reports.append(_quantise(target, recipe.number_format, rows, parameters, tell))
    if len(recipe):
        _write_report(job, recipe, reports, time.perf_counter() - start)
    return tuple(reports)


def compressed_here(module: EncoderModule, job: Job, tell: Tell = silent,
                    ) -> tuple[StepReport, ...]:
    """The steps on a module that stays in torch.

    Raises InputError for a number format, which needs the other runtime.
    """
    recipe = Recipe.parse(job.recipe)
    if recipe.number_format:
        raise InputError(f"The torch runtime has no number format “{recipe.number_format}” for "
                         "encoders: it computes in the precision of its device. Use the openvino "
                         "runtime on a processor, or the recipe without that step.")
    from lepton_engine.compression.apply import apply_steps, as_tensors

    batches = as_tensors(_batches(job, module), module)
    return tuple(apply_steps(module, recipe, batches, seed=job.seed, tell=tell))


def _batches(job: Job, module: EncoderModule) -> list[Encoded]:
    """The job's texts in the model's own ids; pairs where it scores pairs."""
    from lepton_engine.subwords import open_vocabulary

    positions = module.signature.max_positions or job.max_length
    vocabulary = open_vocabulary(Path(job.source), min(job.max_length, positions))
    return encode(vocabulary, job.texts, pairs=job.form == "onnx")


def _parameters(module: EncoderModule) -> int:
    return sum(p.numel() for p in module.parameters()) or sum(b.numel() for b in module.buffers())


def _quantise(folder: Path, name: str, rows: Sequence[Any], parameters: int,
              tell: Tell) -> StepReport:
    """Turn the graph in ``folder`` into the number format ``name``, in place."""
    import openvino as ov

    from lepton_engine.compression.quantise import quantise, write_properties
    from lepton_engine.runtimes.openvino_encoder import XML

    tell(f"turning weights into {name}", None)
    start = time.perf_counter()
    path = folder / XML
    # Read without mapping the file: it is replaced by what was made of it.
    done = quantise(ov.Core().read_model(path.read_bytes(),
                                         path.with_suffix(".bin").read_bytes()), name, rows)
    ov.save_model(done.model, path, compress_to_fp16=False)
    write_properties(folder, done.properties)
    detail = done.detail if done.layers else "It changed nothing. " + done.detail
    return StepReport(name, done.layers, done.skipped, parameters, parameters, detail,
                      time.perf_counter() - start)


def _write_report(job: Job, recipe: Recipe, reports: Sequence[StepReport],
                  seconds: float) -> None:
    weights = (".safetensors", ".onnx", ".npz", ".gguf")
    before = sum(p.stat().st_size for p in Path(job.source).iterdir() if p.suffix in weights)
    after = sum(p.stat().st_size for p in Path(job.target).iterdir())
    ConversionReport(str(recipe), tuple(reports), before, after, seconds).write(Path(job.target))


if __name__ == "__main__":
    given = Job.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.exit(main(lambda: run(given, say)))
