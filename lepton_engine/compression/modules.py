"""Where the parts of a transformer are, and how rows and columns are cut out of them.

Adding an architecture is a row of ``FAMILIES``. Everything works on modules in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lepton_engine.compression.recipe import STEPS
from lepton_engine.errors import InputError
from lepton_engine.telling import Tell, silent

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Family:
    """Dotted paths from one layer of an architecture to its parts.

    ``inner`` are the linear layers whose outputs are the neurons: one, or a gate beside the
    values. ``attention`` holds the numbers of heads. ``decoder``: its layers keep a cache.
    """

    attention: str
    query: str
    key: str
    value: str
    output: str
    inner: tuple[str, ...]
    outer: str
    decoder: bool = False

    @property
    def linears(self) -> dict[str, str]:
        """Each linear layer -> the one whose input it shares (itself, or the first of them)."""
        shared = {self.query: self.query, self.key: self.query, self.value: self.query,
                  self.output: self.output}
        return {**shared, **dict.fromkeys(self.inner, self.inner[0]), self.outer: self.outer}


FAMILIES: tuple[Family, ...] = (
    Family("attention.self", "attention.self.query", "attention.self.key",  # BERT, RoBERTa
           "attention.self.value", "attention.output.dense", ("intermediate.dense",),
           "output.dense"),
    Family("attention.attn", "attention.attn.q", "attention.attn.k", "attention.attn.v",  # MPNet
           "attention.attn.o", ("intermediate.dense",), "output.dense"),
    Family("attention", "attention.q_lin", "attention.k_lin", "attention.v_lin",  # DistilBERT
           "attention.out_lin", ("ffn.lin1",), "ffn.lin2"),
    Family("self_attn", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",  # Llama, Qwen2
           "self_attn.o_proj", ("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj", decoder=True),
)


class Factors(nn.Module):
    """A linear layer as a product of two thin ones: ``second(first(x))``."""

    def __init__(self, first: torch.Tensor, second: torch.Tensor,
                 bias: torch.Tensor | None) -> None:
        """``first`` (rank, in), ``second`` (out, rank), ``bias`` (out)."""
        super().__init__()
        self.first = _linear(first, None)
        self.second = _linear(second, bias)

    @property
    def in_features(self) -> int:
        return int(self.first.in_features)

    @property
    def out_features(self) -> int:
        return int(self.second.out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(self.first(x))
        return result


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach().clone().contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone().contiguous())
    return layer


@dataclass(frozen=True)
class Structure:
    """The layers of a module and where their parts are. ``prefix`` is the layers' own path."""

    module: nn.Module
    layers: nn.ModuleList
    family: Family
    prefix: str

    @classmethod
    def of(cls, module: nn.Module) -> Structure:
        """Raises InputError for a network that is no transformer of a known family."""
        for name, part in module.named_modules():
            if isinstance(part, nn.ModuleList) and len(part):
                for family in FAMILIES:
                    if all(_has(part[0], path) for path in family.linears):
                        return cls(module, part, family, name)
        formats = ", ".join(kind.name for kind in STEPS.values() if kind.quantises)
        raise InputError("This model has no attention layers of a kind that can be pruned or "
                         f"factorised. What fits it are the number formats: {formats}.")

    @property
    def config(self) -> Any:
        """The configuration that the layers go by."""
        return next(part.config for name, part in self.module.named_modules()
                    if self.prefix.startswith(name) and hasattr(part, "config"))

    def name(self, index: int, path: str = "") -> str:
        """How a part is called in reports: ``layer 3 attention.self.query``."""
        return f"layer {index} {path}".rstrip()

    def linears(self) -> Iterator[tuple[int, str, nn.Module]]:
        """(layer's index, path, module) of every linear layer, factorised or not."""
        for index, layer in enumerate(self.layers):
            for path in self.family.linears:
                yield index, path, layer.get_submodule(path)

    def heads(self, index: int) -> int:
        """How many heads layer ``index`` has now."""
        layer = self.layers[index]
        width = int(layer.get_submodule(self.family.query).out_features)  # type: ignore[arg-type]
        return width // self.head_size(index)

    def head_size(self, index: int) -> int:
        attention = self.layers[index].get_submodule(self.family.attention)
        for name in ("attention_head_size", "head_dim"):
            if hasattr(attention, name):
                return int(getattr(attention, name))
        return int(self.config.hidden_size) // int(self.config.num_attention_heads)

    def neurons(self, index: int) -> int:
        layer = self.layers[index]
        return int(layer.get_submodule(self.family.outer).in_features)  # type: ignore[arg-type]


@dataclass
class Context:
    """What the handler of a step is given. ``original``: the module before the first step,
    where a later step needs it."""

    structure: Structure
    batches: Sequence[Batch]
    original: nn.Module | None = None
    seed: int = 0
    tell: Tell = silent

    @property
    def module(self) -> nn.Module:
        return self.structure.module


@dataclass(frozen=True)
class Change:
    """What a handler did; see ``StepReport``."""

    changed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    detail: str = ""


def _has(layer: nn.Module, path: str) -> bool:
    try:
        return isinstance(layer.get_submodule(path), nn.Linear | Factors)
    except AttributeError:
        return False


def cut_outputs(part: nn.Module, keep: torch.Tensor) -> None:
    """Leave the outputs ``keep`` (indices) of a linear layer, in place."""
    layer: Any = part.second if isinstance(part, Factors) else part
    layer.weight = nn.Parameter(layer.weight.detach()[keep].contiguous())
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias.detach()[keep].contiguous())
    layer.out_features = len(keep)


def cut_inputs(part: nn.Module, keep: torch.Tensor) -> None:
    """Leave the inputs ``keep`` (indices) of a linear layer, in place."""
    layer: Any = part.first if isinstance(part, Factors) else part
    layer.weight = nn.Parameter(layer.weight.detach()[:, keep].contiguous())
    layer.in_features = len(keep)


def dense(part: nn.Module) -> torch.Tensor:
    """The weight (out, in) that a linear layer stands for."""
    if isinstance(part, Factors):
        return part.second.weight.detach() @ part.first.weight.detach()
    weight: torch.Tensor = part.weight.detach()  # type: ignore[union-attr, operator]
    return weight


def parameters(module: nn.Module) -> int:
    """How many numbers the module has learnt; shared ones count once."""
    return sum(parameter.numel() for parameter in module.parameters())
