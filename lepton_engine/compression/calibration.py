"""The texts that compression looks at, and how they become batches.

The bundled ``assets/calibration/en.txt`` holds sentences written for this project, one a line,
in the styles that the tabs meet. Texts of the task itself are better where there are some.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_engine.compression.recipe import STEPS, Recipe
from lepton_engine.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from lepton_engine.subwords import Vocabulary

BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "calibration" / "en.txt"
SEED = 0
LEAST_TEXTS = 8
#: Of a longer text the beginning is looked at: ranges and importances settle on far less.
MAX_LENGTH = 128
BATCH = 16


@functools.cache
def bundled_texts() -> tuple[str, ...]:
    """The lines of ``assets/calibration/en.txt``."""
    lines = BUNDLED.read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def chosen_texts(texts: Sequence[str] | None) -> tuple[str, ...]:
    """``texts``, or the bundled ones for None. Raises InputError when they are too few."""
    if texts is None:
        return bundled_texts()
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InputError("Calibration texts are a list of strings.")
    kept = tuple(text.strip() for text in texts if text.strip())
    if len(kept) < LEAST_TEXTS:
        raise InputError(f"Calibration needs at least {LEAST_TEXTS} texts that are not empty; "
                         f"{len(kept)} were given. Without texts the bundled ones serve.")
    return kept


def texts_digest(texts: Sequence[str]) -> str:
    """sha256 over the texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()


def methods(names: Iterable[str]) -> str:
    """``name=version`` of steps, for keys: raising any one of them makes another key."""
    return ",".join(f"{name}={STEPS[name].version}" for name in names)


def recipe_key(recipe: Recipe, texts: Sequence[str] | None = None) -> dict[str, str]:
    """What a compressed model depends on besides its original: for the key of the store."""
    key = {"recipe": str(recipe)}
    if len(recipe):
        key |= {"methods": methods(step.name for step in recipe),
                "nncf": importlib.metadata.version("nncf")}
    if recipe.needs_texts:
        key |= {"texts": texts_digest(chosen_texts(texts)), "seed": str(SEED)}
    return key


@dataclass(frozen=True)
class Encoded:
    """int64 arrays (texts, length) of one padded batch."""

    ids: np.ndarray
    mask: np.ndarray
    types: np.ndarray

    def named(self, type_ids: bool) -> dict[str, np.ndarray]:
        """By the names of a model's inputs."""
        given = {"input_ids": self.ids, "attention_mask": self.mask}
        return given | ({"token_type_ids": self.types} if type_ids else {})


def encode(vocabulary: Vocabulary, texts: Sequence[str], *, pairs: bool = False,
           batch: int = BATCH) -> list[Encoded]:
    """Batches of neighbouring lengths, shortest first; ``pairs`` for a cross-encoder."""
    from lepton_engine.batching import padded

    pieces = vocabulary.encode(as_pairs(texts) if pairs else list(texts), spans=False)
    order = sorted(range(len(pieces)), key=lambda index: len(pieces[index].ids))
    found = []
    for start in range(0, len(order), batch):
        rows = [pieces[index] for index in order[start:start + batch]]
        found.append(Encoded(
            padded([row.ids for row in rows], vocabulary.pad_id),
            padded([[1] * len(row.ids) for row in rows], 0),
            padded([row.type_ids for row in rows], 0)))
    return found


def as_pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Questions with passages, as a cross-encoder meets them: the beginning of each text with
    that text in one half of the pairs, with another text in the other half."""
    beginnings = [" ".join(text.split()[:10]) for text in texts]
    shifted = [*texts[len(texts) // 2:], *texts[:len(texts) // 2]]
    passages = [text if index % 2 else other
                for index, (text, other) in enumerate(zip(texts, shifted, strict=True))]
    return list(zip(beginnings, passages, strict=True))


def texts_as_mapping(batches: Sequence[Encoded], type_ids: bool) -> list[Mapping[str, np.ndarray]]:
    """What NNCF calibrates on: one text at a time, without padding, longest texts last."""
    rows: list[Mapping[str, np.ndarray]] = []
    for found in batches:
        for index, length in enumerate(found.mask.sum(axis=1).tolist()):
            named = found.named(type_ids)
            rows.append({name: array[index:index + 1, :length] for name, array in named.items()})
    return rows
