"""Weight-only int8 and int4 linear layers in plain torch, for the decoders of a GPU.

Weights are stored as whole numbers with bf16 scales and spread out in the forward pass; under
``torch.compile`` that becomes one kernel with the product, and a decoder, which reads every
weight once a token, gains what the bytes shrink. Symmetric, per output channel (int8) or per
group of 64 inputs (int4, two to a byte). (torchao is not needed for that, and not required.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

GROUP = 64
# Recipe -> bits and group (0: one scale a row); the head keeps 8 bits in both.
FORMATS = {"int8": (8, 0), "int8-weights": (8, 0), "int4": (4, GROUP), "int4-channel": (4, 0)}


class QuantizedLinear(nn.Module):
    """A linear layer of 8- or 4-bit weights; computes in the type of its input.

    Buffers: ``packed`` int8 (out, in) or uint8 (out, in / 2), ``scales`` (out, groups).
    """

    def __init__(self, linear: nn.Linear, bits: int, group: int) -> None:
        super().__init__()
        rows, columns = linear.weight.shape
        self.bits, self.group = bits, group or columns
        self.in_features, self.out_features = columns, rows
        weight = linear.weight.detach().float().reshape(rows, -1, self.group)
        top = 2 ** (bits - 1) - 1
        scales = (weight.abs().amax(dim=2) / top).clamp_min(1e-8)
        whole = (weight / scales[:, :, None]).round().clamp(-top - 1, top)
        whole = whole.reshape(rows, columns).to(torch.int8)
        if bits == 4:
            shifted = (whole + 8).to(torch.uint8)
            whole = shifted[:, 0::2] | (shifted[:, 1::2] << 4)
        self.register_buffer("packed", whole)
        self.register_buffer("scales", scales.to(linear.weight.dtype))
        self.bias = linear.bias

    def weight(self) -> torch.Tensor:
        """The weights spread out: (out, in) in the scales' type."""
        packed: torch.Tensor = self.packed  # type: ignore[assignment]
        scales: torch.Tensor = self.scales  # type: ignore[assignment]
        if self.bits == 4:
            low, high = packed & 15, packed >> 4
            packed = torch.stack((low, high), dim=2).reshape(self.out_features, -1)
            values = packed.to(scales.dtype) - 8
        else:
            values = packed.to(scales.dtype)
        grouped = values.reshape(self.out_features, -1, self.group) * scales[:, :, None]
        return grouped.reshape(self.out_features, self.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight().to(x.dtype), self.bias)


def fits(linear: nn.Linear, group: int) -> bool:
    """Whether the layer's inputs divide into groups, and into pairs for 4 bits."""
    return linear.in_features % (group or 2) == 0


def quantize_linears(model: Any, recipe: str) -> list[str]:
    """Replace the linear layers in place; returns the names of those left as they are."""
    bits, group = FORMATS[recipe]
    left: list[str] = []
    head = model.get_output_embeddings()
    for name, module in list(model.named_modules()):
        if not isinstance(module, nn.Linear):
            continue
        wide, size = (8, 0) if module is head else (bits, group)
        if not fits(module, size):
            left.append(name)
            continue
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], QuantizedLinear(module, wide, size))
    return left


def stored_bytes(model: nn.Module) -> int:
    """What the weights take: parameters and buffers, each storage once."""
    tensors = [*model.parameters(), *model.buffers()]
    once = {t.data_ptr(): t.numel() * t.element_size() for t in tensors}
    return sum(once.values())
