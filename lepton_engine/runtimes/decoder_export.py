"""A torch decoder as the OpenVINO IR that OpenVINO GenAI runs.

The module is traced as it is in memory, so that a pruned or factorised one exports too.
GenAI wants named inputs and outputs, a ``beam_idx`` gather behind every past tensor, and
a stateful model whose states start at length zero in the batch of the input; without
those initial values neither the stateful model nor the paged-attention pass runs.

Run as a program it converts in a process of its own: torch, transformers and NNCF never
enter the application's memory, and being killed for want of memory ends only this.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.calibration import chosen_texts
from lepton_engine.compression.convert_decoder import compress_graph, compress_module, write_report
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.report import StepReport
from lepton_engine.runtimes.children import main, say
from lepton_engine.runtimes.decoder_weights import load_causal_lm
from lepton_engine.telling import Tell, silent

if TYPE_CHECKING:
    import torch
    from openvino import Model
    from transformers import PreTrainedModel

IR_FILE = "openvino_model.xml"
ATTENTION = "lepton_export"


@dataclass(frozen=True)
class Shape:
    """The key-value cache of a decoder: layers, key-value heads and head dimension."""

    layers: int
    heads: int
    head_dim: int

    @classmethod
    def of(cls, model: PreTrainedModel) -> Shape:
        config = model.config
        head_dim = getattr(config, "head_dim", None)
        return cls(
            layers=config.num_hidden_layers,
            heads=config.num_key_value_heads,
            head_dim=head_dim or config.hidden_size // config.num_attention_heads,
        )

    def names(self, prefix: str) -> list[str]:
        return [f"{prefix}.{i}.{part}" for i in range(self.layers) for part in ("key", "value")]


def _attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor, dropout: float = 0.0, scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot product with the grouped key-value heads repeated outside the call.

    query (batch, heads, length, dim); key and value (batch, kv_heads, total, dim). The
    paged-attention pass of OpenVINO looks for just this shape of graph.
    """
    import torch.nn.functional as functional

    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        batch, heads, total, dim = key.shape
        grouped = (batch, heads, repeats, total, dim)
        flat = (batch, heads * repeats, total, dim)
        key = key[:, :, None].expand(grouped).reshape(flat)
        value = value[:, :, None].expand(grouped).reshape(flat)
    out = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=attention_mask, scale=scaling
    )
    return out.transpose(1, 2).contiguous(), None


def _wrapper(model: PreTrainedModel, shape: Shape) -> torch.nn.Module:
    """A module of plain tensors: ids, mask, positions and past in; logits and present out."""
    import torch
    from transformers import AttentionInterface
    from transformers.cache_utils import DynamicCache, DynamicLayer

    AttentionInterface.register(ATTENTION, _attention)
    model.set_attn_implementation(ATTENTION)

    def filled(past: tuple[torch.Tensor, ...]) -> Any:
        # The cache's constructor does not trace; its layers can be filled by hand.
        cache = DynamicCache()
        cache.layers = []
        for i in range(shape.layers):
            layer = DynamicLayer()
            layer.keys, layer.values = past[2 * i], past[2 * i + 1]
            layer.dtype, layer.device = past[0].dtype, past[0].device
            layer.is_initialized = True
            cache.layers.append(layer)
        return cache

    class Wrapper(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor,
            position_ids: torch.Tensor, *past: torch.Tensor,
        ) -> tuple[torch.Tensor, ...]:
            length, total = input_ids.shape[1], attention_mask.shape[1]
            keys = torch.arange(total, device=input_ids.device)
            queries = torch.arange(length, device=input_ids.device) + (total - length)
            seen = (keys[None, :] <= queries[:, None])[None, None]
            seen = seen & (attention_mask[:, None, None, :] > 0)
            mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
            cache = filled(past)
            out = self.model(input_ids=input_ids, attention_mask=mask, use_cache=True,
                             position_ids=position_ids, past_key_values=cache)
            present = [t for layer in cache.layers for t in (layer.keys, layer.values)]
            return (out.logits, *present)

    return Wrapper()


def _traced(model: PreTrainedModel, shape: Shape) -> Model:
    import openvino as ov
    import torch

    batch, length, past_length = 2, 3, 4
    past = [torch.zeros(batch, shape.heads, past_length, shape.head_dim)
            for _ in range(2 * shape.layers)]
    example = (
        torch.ones(batch, length, dtype=torch.long),
        torch.ones(batch, past_length + length, dtype=torch.long),
        torch.arange(past_length, past_length + length)[None].repeat(batch, 1),
        *past,
    )
    with torch.no_grad():
        return ov.convert_model(_wrapper(model, shape), example_input=example)


