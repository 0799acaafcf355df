"""The run over recipes: what is common to all kinds of model, and the run over a task."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.measure import (
    MANY,
    SINGLES,
    Doing,
    host,
    memory_growth,
    timed,
    versions,
)
from lepton_engine.compression.opening import Opening, opening
from lepton_engine.compression.recipe import ORIGINAL, Recipe
from lepton_engine.compression.rows import CompareProgress, CompareRow, with_gains
from lepton_engine.compression.sheet import Sheet
from lepton_engine.compression.tasks import Task
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.errors import LeptonError

if TYPE_CHECKING:
    from lepton_engine.compression.compare import Runner

log = logging.getLogger(__name__)
Measuring = Generator[Doing, None, CompareRow]


@dataclass(frozen=True)
class Options:
    """How much is timed, and whether memory is measured (in a process of its own)."""

    singles: int = SINGLES
    many: int = MANY
    memory: bool = True


class Sweep:
    """One run over recipes of ``name``; a kind of model has ``prepare`` and ``measure``.

    A recipe that fails becomes a row with the sentence; only what all rows need may raise.
    """

    def __init__(self, runner: Runner, name: str, metric: str, digest: str, resume: bool) -> None:
        self.runner, self.name, self.metric = runner, name, metric
        self._sheet = Sheet(runner.home, name, digest)
        self._known = self._sheet.read() if resume else {}

    def prepare(self, held: ExitStack) -> Generator[Doing, None, None]:
        """What every row needs, before the first that must be measured; ``held`` closes it."""
        raise NotImplementedError

    def measure(self, recipe: str) -> Measuring:
        raise NotImplementedError

    def stream(self, recipes: Sequence[Recipe]) -> Generator[CompareProgress | CompareRow]:
        """Progress and rows in the order of the recipes; closing it stops the work."""
        rows: list[CompareRow] = []
        prepared = False
        with ExitStack() as held:
            for index, recipe in enumerate(map(str, recipes), 1):
                row = self._known.get(recipe)
                if row is None:
                    if not prepared:
                        yield from _told(self.prepare(held), recipe, index, len(recipes))
                        prepared = True
                    row = yield from _told(self._tried(recipe), recipe, index, len(recipes))
                    self._sheet.append(row)
                rows.append(row)
                yield with_gains(rows)[-1]

    def _tried(self, recipe: str) -> Measuring:
        try:
            return (yield from self.measure(recipe))
        except LeptonError as error:
            log.warning("%s/%s could not be measured (id %s)", self.name, recipe, error.id)
            return CompareRow.failure(self.facts(recipe), str(error))
        except Exception as error:  # a sweep outlives any one recipe
            sentence = LeptonError(f"This recipe could not be measured ({type(error).__name__}). "
                                   "The log says more.")
            log.warning("%s/%s could not be measured (id %s)", self.name, recipe, sentence.id,
                        exc_info=True)
            return CompareRow.failure(self.facts(recipe), f"{sentence} (id {sentence.id})")

    def facts(self, recipe: str) -> dict[str, Any]:
        """What is known of a row before it is measured."""
        return {"name": self.name, "recipe": recipe, "metric": self.metric, "host": host(),
                "versions": versions(), "date": datetime.now(UTC).date().isoformat()}


def _told(work: Generator[Doing, None, Any], recipe: str, index: int,
          total: int) -> Generator[CompareProgress, None, Any]:
    """What the work says, as progress of the sweep; returns what the work returns."""
    try:
        while True:
            doing = next(work)
            yield CompareProgress(recipe, index, total, doing.what, doing.share)
    except StopIteration as end:
        return end.value
    finally:
        work.close()


class TaskSweep(Sweep):
    """Encoders, their adapters and cross-encoders on a task."""

    def __init__(self, runner: Runner, task: Task, options: Options, resume: bool) -> None:
        super().__init__(runner, task.name, task.metric, task.digest, resume)
        self._task, self._options = task, options
        self._original: Any = None
        self._original_memory = 0

    def prepare(self, held: ExitStack) -> Generator[Doing, None, None]:
        first = held.enter_context(self._opening(ORIGINAL))
        self._original = yield from first.waited()
        self._original_memory = yield from self._memory(ORIGINAL)

    def _memory(self, recipe: str) -> Generator[Doing, None, int]:
        """0 where it is not wanted, or where the variant is nobody else's to load."""
        if not self._options.memory or self._task.learning is not None:
            return 0
        return (yield from memory_growth(self._task.model, recipe, self.runner.home))

    def _opening(self, recipe: str) -> AbstractContextManager[Opening]:
        learning = None if recipe == ORIGINAL else self._task.learning
        return opening(lambda tell: self.runner.open(self._task.model, recipe, tell, learning),
                       "converting and loading")

    def measure(self, recipe: str) -> Measuring:
        with self._opening(recipe) as second:
            variant = yield from second.waited()
            return (yield from self._row(recipe, variant))

    def _row(self, recipe: str, variant: Any) -> Measuring:
        task, options, original = self._task, self._options, self._original
        judged = yield from task.judge(original, variant)
        timing = yield from timed(original, variant, task.run, task.timing_texts(),
                                  singles=options.singles, many=options.many)
        memory = yield from self._memory(recipe)
        detail = {**judged.detail, "about": task.about, "timed_one_by_one": timing.singles,
                  "timed_in_batches": timing.many, "learned_on_task": task.learning is not None,
                  "original_variant": original.info.variant,
                  "original_memory_bytes": self._original_memory}
        verdict = Verdict(
            **self.facts(recipe), variant=variant.info.variant, original=judged.original,
            value=judged.value, loss_points=judged.loss_points, low=judged.low, high=judged.high,
            n=judged.n, decision=judged.decision, reason=judged.reason,
            latency_ms=timing.latency_ms, original_latency_ms=timing.original_latency_ms,
            texts_per_second=timing.texts_per_second,
            original_texts_per_second=timing.original_texts_per_second,
            size_bytes=variant.memory_bytes, original_size_bytes=original.memory_bytes,
            memory_bytes=memory, detail=detail)
        return CompareRow.of(verdict, variant.report)
