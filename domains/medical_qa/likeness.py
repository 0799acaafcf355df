"""A second net under the rules: does a question sound like an emergency?

A linear head on the sentence vector of the multilingual encoder, trained by
``benchmarks/red_flag_head.py``. It is asked only where the rules found nothing and took
nothing out, because a vector does not know a denial; it can add a flag, never remove one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lepton_engine.errors import LeptonError
from lepton_engine.results import Stamp

HEAD_FILE = Path(__file__).resolve().parents[2] / "assets" / "red_flag_head.json"
SAME_ENCODER = 0.98  # cosine of the probe's vector to the one at training


@dataclass(frozen=True)
class Likeness:
    """``category``: self_harm or urgent; ``probability`` 0..1 of being an emergency."""

    category: str
    probability: float
    stamp: Stamp


@dataclass(frozen=True, eq=False)
class EmergencyHead:
    """``weights``: float32 (classes, dimension); the first class is "no emergency".

    ``probe`` and its vector show that the encoder is the one of the training: with
    another one the numbers would mean nothing, and the head says nothing.
    """

    model: str
    classes: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    threshold: float
    probe: str
    probe_vector: np.ndarray
    card: dict[str, Any]

    def look(self, engine: Any, question: str) -> Likeness | None:
        """An emergency by its sound, or None; None too where the encoder cannot be had:
        the rules have spoken already, and the answer's own search will say what is missing.

        The encoder runs as published under every profile: the head was trained on that."""
        try:
            found = engine.embed([self.probe, question], self.model, recipe="original")
        except LeptonError:
            return None
        vectors = np.asarray(found.vectors, dtype=np.float32)
        if vectors.shape[1] != self.weights.shape[1] \
                or float(vectors[0] @ self.probe_vector) < SAME_ENCODER:
            return None
        chances = self.chances(vectors[1])
        if 1.0 - chances[0] < self.threshold:
            return None
        best = 1 + int(np.argmax(chances[1:]))
        return Likeness(self.classes[best], float(1.0 - chances[0]), found.stamp)

    def chances(self, vector: np.ndarray) -> np.ndarray:
        """Of each class; they sum to 1."""
        values = self.weights @ vector + self.bias
        powers = np.exp(values - values.max())
        total: np.ndarray = powers / powers.sum()
        return total


def read(path: Path = HEAD_FILE) -> EmergencyHead:
    row = json.loads(path.read_text(encoding="utf-8"))
    return EmergencyHead(
        model=row["model"], classes=tuple(row["classes"]),
        weights=np.array(row["weights"], dtype=np.float32),
        bias=np.array(row["bias"], dtype=np.float32), threshold=float(row["threshold"]),
        probe=row["probe"], probe_vector=np.array(row["probe_vector"], dtype=np.float32),
        card=row["card"])


@lru_cache(maxsize=1)
def shipped_head() -> EmergencyHead:
    """The head of the project, read once; immutable after that."""
    return read()
