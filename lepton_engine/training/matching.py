"""Adapts an encoder so that a question lies near what answers it.

In every batch each query must find its own passage among those of all the others
(multiple-negatives ranking, Henderson et al. 2017, Efficient Natural Language Response
Suggestion); passages of the same group are no negatives. A second term keeps every vector near
the one that the plain encoder gives, so that what it could do it still can (Li and Hoiem 2017,
Learning without Forgetting).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lepton_engine.training import lora
from lepton_engine.training.adapting import AdaptedEncoder, Tell
from lepton_engine.training.finetune import PAD
from lepton_engine.training.making import Embed
from lepton_engine.training.matching_pairs import Pair

MAX_LENGTH = 96
_Known = tuple[list[int], torch.Tensor]  # a text's ids and its plain vector


@dataclass(frozen=True)
class Schedule:
    """``batch`` is also the number of passages to choose from; ``keep`` weighs the second term."""

    epochs: int = 1
    batch: int = 64
    rate: float = 5e-4
    warm_up: float = 0.1
    temperature: float = 0.05
    keep: float = 1.0
    seed: int = 0
    shape: lora.Shape = field(default_factory=lambda: lora.Shape(16, 32, 0.0))


def batches(groups: Sequence[Sequence[Pair]], size: int, seed: int) -> list[list[Pair]]:
    """Every batch holds pairs of one of ``groups``, so that its negatives are not told by
    topic; none is smaller than half of ``size``."""
    draw = np.random.default_rng(seed)
    found: list[list[Pair]] = []
    for pairs in groups:
        order = draw.permutation(len(pairs))
        found += [[pairs[i] for i in order[start:start + size]]
                  for start in range(0, len(order), size)
                  if len(order) - start >= min(size // 2, len(order))]
    return [found[i] for i in draw.permutation(len(found))]


def ranking_loss(queries: torch.Tensor, passages: torch.Tensor, groups: Sequence[str],
                 temperature: float) -> torch.Tensor:
    """Cross-entropy of each query's own passage among all; vectors (n, dimension) of length 1."""
    logits = queries @ passages.T / temperature
    names = np.array(groups)
    same = torch.from_numpy(names[:, None] == names[None, :])
    own = torch.eye(len(groups), dtype=torch.bool)
    logits = logits.masked_fill(same & ~own, float("-inf"))
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(groups)))


def padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, mask), both (rows, longest)."""
    ids = torch.full((len(rows), max(map(len, rows))), PAD, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for line, row in enumerate(rows):
        ids[line, :len(row)] = torch.tensor(row)
        mask[line, :len(row)] = 1
    return ids, mask


def match(folder: Path, groups: Sequence[Sequence[Pair]], plain: Embed, schedule: Schedule,
          tell: Tell = lambda what, share: None) -> dict[str, np.ndarray]:
    """The update after training on the pairs; ``plain`` gives the vectors to stay near."""
    torch.manual_seed(schedule.seed)
    model = AdaptedEncoder(folder, schedule.shape, 1, 0.0)
    trained = [p for p in model.encoder.parameters() if p.requires_grad]
    known = _known(folder, groups, plain)
    todo = [batch for epoch in range(schedule.epochs)
            for batch in batches(groups, schedule.batch, schedule.seed * 997 + epoch)]
    optimiser = torch.optim.AdamW(trained, lr=schedule.rate, weight_decay=0.01)
    warm = max(1, round(schedule.warm_up * len(todo)))
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: min(
        (n + 1) / warm, max(0.0, (len(todo) - n) / max(1, len(todo) - warm))))
    model.train()
    for number, batch in enumerate(todo, 1):
        queries, near = _side(model, [known[pair.query] for pair in batch])
        passages, close = _side(model, [known[pair.passage] for pair in batch])
        rank = ranking_loss(queries, passages, [pair.group for pair in batch],
                            schedule.temperature)
        loss = rank + schedule.keep * (near + close)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        rate.step()
        tell(f"ranking loss {rank.item():.3f}, moved {(near + close).item() / 2:.3f}",
             number / len(todo))
    return lora.arrays_of(model.encoder)


def _known(folder: Path, groups: Sequence[Sequence[Pair]], plain: Embed) -> dict[str, _Known]:
    from lepton_engine.subwords import open_vocabulary

    texts = sorted({text for pairs in groups for pair in pairs
                    for text in (pair.query, pair.passage)})
    pieces = open_vocabulary(folder, MAX_LENGTH).encode(texts, False)
    goals = torch.from_numpy(plain(texts))
    return {text: (list(piece.ids), goal)
            for text, piece, goal in zip(texts, pieces, goals, strict=True)}


def _side(model: AdaptedEncoder, texts: Sequence[_Known]) -> tuple[torch.Tensor, torch.Tensor]:
    """The vectors, and how far they are from the plain ones: 1 minus the mean cosine."""
    with torch.autocast("cpu", torch.bfloat16):
        vectors = model.vectors(*padded([ids for ids, _ in texts]))
    goals = torch.stack([goal for _, goal in texts])
    return vectors, 1 - (vectors * goals).sum(dim=1).mean()
