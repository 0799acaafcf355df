"""Sweeps: recipes measured one after the other against the original, each row kept at once.

What a sweep needs of an engine is the small protocol `Runner`; an engine's methods are then

    def stream_compare(self, name, recipes, texts=None, labels=None, *, resume=True):
        return compare.stream_compare(self._runner, name, recipes, texts, labels, resume=resume)

    def compare(self, name, recipes, texts=None, labels=None, *, resume=True, tell=None):
        return compare.compare(self._runner, name, recipes, texts, labels, resume=resume,
                               tell=tell)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.rows import CompareProgress, CompareRow

if TYPE_CHECKING:
    from lepton_engine.compression.comparison import Comparison
    from lepton_engine.training.heads import Head

__all__ = ["CompareProgress", "CompareRow", "Runner", "Tell", "compare", "stream_compare"]

Tell = Callable[[str, float | None], None]
"""Called while a variant is converted or loaded: what is being done, and the share done."""


class Runner(Protocol):
    """What a sweep needs of an engine.

    ``home`` is LEPTON_HOME: rows go to ``home/comparisons``.
    """

    @property
    def home(self) -> Path: ...

    def kind(self, name: str) -> str:
        """``adapter`` or the catalogue's kind. Raises UnknownNameError."""
        ...

    def head(self, name: str) -> Head:
        """The trained head of an adapter (``training.heads.Head``: labels, trunk, weights)."""
        ...

    def open(self, name: str, recipe: str, tell: Tell,
             texts: Sequence[str] | None = None) -> AbstractContextManager[Any]:
        """A model of the catalogue (never an adapter) under a recipe, loaded while the block
        runs: a `LeptonModel` for encoders and cross-encoders (``embed``, ``rerank``, ``info``,
        ``memory_bytes``, ``report``), a `LoadedDecoder` for decoders. ``texts``: what the steps
        look at; None: the bundled ones, which is what runs in the application.

        ``embed`` must compute: a cache of vectors before it would be what is timed. It is
        entered on a thread of its own. ``tell`` raises StoppedError once the sweep was closed,
        which ends the conversion. Raises LeptonError, which becomes a row of the table.
        """
        ...


def stream_compare(runner: Runner, name: str, recipes: Sequence[Recipe | str],
                   texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
                   resume: bool = True) -> Iterator[CompareProgress | CompareRow]:
    """Measure each recipe against the original of ``name``; closing the iterator stops.

    With labels: the quality of the task; texts alone: agreement with the original; neither:
    bundled texts, agreement. ``resume`` takes rows from an earlier sweep on the same texts,
    labels, versions and machine.

    Raises:
        InputError, UnknownNameError: here, before anything is measured.
    """
    raise NotImplementedError


def compare(runner: Runner, name: str, recipes: Sequence[Recipe | str],
            texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
            resume: bool = True, tell: Callable[[CompareProgress | CompareRow], object] | None = None,
            ) -> Comparison:
    """`stream_compare` to its end, as a table; ``tell`` hears everything as it comes."""
    raise NotImplementedError
