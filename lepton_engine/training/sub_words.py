"""Texts as ids of a trunk's own vocabulary, for training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_engine.subwords import Vocabulary

#: Headlines and chat messages are shorter; the rare longer one loses its end in training only.
MAX_LENGTH = 64


@lru_cache(maxsize=4)
def _vocabulary(folder: Path) -> Vocabulary:
    from lepton_engine.subwords import open_vocabulary

    return open_vocabulary(folder, MAX_LENGTH)


def sub_words(folder: Path, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The ids of each text with its separators, at most 64."""
    return [tuple(piece.ids) for piece in _vocabulary(folder).encode(list(texts), False)]
