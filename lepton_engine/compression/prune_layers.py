"""Whole layers, really removed: those that change what passes through them least.

Score: block influence of Men et al. 2024, "ShortGPT: Layers in Large Language Models are More
Redundant Than You Expect" (arXiv:2403.03853); the budget is the number of layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lepton_engine.compression.looking import influences
from lepton_engine.compression.modules import Change, Context, Structure


@dataclass(frozen=True)
class Config:
    """``share`` of the layers to remove; at least one stays."""

    share: float


def unfit(structure: Structure) -> str:
    """Why the step does not fit, or ""."""
    return "" if len(structure.layers) > 1 else "the model has one layer only"


def apply(context: Context, value: float) -> Change:
    """Remove layers of ``context.module`` in place."""
    structure, config = context.structure, Config(value)
    total = len(structure.layers)
    count = min(round(config.share * total), total - 1)
    if not count:
        return Change(detail=f"{config.share:g} of {total} layers is less than half a layer, so "
                             "nothing was removed.")
    context.tell("weighing the layers", None)
    scores = influences(structure, context.batches)
    gone = sorted(sorted(range(total), key=lambda index: scores[index])[:count])
    remove(structure, gone)
    listed = ", ".join(f"{score:.3f}" for score in scores)
    return Change(tuple(structure.name(index) for index in gone), (),
                  f"{count} of {total} layers removed. Influence of each: {listed}.")


def remove(structure: Structure, gone: list[int]) -> None:
    """Take out the layers ``gone`` and number the others anew.

    ``layers.kept`` remembers which of the original's they are, for the recovery.
    """
    layers: Any = structure.layers
    places = getattr(layers, "kept", list(range(len(layers))))
    stay = [index for index in range(len(layers)) if index not in gone]
    remaining = [layers[index] for index in stay]
    layers._modules.clear()
    for index, layer in enumerate(remaining):
        layers.append(layer)
        for part in layer.modules():  # a decoder's cache is addressed by this number
            if hasattr(part, "layer_idx"):
                part.layer_idx = index
    layers.kept = [places[index] for index in stay]
    config = structure.config
    kinds = getattr(config, "layer_types", None)
    config.num_hidden_layers = len(remaining)
    if kinds:
        config.layer_types = [kinds[index] for index in stay]
