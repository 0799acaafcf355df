"""Fine-tunes a whole sentence encoder with a linear head on a classification task.

The result is an ordinary module that is compressed like any other. Mean pooling over the
tokens, one linear layer, cross-entropy; AdamW with a linear warm-up and decay (Loshchilov and
Hutter 2019; Devlin et al. 2019, appendix A.3), bf16 autocast where the processor has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.modeling_outputs import SequenceClassifierOutput

from lepton_engine.runtimes.checkpoint import Checkpoint, Head, Signature
from lepton_engine.runtimes.torch_encoder import NamedOutputs, open_module

Tell = Callable[[str, float], None]
PAD = 0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. ``learning_rate`` is the peak, after the warm-up."""

    epochs: float = 4.0
    batch: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warm_up: float = 0.1
    dropout: float = 0.1
    seed: int = 0


class PooledClassifier(torch.nn.Module):
    """An encoder, the mean of its tokens, and a linear layer: logits (batch, labels), and the
    hidden states of the encoder where they are asked for."""

    def __init__(self, encoder: Any, labels: Sequence[str], dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.config: Any = encoder.config
        self.dropout = torch.nn.Dropout(dropout)
        self.classifier = torch.nn.Linear(int(self.config.hidden_size), len(labels))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor,
                token_type_ids: torch.Tensor | None = None, return_dict: bool = True,
                output_hidden_states: bool = False) -> SequenceClassifierOutput:
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        out = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **extra,
                           return_dict=True, output_hidden_states=output_hidden_states)
        hidden = out.last_hidden_state
        weights = attention_mask[:, :, None].to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(pooled)),
                                        hidden_states=out.hidden_states)


def open_classifier(folder: Path, labels: Sequence[str], dropout: float = 0.1) -> NamedOutputs:
    """The encoder of a checked folder with a new head; it gives ``logits``."""
    bare = open_module(Checkpoint.open(folder))
    signature = Signature(outputs=("logits",), labels=tuple(labels),
                          type_ids=bare.signature.type_ids,
                          vocabulary_size=bare.signature.vocabulary_size,
                          max_positions=bare.signature.max_positions)
    return NamedOutputs(PooledClassifier(bare.module, labels, dropout),
                        Head("AutoModel", {"logits": "logits"}), signature)


def batches_of(rows: Sequence[Sequence[int]], size: int, seed: int,
               ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """(indices, ids, mask) of batches of texts of about one length, in random order.

    The order is shuffled first and sorted within windows of 20 batches, so that little is
    padded and no two epochs see the same batches.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(rows))
    window = size * 20
    batches: list[list[int]] = []
    for start in range(0, len(order), window):
        part = sorted(order[start:start + window].tolist(), key=lambda i: len(rows[i]))
        batches += [part[i:i + size] for i in range(0, len(part), size)]
    for index in generator.permutation(len(batches)):
        chosen = batches[int(index)]
        width = max(len(rows[i]) for i in chosen)
        ids = torch.full((len(chosen), width), PAD, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for line, i in enumerate(chosen):
            ids[line, :len(rows[i])] = torch.tensor(rows[i])
            mask[line, :len(rows[i])] = 1
        yield chosen, ids, mask


def fine_tune(module: NamedOutputs, rows: Sequence[Sequence[int]], truth: np.ndarray,
              schedule: Schedule, tell: Tell = lambda stage, share: None) -> None:
    """Train in place on ``rows`` (token ids of each text) with labels ``truth`` (n,)."""
    torch.manual_seed(schedule.seed)
    wanted = torch.from_numpy(truth.astype(np.int64))
    optimiser = torch.optim.AdamW(module.parameters(), lr=schedule.learning_rate,
                                  weight_decay=schedule.weight_decay)
    steps = max(1, round(len(rows) / schedule.batch * schedule.epochs))
    warm = max(1, round(schedule.warm_up * steps))
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min((n + 1) / warm, max(0.0, (steps - n) / max(1, steps - warm))))
    done, epoch = 0, 0
    module.train()
    while done < steps:
        for chosen, ids, mask in batches_of(rows, schedule.batch, schedule.seed * 997 + epoch):
            with torch.autocast("cpu", torch.bfloat16):
                logits = module(ids, mask)[0]
            loss = torch.nn.functional.cross_entropy(logits.float(), wanted[chosen])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            rate.step()
            done += 1
            tell(f"epoch {epoch + 1}, loss {loss.item():.3f}", done / steps)
            if done == steps:
                break
        epoch += 1
    module.eval()


@torch.inference_mode()
def predict_logits(module: NamedOutputs, rows: Sequence[Sequence[int]],
                   size: int = 64) -> np.ndarray:
    """float32 (n, labels) in the order of ``rows``."""
    module.eval()
    found = np.zeros((len(rows), len(module.signature.labels)), dtype=np.float32)
    for chosen, ids, mask in batches_of(rows, size, 0):
        with torch.autocast("cpu", torch.bfloat16):
            found[chosen] = module(ids, mask)[0].float().numpy()
    return found
