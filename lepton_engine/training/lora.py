"""Low-rank adapters of an encoder: made with peft, kept as plain arrays, merged with numpy.

``W' = W + (alpha / rank) B A`` for every adapted linear layer (Hu et al. 2021, LoRA: Low-Rank
Adaptation of Large Language Models). After merging nothing of it is left at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_engine.errors import ModelUnavailableError

A, B = ".lora_A", ".lora_B"
#: Every linear layer of a BERT-like block; all of them learn better than attention alone
#: (Dettmers et al. 2023, QLoRA, section 4).
TARGETS = ("query", "key", "value", "dense")


@dataclass(frozen=True)
class Shape:
    """``rank`` of the update, its factor ``alpha`` / ``rank``, dropout before it."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05

    @property
    def scaling(self) -> float:
        return self.alpha / self.rank


def wrapped(encoder: Any, shape: Shape) -> Any:
    """The encoder with trainable updates; everything else of it is frozen.

    Raises:
        ModelUnavailableError: peft is not installed; only training needs it.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ModelUnavailableError("Training an adapter needs the package peft. Install "
                                    "requirements-dev.txt.") from error
    config = LoraConfig(r=shape.rank, lora_alpha=shape.alpha, lora_dropout=shape.dropout,
                        target_modules=r".*encoder\.layer\..*\.(" + "|".join(TARGETS) + ")")
    return get_peft_model(encoder, config)


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """``<layer>.lora_A`` (rank, inputs) and ``<layer>.lora_B`` (outputs, rank) in float16."""
    from peft import get_peft_model_state_dict

    found = {}
    for name, tensor in get_peft_model_state_dict(model).items():
        layer = name.removeprefix("base_model.model.").removesuffix(".weight")
        found[layer] = tensor.detach().float().numpy().astype(np.float16)
    return found


def merge(weights: Mapping[str, np.ndarray], updates: Mapping[str, np.ndarray],
          scaling: float) -> dict[str, np.ndarray]:
    """The trunk's weights with the updates added, in the trunk's own number type.

    Raises:
        ModelUnavailableError: an update has no layer, or another shape, in this trunk.
    """
    merged = dict(weights)
    for name in sorted(n for n in updates if n.endswith(A)):
        layer = name.removesuffix(A)
        key = f"{layer}.weight"
        down, up = updates[name].astype(np.float32), updates.get(layer + B)
        if up is None or key not in merged or merged[key].shape != (up.shape[0], down.shape[1]):
            raise ModelUnavailableError(f"The adapter does not fit this trunk (at {layer}). Train "
                                        "it again on the trunk that its card names.")
        kind = merged[key].dtype
        change = scaling * (up.astype(np.float32) @ down)
        merged[key] = (merged[key].astype(np.float32) + change).astype(kind)
    return merged
