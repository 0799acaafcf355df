"""Feed-forward neurons, really removed: rows of the inner layers, columns of the outer one.

Which: those that the outputs feel least (``looking.importances``), over all layers together,
as in Molchanov et al. 2019. The weights that stay are left as they are: a least-squares fit of
the kept neurons to the removed ones (as ``prune_heads`` does with heads) made MiniLM worse on
other texts than those it was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lepton_engine.compression.looking import importances
from lepton_engine.compression.modules import (
    Change,
    Context,
    Structure,
    cut_inputs,
    cut_outputs,
)


@dataclass(frozen=True)
class Config:
    """``share`` of all neurons to remove; ``least`` share of its neurons that a layer keeps."""

    share: float
    least: float = 1 / 16


def unfit(structure: Structure) -> str:
    """Why the step does not fit, or ""."""
    return ""


def apply(context: Context, value: float) -> Change:
    return prune(context, Config(value))


def prune(context: Context, config: Config) -> Change:
    """Remove neurons of ``context.module`` in place."""
    structure = context.structure
    before = [structure.neurons(index) for index in range(len(structure.layers))]
    scores = importances(context, structure.family.outer, lambda _: 1, "weighing the neurons")
    kept = chosen(scores, config.share, config.least)
    removed = sum(before) - sum(len(keep) for keep in kept)
    if not removed:
        return Change(detail="The share is less than one neuron, so nothing was removed.")
    for index, keep in enumerate(kept):
        remove(structure, index, keep)
    sizes = ", ".join(f"{len(keep)} of {count}" for keep, count in zip(kept, before, strict=True))
    changed = tuple(structure.name(i) for i, keep in enumerate(kept) if len(keep) < before[i])
    return Change(changed, tuple(f"{structure.name(i)}: all its neurons matter more than those "
                                 "removed" for i, keep in enumerate(kept)
                                 if len(keep) == before[i]),
                  f"{removed} of {sum(before)} neurons removed; a layer keeps {sizes}.")


def chosen(scores: list[torch.Tensor], share: float, least: float) -> list[torch.Tensor]:
    """Indices of the neurons that stay, by layer: the best of all layers together.

    Wide layers keep a multiple of 16, which is what a processor's registers hold; a narrower
    rest would be computed as if it were as wide.
    """
    total = sum(score.numel() for score in scores)
    remove = int(share * total)
    flat = torch.cat(scores)
    if not remove:
        return [torch.arange(score.numel()) for score in scores]
    limit = flat.sort().values[remove - 1]
    kept = []
    for score in scores:
        width = score.numel()
        count = max(int((score > limit).sum()), int(least * width), 1)
        if width >= 256:
            count = min(width, max(16, 16 * round(count / 16)))
        kept.append(score.topk(count).indices.sort().values)
    return kept


def remove(structure: Structure, index: int, keep: torch.Tensor) -> None:
    """Cut layer ``index`` down to the neurons ``keep``."""
    layer, family = structure.layers[index], structure.family
    for path in family.inner:
        cut_outputs(layer.get_submodule(path), keep)
    cut_inputs(layer.get_submodule(family.outer), keep)
