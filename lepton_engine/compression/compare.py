"""Sweeps: recipes measured one after the other against the original, each row kept at once.

What a sweep needs of an engine is the small protocol `Runner`; an engine's methods call
`stream_compare` and `compare` with one of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lepton_engine.compression.datasets import task_of
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.rows import CompareProgress, CompareRow
from lepton_engine.compression.sweep import Options, Sweep, TaskSweep
from lepton_engine.compression.tasks import Task
from lepton_engine.errors import InputError, LimitError
from lepton_engine.telling import Tell

if TYPE_CHECKING:
    from lepton_engine.compression.comparison import Comparison
    from lepton_engine.training.heads import Head

__all__ = ["CompareProgress", "CompareRow", "Options", "Runner", "compare",
           "stream_compare"]

MOST_RECIPES = 64
DEFAULT = Options()


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

    def open_fold(self, adapters: Path, model: str, recipe: str) -> AbstractContextManager[Any]:
        """A trunk with an adapter from another folder of adapters; gone after the block."""
        ...


def stream_compare(runner: Runner, name: str, recipes: Sequence[Recipe | str],
                   texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
                   resume: bool = True, task: Task | None = None,
                   options: Options = DEFAULT) -> Iterator[CompareProgress | CompareRow]:
    """Measure each recipe against the original of ``name``; closing the iterator stops.

    With labels: the quality of the task; texts alone: agreement with the original; neither:
    bundled texts, agreement. ``resume`` takes rows from an earlier sweep on the same texts,
    labels, versions and machine. ``task`` is given by the command line (a folder of data).

    Raises:
        InputError, UnknownNameError: here, before anything is measured.
    """
    wanted = _checked(recipes)
    if task is None and runner.kind(name) == "decoder":
        return _decoders(runner, name, texts, resume).stream(wanted)
    found = task or task_of(runner, name, texts, labels)
    return TaskSweep(runner, found, options, resume).stream(wanted)


def _decoders(runner: Runner, name: str, texts: Sequence[str] | None, resume: bool) -> Sweep:
    from lepton_engine.compression.decoder_sweep import DecoderSweep

    if texts is not None:
        raise InputError("A language model is measured on questions and held-out text of its own. "
                         "Leave the texts out.")
    return DecoderSweep(runner, name, resume)


def compare(runner: Runner, name: str, recipes: Sequence[Recipe | str],
            texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
            resume: bool = True, task: Task | None = None, options: Options = DEFAULT,
            tell: Callable[[CompareProgress | CompareRow], object] | None = None) -> Comparison:
    """`stream_compare` to its end, as a table; ``tell`` hears everything as it comes."""
    from lepton_engine.compression.comparison import Comparison

    rows: list[CompareRow] = []
    for item in stream_compare(runner, name, recipes, texts, labels, resume=resume, task=task,
                               options=options):
        if tell is not None:
            tell(item)
        if isinstance(item, CompareRow):
            rows.append(item)
    return Comparison.of(rows)


def _checked(recipes: Sequence[Recipe | str]) -> list[Recipe]:
    """Each recipe once; the original is what all are compared with, so it needs no row."""
    if isinstance(recipes, (str, bytes, Recipe)) or not isinstance(recipes, Sequence):
        raise InputError("Recipes must be a list, even when there is only one.")
    parsed = [r if isinstance(r, Recipe) else Recipe.parse(r) for r in recipes]
    wanted = [recipe for recipe in dict.fromkeys(parsed) if len(recipe)]
    if not wanted:
        raise InputError("There is no recipe to compare with the original. Give at least one, "
                         "such as int8.")
    if len(wanted) > MOST_RECIPES:
        raise LimitError(f"At most {MOST_RECIPES} recipes are compared in one sweep; these are "
                         f"{len(wanted)}.")
    return wanted
