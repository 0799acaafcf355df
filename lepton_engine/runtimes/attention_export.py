"""Exports what an encoder's heads look at, as a program of its own (it imports torch).

    python -m lepton_engine.runtimes.attention_export JOB.json

The job is that of `compression.convert`. The network written here gives, instead of vectors,
the attention weights of each layer: ``attention_0`` .. (batch, heads, length, length).
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from lepton_engine.compression.convert import Job
from lepton_engine.compression.recipe import Recipe
from lepton_engine.errors import InputError
from lepton_engine.runtimes.checkpoint import Signature
from lepton_engine.runtimes.children import main, say
from lepton_engine.runtimes.torch_encoder import EncoderModule, NamedOutputs

#: Beside the network: how many heads a layer was published with.
HEADS = "heads.json"


class AttentionWeights(EncoderModule):
    """A transformers encoder whose outputs are its attention weights, layer by layer.

    Raises:
        InputError: the network has no attention (a convolutional one).
    """

    def __init__(self, encoder: EncoderModule) -> None:
        super().__init__()
        if not isinstance(encoder, NamedOutputs):
            raise InputError("This encoder has no attention heads: it is a convolutional network. "
                             "Choose minilm-l6, mpnet or reranker.")
        inner: Any = encoder.module
        # Only the plain implementation computes the weights as such.
        inner.set_attn_implementation("eager")
        self.module = inner
        #: Of a layer as published, whatever a recipe removed.
        self.heads = int(inner.config.num_attention_heads)
        # Counted from a run: layers may have been removed.
        layers = len(inner(input_ids=torch.ones((1, 2), dtype=torch.int64),
                           return_dict=True, output_attentions=True).attentions)
        known = encoder.signature
        self.signature = Signature(tuple(f"attention_{i}" for i in range(layers)), (),
                                   known.type_ids, known.vocabulary_size, known.max_positions)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor,
                token_type_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        out = self.module(input_ids=input_ids, attention_mask=attention_mask, return_dict=True,
                          output_attentions=True, **extra)
        return tuple(out.attentions)


def attention_module(job: Job) -> AttentionWeights:
    """The encoder of ``job`` with the recipe's steps done to it (not its number format)."""
    from lepton_engine.compression.convert import compressed_here
    from lepton_engine.runtimes.encoders import open_encoder

    encoder = open_encoder(job.form, Path(job.source), job.heads)
    structural = Recipe(Recipe.parse(job.recipe).structural)
    if structural:
        compressed_here(encoder, Job(**{**job.__dict__, "recipe": str(structural)}), say)
    return AttentionWeights(encoder)


def run(job: Job) -> None:
    """Write ``model.xml``, ``.bin``, ``signature.json`` and ``heads.json`` into the target."""
    from lepton_engine.runtimes.openvino_encoder import convert

    warnings.filterwarnings("ignore")  # remarks of the tracer
    say("reading the weights", None)
    module = attention_module(job)
    say("writing the attention heads", None)
    convert(module, Path(job.target))
    (Path(job.target) / HEADS).write_text(json.dumps(module.heads), encoding="utf-8")
    if Recipe.parse(job.recipe).number_format:
        _quantise(job, module)


def _quantise(job: Job, module: EncoderModule) -> None:
    """The same number format as the variant's, with the same texts."""
    import openvino as ov

    from lepton_engine.compression.calibration import encode, texts_as_mapping
    from lepton_engine.compression.quantise import quantise
    from lepton_engine.runtimes.openvino_encoder import XML
    from lepton_engine.subwords import open_vocabulary

    recipe, path = Recipe.parse(job.recipe), Path(job.target) / XML
    rows: Any = []
    if recipe.needs_texts:
        batches = encode(open_vocabulary(Path(job.source), job.max_length), job.texts,
                         pairs=job.form == "onnx")
        rows = texts_as_mapping(batches, module.signature.type_ids)
    model = ov.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    ov.save_model(quantise(model, recipe.number_format, rows).model, path, compress_to_fp16=False)


if __name__ == "__main__":
    given = Job.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.exit(main(lambda: run(given)))
