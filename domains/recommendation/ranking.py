"""From relevance to a list: maximal marginal relevance on a ladder that only goes down.

Maximal marginal relevance (Carbonell and Goldstein 1998, The Use of MMR, Diversity-Based
Reranking) takes the next film by ``(1 - d) * relevance - d * similarity to those taken``. A
higher ``d`` usually makes the list less alike, but not always: greedy choices can end in a
worse corner. So the lists for the diversities 0, 0.05, ... 1 are computed in order, and a step
that would make the list more alike keeps the list of the step before: more diversity never
raises the list's mean pairwise similarity. Where even the last step lowers nothing, the one
exchange of films that lowers it most is made. ``d`` is 0.9 times the root of the diversity,
so that the middle of the scale makes a difference that can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEPS = 20  # diversity counts in steps of 0.05
POOL_LEAST, POOL_TIMES = 30, 3  # a list is drawn from the most relevant ones only
MOST = 0.9  # of MMR's weight on difference: even at 1, relevance decides between equals
SLACK = 1e-6  # float noise; no list counts as more alike by less


@dataclass(frozen=True)
class Selection:
    """``picked``: film numbers by falling relevance; ``alike``: their mean pairwise cosine."""

    picked: tuple[int, ...]
    alike: float | None


def alike(picked: np.ndarray, similar: np.ndarray) -> float:
    """Mean cosine over all pairs; 0 for a list of one."""
    k = len(picked)
    if k < 2:
        return 0.0
    block = similar[np.ix_(picked, picked)].astype(np.float64)
    return float((block.sum() - np.trace(block)) / (k * (k - 1)))


def select(relevance: np.ndarray, similar: np.ndarray, allowed: np.ndarray, n: int,
           diversity: float) -> Selection:
    """The list of ``n`` films for a diversity in 0..1.

    Args:
        relevance: (films,), 0..1.
        similar: (films, films), cosines.
        allowed: film numbers that may be listed.
    """
    order = allowed[np.argsort(-relevance[allowed], kind="stable")]
    pool = order[:max(POOL_LEAST, POOL_TIMES * n)]
    current = pool[:n]
    value = alike(current, similar)
    first = value
    for step in range(1, _steps(diversity) + 1):
        wished = _mmr(relevance, similar, pool, n, MOST * (step / STEPS) ** 0.5)
        if (found := alike(wished, similar)) < value - SLACK:
            current, value = wished, found
        if step == STEPS and value >= first - SLACK:
            current = _exchange(current, pool, similar)
            value = alike(current, similar)
    ranked = current[np.argsort(-relevance[current], kind="stable")]
    return Selection(tuple(int(i) for i in ranked), value if len(ranked) > 1 else None)


def _steps(diversity: float) -> int:
    return min(STEPS, max(0, int(diversity * STEPS + 1e-9)))


def _mmr(relevance: np.ndarray, similar: np.ndarray, pool: np.ndarray, n: int,
         weight: float) -> np.ndarray:
    """Greedy maximal marginal relevance; ties go to the more relevant film."""
    taken = [0]
    nearest = similar[pool[0], pool].copy()
    free = np.ones(len(pool), dtype=bool)
    free[0] = False
    while len(taken) < min(n, len(pool)):
        gain = (1 - weight) * relevance[pool] - weight * nearest
        gain[~free] = -np.inf
        best = int(np.argmax(gain))
        taken.append(best)
        free[best] = False
        nearest = np.maximum(nearest, similar[pool[best], pool])
    return np.asarray(pool[taken])


def _exchange(picked: np.ndarray, pool: np.ndarray, similar: np.ndarray) -> np.ndarray:
    """The list after the one exchange with the pool that lowers its similarity most."""
    rest = np.setdiff1d(pool, picked)
    if len(picked) < 2 or not len(rest):
        return picked
    block = similar[np.ix_(picked, picked)]
    leaving = block.sum(axis=1) - np.diag(block)  # what each film adds now
    to_all = similar[np.ix_(rest, picked)]
    coming = to_all.sum(axis=1)[:, None] - to_all  # what each would add in another's place
    change = coming - leaving[None, :]
    into, out = np.unravel_index(int(np.argmin(change)), change.shape)
    if change[into, out] >= 0:
        return picked
    better = picked.copy()
    better[out] = rest[into]
    return better
