"""Trains a low-rank adapter with a linear head on an encoder's pooled vectors.

The head reads what `Engine.embed` gives, the mean of the last layer's tokens at length 1, so an
adapter is served by the trunk with its update merged and a matrix product. It starts from the
softmax regression on the frozen vectors (Kumar et al. 2022, Fine-Tuning can Distort Pretrained
Features). Cross-entropy with soft targets; AdamW, linear warm-up and decay; bf16 autocast; the
weights that are kept are a running mean (Polyak and Juditsky 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lepton_engine.runtimes.checkpoint import Checkpoint
from lepton_engine.runtimes.torch_encoder import open_module
from lepton_engine.training import lora
from lepton_engine.training.finetune import batches_of

Tell = Callable[[str, float], None]
Rows = Sequence[Sequence[int]]
#: An epoch's token ids and their targets, float32 (n, labels), each row a distribution.
Epoch = Callable[[int], tuple[Rows, np.ndarray]]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast; the rates are peaks, after the warm-up."""

    epochs: int = 6
    batch: int = 32
    rate: float = 1e-3
    head_rate: float = 2e-2
    weight_decay: float = 0.01
    warm_up: float = 0.06
    dropout: float = 0.1
    average: float = 0.995
    seed: int = 0
    shape: lora.Shape = field(default_factory=lora.Shape)


@dataclass(frozen=True, eq=False)
class Adapted:
    """The update's arrays, and the head's ``weight`` (labels, dimension), ``bias`` (labels,)."""

    updates: dict[str, np.ndarray]
    weight: np.ndarray
    bias: np.ndarray


class AdaptedEncoder(torch.nn.Module):
    """An encoder with an update and a head: logits (batch, labels) from vectors of length 1."""

    def __init__(self, folder: Path, shape: lora.Shape, labels: int, dropout: float) -> None:
        super().__init__()
        encoder: Any = open_module(Checkpoint.open(folder)).module
        self.encoder = lora.wrapped(encoder, shape)
        width = int(encoder.config.hidden_size)
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(width, labels)

    def vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, dimension) of length 1."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask,
                              token_type_ids=torch.zeros_like(ids),
                              return_dict=True).last_hidden_state
        weights = mask[:, :, None].to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return torch.nn.functional.normalize(pooled.float(), dim=-1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.vectors(ids, mask)))  # type: ignore[no-any-return]

    def trained(self) -> list[torch.nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]


def adapt(folder: Path, epoch: Epoch, start: tuple[np.ndarray, np.ndarray], schedule: Schedule,
          tell: Tell = lambda what, share: None) -> Adapted:
    """Train on ``epoch(0)``, ``epoch(1)``, …; ``start`` is the head's first weight and bias."""
    torch.manual_seed(schedule.seed)
    model = AdaptedEncoder(folder, schedule.shape, len(start[1]), schedule.dropout)
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(start[0]))
        model.head.bias.copy_(torch.from_numpy(start[1]))
    first = len(epoch(0)[0])
    steps = -(-first // schedule.batch) * schedule.epochs
    optimiser = _optimiser(model, schedule)
    warm = max(1, round(schedule.warm_up * steps))
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min((n + 1) / warm, max(0.0, (steps - n) / max(1, steps - warm))))
    kept = [p.detach().clone() for p in model.trained()]
    done = 0
    model.train()
    for number in range(schedule.epochs):
        rows, targets = epoch(number)
        wanted = torch.from_numpy(targets)
        for chosen, ids, mask in batches_of(rows, schedule.batch, schedule.seed * 997 + number):
            with torch.autocast("cpu", torch.bfloat16):
                vectors = model.vectors(ids, mask)
            logits = model.head(model.dropout(vectors))
            loss = torch.nn.functional.cross_entropy(logits, wanted[chosen])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.trained(), 1.0)
            optimiser.step()
            rate.step()
            done += 1
            _average(kept, model, min(schedule.average, done / (done + 10)))
            tell(f"epoch {number + 1}, loss {loss.item():.3f}", min(1.0, done / steps))
    with torch.no_grad():
        for own, mean in zip(model.trained(), kept, strict=True):
            own.copy_(mean)
    return Adapted(lora.arrays_of(model.encoder), model.head.weight.detach().numpy().copy(),
                   model.head.bias.detach().numpy().copy())


def _optimiser(model: AdaptedEncoder, schedule: Schedule) -> Any:
    head = list(model.head.parameters())
    own = {id(p) for p in head}
    updates = [p for p in model.trained() if id(p) not in own]
    return torch.optim.AdamW([{"params": updates, "lr": schedule.rate},
                              {"params": head, "lr": schedule.head_rate}],
                             weight_decay=schedule.weight_decay)


@torch.no_grad()
def _average(kept: list[torch.Tensor], model: AdaptedEncoder, share: float) -> None:
    for mean, own in zip(kept, model.trained(), strict=True):
        mean.lerp_(own, 1 - share)
