"""Sweeps: recipes measured one after the other against the original, each row kept at once.

What a sweep needs of an engine is the small protocol `Runner`; an engine's methods are then

    def stream_compare(self, name, recipes, texts=None, labels=None, *, resume=True):
        return compare.stream_compare(self._runner, name, recipes, texts, labels, resume=resume)

    def compare(self, name, recipes, texts=None, labels=None, *, resume=True, tell=None):
        return compare.compare(self._runner, name, recipes, texts, labels, resume=resume,
                               tell=tell)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lepton_engine.compression.datasets import task_of
from lepton_engine.compression.measure import (
    MANY,
    SINGLES,
    Doing,
    host,
    memory_growth,
    timed,
    versions,
)
from lepton_engine.compression.opening import Opening, Tell, opening
from lepton_engine.compression.recipe import ORIGINAL, Recipe
from lepton_engine.compression.rows import CompareProgress, CompareRow, with_gains
from lepton_engine.compression.sheet import Sheet
from lepton_engine.compression.tasks import Task
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.errors import InputError, LeptonError, LimitError

if TYPE_CHECKING:
    from lepton_engine.compression.comparison import Comparison
    from lepton_engine.training.heads import Head

__all__ = ["CompareProgress", "CompareRow", "Options", "Runner", "Tell", "compare",
           "stream_compare"]

log = logging.getLogger(__name__)
MOST_RECIPES = 64


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


@dataclass(frozen=True)
class Options:
    """How much is timed, and whether memory is measured (in a process of its own)."""

    singles: int = SINGLES
    many: int = MANY
    memory: bool = True


def stream_compare(runner: Runner, name: str, recipes: Sequence[Recipe | str],
                   texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
                   resume: bool = True, task: Task | None = None,
                   options: Options = Options()) -> Iterator[CompareProgress | CompareRow]:
    """Measure each recipe against the original of ``name``; closing the iterator stops.

    With labels: the quality of the task; texts alone: agreement with the original; neither:
    bundled texts, agreement. ``resume`` takes rows from an earlier sweep on the same texts,
    labels, versions and machine. ``task`` is given by the command line (a folder of data).

    Raises:
        InputError, UnknownNameError: here, before anything is measured.
    """
    wanted = _checked(recipes)
    found = task or task_of(runner, name, texts, labels)
    return _Sweep(runner, found, options, resume).stream(wanted)


def compare(runner: Runner, name: str, recipes: Sequence[Recipe | str],
            texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
            resume: bool = True, task: Task | None = None, options: Options = Options(),
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


class _Sweep:
    """One run over recipes: the original is opened when the first row must be measured."""

    def __init__(self, runner: Runner, task: Task, options: Options, resume: bool) -> None:
        self._runner, self._task, self._options = runner, task, options
        self._sheet = Sheet(runner.home, task.name, task.digest)
        self._known = self._sheet.read() if resume else {}
        self._original: Any = None

    def stream(self, recipes: Sequence[Recipe]) -> Generator[CompareProgress | CompareRow]:
        rows: list[CompareRow] = []
        with ExitStack() as open_models:
            for index, recipe in enumerate(map(str, recipes), 1):
                row = self._known.get(recipe)
                if row is None:
                    work = self._measured(recipe, open_models)
                    row = yield from _told(work, recipe, index, len(recipes))
                    self._sheet.append(row)
                rows.append(row)
                yield with_gains(rows)[-1]

    def _measured(self, recipe: str, open_models: ExitStack) -> Generator[Doing, None, CompareRow]:
        if self._original is None:  # without it there is no sweep: its failure is the caller's
            first = open_models.enter_context(self._opening(ORIGINAL))
            self._original = yield from first.waited()
        try:
            with self._opening(recipe) as second:
                variant = yield from second.waited()
                return (yield from self._row(recipe, variant))
        except LeptonError as error:
            log.warning("%s/%s could not be measured (id %s)", self._task.name, recipe, error.id)
            return self._failure(recipe, str(error))
        except Exception as error:  # a sweep outlives any one recipe
            sentence = LeptonError(f"This recipe could not be measured ({type(error).__name__}). "
                                   "The log says more.")
            log.warning("%s/%s could not be measured (id %s)", self._task.name, recipe,
                        sentence.id, exc_info=True)
            return self._failure(recipe, f"{sentence} (id {sentence.id})")

    def _opening(self, recipe: str) -> AbstractContextManager[Opening]:
        learning = None if recipe == ORIGINAL else self._task.learning
        return opening(lambda tell: self._runner.open(self._task.model, recipe, tell, learning),
                       "converting and loading")

    def _row(self, recipe: str, variant: Any) -> Generator[Doing, None, CompareRow]:
        task, options = self._task, self._options
        judged = yield from task.judge(self._original, variant)
        timing = yield from timed(self._original, variant, task.run, task.timing_texts(),
                                  singles=options.singles, many=options.many)
        memory = 0
        if options.memory and task.learning is None:
            memory = yield from memory_growth(task.model, recipe, self._runner.home)
        detail = {**judged.detail, "about": task.about, "timed_one_by_one": timing.singles,
                  "timed_in_batches": timing.many, "learned_on_task": task.learning is not None,
                  "original_variant": self._original.info.variant}
        verdict = Verdict(
            **self._facts(recipe), variant=variant.info.variant, original=judged.original,
            value=judged.value, loss_points=judged.loss_points, low=judged.low, high=judged.high,
            n=judged.n, decision=judged.decision, reason=judged.reason,
            latency_ms=timing.latency_ms, original_latency_ms=timing.original_latency_ms,
            texts_per_second=timing.texts_per_second,
            original_texts_per_second=timing.original_texts_per_second,
            size_bytes=variant.memory_bytes, original_size_bytes=self._original.memory_bytes,
            memory_bytes=memory, detail=detail)
        return CompareRow.of(verdict, variant.report)

    def _facts(self, recipe: str) -> dict[str, Any]:
        return {"name": self._task.name, "recipe": recipe, "metric": self._task.metric,
                "host": host(), "versions": versions(),
                "date": datetime.now(UTC).date().isoformat()}

    def _failure(self, recipe: str, reason: str) -> CompareRow:
        return CompareRow.failure(self._facts(recipe), reason)


def _told(work: Generator[Doing, None, CompareRow], recipe: str, index: int,
          total: int) -> Generator[CompareProgress, None, CompareRow]:
    """What the work says, as progress of the sweep."""
    try:
        while True:
            doing = next(work)
            yield CompareProgress(recipe, index, total, doing.what, doing.share)
    except StopIteration as end:
        row: CompareRow = end.value
        return row
    finally:
        work.close()
