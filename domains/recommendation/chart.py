"""The map of the neighbourhood: films as points in the plane of their two main directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Point:
    """``role``: liked, recommended or near."""

    id: str
    title: str
    year: int | None
    role: str
    x: float
    y: float


def plane(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """Principal components by singular values: (points, 2) and the share of variance shown.

    Deterministic: each direction's sign is that which makes its largest loading positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    two = directions[:2]
    signs = np.sign(two[np.arange(len(two)), np.abs(two).argmax(axis=1)])
    points = np.zeros((len(vectors), 2))
    points[:, :len(two)] = centred @ (two * np.where(signs == 0, 1, signs)[:, None]).T
    total = float((singular**2).sum())
    return points, float((singular[:2] ** 2).sum() / total) if total else 0.0


def points_of(labels: Sequence[tuple[str, str, int | None, str]],
              vectors: np.ndarray) -> tuple[tuple[Point, ...], float]:
    """``labels`` are id, title, year and role of each row of ``vectors``."""
    places, shown = plane(vectors)
    return tuple(Point(*label, round(float(x), 4), round(float(y), 4))
                 for label, (x, y) in zip(labels, places, strict=True)), shown
