"""Contenders for the tests of the benchmarks: no model, but real processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.peers.decoders import Reply, Threaded
from benchmarks.peers.encoders import Encoder


class Letters(Encoder):
    """Vectors of letter counts; ``turned`` moves them away; breaks at a text with ``broken``."""

    packages = ("numpy", "no-such-package")

    def __init__(self, turned: float = 0.0, broken: str = "") -> None:
        if turned < 0:
            raise ValueError("this one cannot load")
        self._turned, self._broken = turned, broken

    def variant(self) -> str:
        return f"turned by {self._turned:g}"

    def vectors(self, texts: list[str]) -> np.ndarray:
        if self._broken and any(self._broken in text for text in texts):
            raise RuntimeError("broke on the way")
        rows = np.array([[text.lower().count(letter) + 0.1 for letter in "etaoinshrdlu"]
                         for text in texts], dtype=np.float32)
        rows[:, 0] += self._turned
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Counter(Threaded):
    """One token at a time, three at first, until the limit or a fifth of the prompt's length."""

    packages = ("numpy",)

    def answer(self, ids: Sequence[int], limit: int, stops: Sequence[int], reply: Reply,
               start: float) -> None:
        made = min(3, limit)
        reply.count(made, time.perf_counter() - start)
        end = min(limit, len(ids) // 5) if stops else limit
        while made < end:
            made += 1
            reply.count(1, time.perf_counter() - start)

    def agreement(self, prompts: list[list[int]], limit: int, stops: list[int],
                  together: bool) -> dict[str, Any]:
        """Alone always the same; together one reply differs by one step of bf16."""
        differing = 1 if together else 0
        return {"replies": len(prompts), "identical": 1 - differing / len(prompts),
                "ranks": [2] * differing, "gaps": [0.125] * differing}
