"""Attention heads, really removed: rows of query, key and value, columns of the output.

Which: those that the outputs feel least (``looking.importances`` on the heads' gates), over
all layers together, after Michel, Levy and Neubig 2019, "Are Sixteen Heads Really Better than
One?" (arXiv:1905.10650), whose scores are divided by their norm in each layer. One head of
every layer stays. What the kept heads can say of the removed ones is moved into the output's
weights by least squares on the texts' activations (He, Zhang and Sun 2017, "Channel Pruning for
Accelerating Very Deep Neural Networks", arXiv:1707.06168, equation 1).
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from lepton_engine.compression.looking import Moments, importances, moments
from lepton_engine.compression.modules import (
    Change,
    Context,
    Factors,
    Structure,
    cut_inputs,
    cut_outputs,
    dense,
)

#: Added to the diagonal, in units of its mean: activations of few texts are collinear.
RIDGE = 1e-3


@dataclass(frozen=True)
class Config:
    """``share`` of all heads to remove; ``refit`` the output's weights."""

    share: float
    refit: bool = True


def unfit(structure: Structure) -> str:
    """Why the step does not fit, or ""."""
    if structure.family.decoder:
        return ("several heads of a decoder share one set of keys and values, so a head cannot "
                "go alone")
    return ""


def apply(context: Context, value: float) -> Change:
    return prune(context, Config(value))


def prune(context: Context, config: Config) -> Change:
    """Remove heads of ``context.module`` in place."""
    structure = context.structure
    before = [structure.heads(index) for index in range(len(structure.layers))]
    scores = importances(context, structure.family.output, structure.head_size,
                         "weighing the heads")
    kept = chosen(scores, config.share)
    removed = sum(before) - sum(map(len, kept))
    if not removed:
        return Change(detail="The share is less than one head, so nothing was removed.")
    fitted: dict[int, Any] = {}
    places = [_places(keep, structure.head_size(index)) for index, keep in enumerate(kept)]
    if config.refit:
        wanted = [(index, structure.family.output) for index, keep in enumerate(kept)
                  if len(keep) < before[index]]
        moments(context, wanted, "fitting the heads that stay",
                lambda index, path, found: fitted.__setitem__(index, refitted(
                    structure.layers[index].get_submodule(path), places[index], found)))
    for index, keep in enumerate(kept):
        if len(keep) < before[index]:
            remove(structure, index, keep, fitted.get(index))
    sizes = ", ".join(f"{len(keep)} of {count}" for keep, count in zip(kept, before, strict=True))
    return Change(
        tuple(structure.name(i) for i, keep in enumerate(kept) if len(keep) < before[i]),
        tuple(f"{structure.name(i)}: all its heads matter more than those removed"
              for i, keep in enumerate(kept) if len(keep) == before[i]),
        f"{removed} of {sum(before)} heads removed; a layer keeps {sizes}.")


def chosen(scores: list[torch.Tensor], share: float) -> list[torch.Tensor]:
    """Indices of the heads that stay, by layer; the best one of each layer always does."""
    ranked = [(float((score[head] / score.sum().clamp(min=1e-30)).sqrt()), layer, head)
              for layer, score in enumerate(scores) for head in range(score.numel())
              if head != int(score.argmax())]
    count = int(share * sum(score.numel() for score in scores))
    gone = {(layer, head) for _, layer, head in sorted(ranked)[:count]}
    return [torch.tensor([head for head in range(score.numel()) if (layer, head) not in gone])
            for layer, score in enumerate(scores)]


def refitted(outer: torch.nn.Module, keep: torch.Tensor,
             found: Moments) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (out, kept) and the addition to the bias (out,) with the least squared error."""
    mean = found.mean.double()
    spread = found.second.double() - mean[:, None] * mean[None, :]
    weight = dense(outer).double().cpu()
    inner = spread[keep][:, keep]
    inner += torch.eye(len(keep), dtype=inner.dtype) * RIDGE * inner.diagonal().mean()
    # Fitted to what is lost, so that a heavy ridge leaves the kept weights as they were.
    lost = torch.ones(weight.shape[1], dtype=torch.bool)
    lost[keep] = False
    move = torch.linalg.solve(inner, spread[keep][:, lost])  # (kept, lost)
    fitted = weight[:, keep] + weight[:, lost] @ move.T
    return fitted.float(), (weight @ mean - fitted @ mean[keep]).float()


def _places(heads: torch.Tensor, size: int) -> torch.Tensor:
    return (heads[:, None] * size + torch.arange(size)[None, :]).flatten()


def remove(structure: Structure, index: int, heads: torch.Tensor,
           fitted: tuple[torch.Tensor, torch.Tensor] | None = None) -> None:
    """Cut layer ``index`` down to ``heads``; ``fitted``: new weights of the output."""
    layer, family = structure.layers[index], structure.family
    keep = _places(heads, structure.head_size(index))
    for path in (family.query, family.key, family.value):
        cut_outputs(layer.get_submodule(path), keep)
    output: Any = layer.get_submodule(family.output)
    cut_inputs(output, keep)
    if fitted is not None and not isinstance(output, Factors):
        weight, bias = fitted
        output.weight = torch.nn.Parameter(weight.to(output.weight))
        output.bias = torch.nn.Parameter(output.bias.detach() + bias.to(output.bias))
    attention: Any = layer.get_submodule(family.attention)
    for name, value in (("num_attention_heads", len(heads)), ("n_heads", len(heads)),
                        ("all_head_size", len(keep))):
        if hasattr(attention, name):
            setattr(attention, name, value)
    if "position_bias" in inspect.signature(attention.forward).parameters:
        attention.register_forward_pre_hook(_PositionBias(heads), with_kwargs=True)


class _PositionBias:
    """MPNet adds one bias a head to all layers' scores: only the kept heads' enters."""

    def __init__(self, heads: torch.Tensor) -> None:
        self.heads = heads

    def __call__(self, _: torch.nn.Module, given: tuple[Any, ...],
                 named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if len(given) > 2 and isinstance(given[2], torch.Tensor):
            return (*given[:2], given[2][:, self.heads], *given[3:]), named
        if isinstance(named.get("position_bias"), torch.Tensor):
            return given, {**named, "position_bias": named["position_bias"][:, self.heads]}
        return None
