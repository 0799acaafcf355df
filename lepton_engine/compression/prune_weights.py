"""Single weights set to zero: the smallest of all linear layers together (global magnitude).

Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks"
(arXiv:1506.02626). The arrays keep their shapes, and a dense product takes as long over zeros:
the step is here so that people can see that it changes neither size nor speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lepton_engine.compression.modules import Change, Context, Factors, Structure


@dataclass(frozen=True)
class Config:
    """``share`` of the linear layers' weights to set to zero."""

    share: float


def unfit(structure: Structure) -> str:
    """Why the step does not fit, or ""."""
    return ""


def apply(context: Context, value: float) -> Change:
    """Set weights of ``context.module`` to zero in place."""
    config, structure = Config(value), context.structure
    named = [(structure.name(index, path), weight) for index, path, part in structure.linears()
             for weight in _weights(part)]
    magnitudes = torch.cat([weight.detach().abs().flatten() for _, weight in named])
    count = int(config.share * magnitudes.numel())
    limit = magnitudes.kthvalue(count).values if count else magnitudes.new_tensor(-1.0)
    zeros = 0
    with torch.no_grad():
        for _, weight in named:
            small = weight.abs() <= limit
            weight.masked_fill_(small, 0.0)
            zeros += int(small.sum())
    return Change(tuple(dict.fromkeys(name for name, _ in named)), (),
                  f"{zeros} of {magnitudes.numel()} weights are zero now. Their arrays are as "
                  "large as before and take as long to compute.")


def _weights(part: torch.nn.Module) -> list[torch.Tensor]:
    parts = (part.first, part.second) if isinstance(part, Factors) else (part,)
    return [layer.weight for layer in parts]  # type: ignore[misc]
