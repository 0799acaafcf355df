"""Groups of near-duplicates in texts of any language, for folds that keep them together."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

#: As for the shipped heads (`data.near_duplicates`), whose patterns know Latin letters only and
#: whose loop over pairs is for data without thousands of copies.
LEAST = 0.93
_ADDRESS = re.compile(r"https?://\S+|www\.\S+")
_NOT_LETTER = re.compile(r"[\W\d_]+")
_BLOCK = 512


def pattern(text: str) -> str:
    """A text's letters, of any script, in lower case: what differs in numbers shares it."""
    return " ".join(_NOT_LETTER.sub(" ", _ADDRESS.sub(" ", text.casefold())).split())


def near_groups(texts: Sequence[str], vectors: np.ndarray, least: float = LEAST) -> np.ndarray:
    """A group number for each text; texts of one pattern or with a cosine of at least ``least``
    share it, also by way of others. ``vectors`` (n, dimension) of length 1."""
    first: dict[str, int] = {}
    patterns = [pattern(text) or f"#{place}" for place, text in enumerate(texts)]
    groups = np.array([first.setdefault(letters, place) for place, letters in enumerate(patterns)])
    for start in range(0, len(texts), _BLOCK):  # a block at a time: all alike are 25 M pairs
        rows, columns = np.nonzero(vectors[start:start + _BLOCK] @ vectors.T >= least)
        groups = _joined(groups, rows + start, columns)
    return groups


def _joined(groups: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The groups after the texts ``rows[i]`` and ``columns[i]`` were found alike; a group's
    number is the place of its first text."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(groups)
    edges = (np.concatenate([np.arange(count), rows]), np.concatenate([groups, columns]))
    graph = coo_matrix((np.ones(len(edges[0]), np.int8), edges), (count, count))
    _, found = connected_components(graph, directed=False)
    _, first, number = np.unique(found, return_index=True, return_inverse=True)
    return np.asarray(first[number])