def _name_and_shape(graph: Model, shape: Shape) -> None:
    import openvino as ov

    inputs = ["input_ids", "attention_mask", "position_ids", *shape.names("past_key_values")]
    outputs = ["logits", *shape.names("present")]
    for port, name in zip(graph.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
        node = port.get_node()
        node.set_friendly_name(name)
        if name.startswith("past"):
            node.set_partial_shape(ov.PartialShape([-1, shape.heads, -1, shape.head_dim]))
        else:
            node.set_partial_shape(ov.PartialShape([-1, -1]))
            node.set_element_type(ov.Type.i64)
    for port, name in zip(graph.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    graph.validate_nodes_and_infer_types()


def _make_stateful(graph: Model, shape: Shape) -> None:
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops
    from openvino._offline_transformations import apply_make_stateful_transformation

    axis = ops.constant(np.int64(0))
    beam = ops.parameter([-1], ov.Type.i32, name="beam_idx")
    beam.output(0).get_tensor().set_names({"beam_idx"})
    pasts = [port for port in graph.inputs if port.get_any_name().startswith("past")]
    graph.add_parameters([beam])
    for port in pasts:
        consumers = list(port.get_target_inputs())
        gathered = ops.gather(port, beam, axis)
        for consumer in consumers:
            consumer.replace_source_output(gathered.output(0))
    graph.validate_nodes_and_infer_types()
    pairs = zip(shape.names("past_key_values"), shape.names("present"), strict=True)
    apply_make_stateful_transformation(graph, dict(pairs))
    sizes = ops.shape_of(graph.input("input_ids"), output_type="i64")
    batch = ops.gather(sizes, ops.constant(np.array([0], dtype=np.int64)), axis)
    rest = ops.constant(np.array([shape.heads, 0, shape.head_dim], dtype=np.int64))
    for node in graph.get_ops():
        if node.get_type_name() == "ReadValue":
            empty = ops.broadcast(ops.constant(np.float32(0)), ops.concat([batch, rest], axis=0))
            node.set_arguments([empty.output(0)])
    graph.validate_nodes_and_infer_types()


def export_decoder(model: PreTrainedModel, target: Path, recipe: str = "int8", *,
                   source: Path | None = None, texts: Sequence[str] | None = None,
                   tell: Tell = silent) -> list[StepReport]:
    """Write ``openvino_model.xml`` and ``.bin`` of ``model`` (fp32, on the CPU) to ``target``.

    Args:
        recipe: its torch steps change ``model`` in place; they need the ``source`` folder, for
            its tokenizer, and look at ``texts`` (None: the bundled ones).

    Raises:
        InputError: a step does not fit a decoder.
    """
    import openvino as ov

    steps = Recipe.parse(recipe)
    reports: list[StepReport] = []
    if steps.structural:
        assert source is not None, "the torch steps need a tokenizer"
        reports += compress_module(model, source, steps, chosen_texts(texts), tell)
    tell("converting for this processor", None)
    shape = Shape.of(model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    graph = _traced(model, shape)
    _name_and_shape(graph, shape)
    _make_stateful(graph, shape)
    graph, quantised = compress_graph(graph, steps, target, parameters, tell)
    # What NNCF left is small; without any format half precision halves the file.
    ov.save_model(graph, str(target / IR_FILE), compress_to_fp16=not steps.number_format)
    return reports + quantised


def run(arguments: argparse.Namespace) -> None:
    """Convert as asked on the command line."""
    start = time.perf_counter()
    texts = json.loads(arguments.texts.read_text("utf-8")) if arguments.texts else None
    recipe = Recipe.parse(arguments.recipe)
    say("reading the weights", None)
    model = load_causal_lm(arguments.source, "fp32")
    reports = export_decoder(model, arguments.target, str(recipe), source=arguments.source,
                             texts=texts, tell=say)
    write_report(recipe, reports, arguments.source, arguments.target,
                 time.perf_counter() - start)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Convert a decoder for OpenVINO GenAI.")
    made.add_argument("source", type=Path)
    made.add_argument("target", type=Path)
    made.add_argument("--recipe", default="int8", help="as low-rank:0.8+int4")
    made.add_argument("--texts", type=Path, help="JSON list of texts that the steps look at")
    return made


if __name__ == "__main__":
    sys.exit(main(lambda: run(parser().parse_args())))
