"""An adapter that was trained several times, each time with other rows held out.

A trained trunk has seen most of its data, so the gate asks the adapter of each seed about the
rows that this one has not seen (`training.console` keeps both) and judges all of them together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_engine.compression.gate import paired_difference
from lepton_engine.compression.measure import Doing
from lepton_engine.compression.tasks import (
    EmbeddingTask,
    Judging,
    closeness,
    digest_of,
    of_classes,
    vectors,
)
from lepton_engine.errors import InputError

if TYPE_CHECKING:
    from lepton_engine.training.heads import Head

HELD_OUT = "held_out.json"

#: (folder of adapters, trunk with the adapter, recipe) -> the opened variant
Open = Callable[[Path, str, str], AbstractContextManager[Any]]


class Fold:
    """One seed's adapter and the rows that it has not seen."""

    def __init__(self, folder: Path, labels: Sequence[str], limit: int | None = None) -> None:
        rows = json.loads((folder / HELD_OUT).read_text(encoding="utf-8"))
        self.adapters, self.name = folder.parent, folder.name
        self.texts: list[str] = rows["texts"][:limit]
        self.labels: list[str] = rows["labels"][:limit]
        self.truth = np.array([list(labels).index(label) for label in self.labels])
        self.before: np.ndarray | None = None

    def head(self) -> Head:
        from lepton_engine.training.heads import load_head

        return load_head(self.adapters / self.name)


def folds_of(home: Path, name: str, labels: Sequence[str],
             limit: int | None = None) -> list[Fold]:
    """The adapters of all seeds under ``home``, each with at most ``limit`` rows.

    Raises:
        InputError: none was trained on this machine.
    """
    places = sorted((home / "folds").glob(f"*/{name}/{HELD_OUT}"))
    if not places:
        raise InputError(f"The gate needs the adapters of several seeds of {name}, each with rows "
                         "that it has not seen. Train them first: python -m lepton_engine train "
                         f"{name} --data DIR --seeds 0 1 2")
    return [Fold(place.parent, labels, limit) for place in places]


class SeedsTask(EmbeddingTask):
    """Every fold's variant against its original on the fold's own held-out rows."""

    def __init__(self, name: str, head: Head, folds: Sequence[Fold], metric: str, about: str,
                 open_variant: Open) -> None:
        texts = [text for fold in folds for text in fold.texts]
        super().__init__(name, head.trunk, texts, f"{about}, held out by {len(folds)} seeds")
        self.metric = metric
        self.digest = digest_of(["seeds", name, metric, *(_update(fold) for fold in folds)], texts,
                                [label for fold in folds for label in fold.labels])
        self._folds, self._open = list(folds), open_variant

    def judge(self, original: Any, variant: Any) -> Judging:
        recipe = variant.info.recipe
        guesses: list[tuple[np.ndarray, np.ndarray]] = []
        close: list[dict[str, float]] = []
        for fold in self._folds:
            before, after = yield from self._pair(fold, recipe)
            head = fold.head()
            guesses.append((head.probabilities(before).argmax(axis=1),
                            head.probabilities(after).argmax(axis=1)))
            close.append(closeness(before, after))
        detail: dict[str, Any] = {key: round(float(np.mean([c[key] for c in close])), 5)
                                  for key in close[0]}
        detail["by_seed"] = [self._one(fold, pair)
                             for fold, pair in zip(self._folds, guesses, strict=True)]
        old, new = (np.concatenate(side) for side in zip(*guesses, strict=True))
        return of_classes(old, new, np.concatenate([f.truth for f in self._folds]), self.metric,
                          detail)

    def _one(self, fold: Fold, pair: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
        found = paired_difference(*pair, fold.truth, self.metric)
        return {"original": found.original, "value": found.value, "n": len(fold.truth)}

    def _pair(self, fold: Fold, recipe: str,
              ) -> Generator[Doing, None, tuple[np.ndarray, np.ndarray]]:
        """Vectors of the fold's texts by its original (kept) and by its variant."""
        if fold.before is None:
            fold.before = yield from self._vectors(fold, "original")
        after = yield from self._vectors(fold, recipe)
        return fold.before, after

    def _vectors(self, fold: Fold, recipe: str) -> Generator[Doing, None, np.ndarray]:
        yield Doing(f"opening {recipe} of the seed {fold.adapters.name}")
        with self._open(fold.adapters, self.model, recipe) as model:
            return (yield from vectors(model, fold.texts, f"vectors of {recipe}"))


def _update(fold: Fold) -> str:
    """The digest of a fold's weights, so that rows of another training are not taken for its."""
    card = json.loads((fold.adapters / fold.name / "card.json").read_text(encoding="utf-8"))
    return str((card.get("lora") or card)["sha256"])
