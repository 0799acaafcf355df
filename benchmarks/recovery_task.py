"""The texts of the recovery study: TFNS in two parts, and texts made of the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 0


@dataclass(frozen=True, eq=False)
class Task:
    """Texts with their truth and the two parts; ``rows`` are token ids."""

    texts: list[str]
    truth: np.ndarray
    names: tuple[str, ...]
    train: np.ndarray
    held_out: np.ndarray

    def part(self, which: np.ndarray) -> list[str]:
        return [self.texts[i] for i in which]


def load_task(folder: Path) -> Task:
    """TFNS in two thirds and one, no near-duplicates across."""
    from sklearn.model_selection import StratifiedGroupKFold

    from lepton_engine import Engine
    from lepton_engine.training import data

    rows = data.financial_news(folder)
    names = tuple(sorted(set(rows.labels)))
    truth = np.array([names.index(label) for label in rows.labels])
    with Engine() as engine:
        vectors = np.concatenate([engine.embed(rows.texts[i:i + 1000], recipe="original").vectors
                                  for i in range(0, len(rows.texts), 1000)])
    groups = data.near_duplicates(rows.texts, vectors)
    folds = StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=SEED)
    parts = [test for _, test in folds.split(truth, truth, groups)]
    return Task(rows.texts, truth, names, np.sort(np.concatenate(parts[1:])), np.sort(parts[0]))


def made_texts(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """Texts for the recovery, which needs no labels: words left out, halves of two joined."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        words = texts[int(generator.integers(len(texts)))].split()
        if number % 2:
            kept = [word for word in words if generator.random() > 0.15]
        else:
            other = texts[int(generator.integers(len(texts)))].split()
            kept = (words[:max(2, int(len(words) * generator.uniform(0.3, 1)))]
                    + other[int(len(other) * generator.uniform(0.2, 0.9)):])
        found.append(" ".join(kept or words))
    return found
