"""What a sweep hands back while it runs: where it is, and each recipe as it is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from lepton_engine.compression.recipe import Recipe, Step
from lepton_engine.compression.verdicts import Verdict

FAILED = "failed"
#: A step that makes a model faster by less than this share is said to gain nothing.
LEAST_GAIN = 0.05


@dataclass(frozen=True)
class CompareProgress:
    """Where a sweep is: recipe ``index`` of ``total`` (from 1), what is being done to it, and
    how much of that is done (0..1, None where nobody can tell)."""

    recipe: str
    index: int
    total: int
    what: str
    share: float | None = None

    def to_text(self) -> str:
        done = "" if self.share is None else f", {self.share:.0%}"
        return f"{self.index} of {self.total}, {self.recipe}: {self.what}{done}"


@dataclass(frozen=True, kw_only=True)
class CompareRow(Verdict):
    """One recipe, measured: the fields of its verdict, and how it came about.

    ``decision`` may also be ``failed``: then ``reason`` is the sentence of the failure and no
    number holds (NaN or 0). ``gain`` is a sentence where a step makes it less than 5 % faster,
    else empty. ``steps`` are the StepReports of the conversion.
    """

    gain: str = ""
    steps: tuple[Any, ...] = ()

    @property
    def failed(self) -> bool:
        return self.decision == FAILED

    @property
    def throughput_gain(self) -> float:
        """How many times as many texts a second as the original; NaN where not timed."""
        if not self.original_texts_per_second > 0:
            return math.nan
        return self.texts_per_second / self.original_texts_per_second

    @property
    def verdict(self) -> Verdict:
        """The part that is kept; not for a failed row."""
        return Verdict(**{f.name: getattr(self, f.name) for f in fields(Verdict)})

    @classmethod
    def of(cls, verdict: Verdict, steps: Sequence[Any] = ()) -> CompareRow:
        return cls(**{f.name: getattr(verdict, f.name) for f in fields(Verdict)},
                   steps=tuple(steps))

    @classmethod
    def failure(cls, like: Mapping[str, Any], reason: str) -> CompareRow:
        """A row that says why there are no numbers; ``like`` has the fields that are known."""
        numbers: dict[str, Any] = {f.name: math.nan for f in fields(Verdict) if f.type == "float"}
        numbers |= {f.name: 0 for f in fields(Verdict) if f.type == "int"}
        words: dict[str, Any] = {f.name: "" for f in fields(Verdict) if f.type == "str"}
        return cls(**{**numbers, **words, "versions": {}, **like,
                      "decision": FAILED, "reason": reason})


def parents(recipe: Recipe) -> list[tuple[Step, Recipe]]:
    """Each step that is there for speed or size, with the recipe that lacks just it.

    Recovery belongs to what it recovers from: it goes with the last of these, and is no step
    of its own here, as it changes weights and nothing else.
    """
    found = []
    for step in recipe:
        if step.kind.recovers:
            continue
        rest = [other for other in recipe if other is not step]
        if not any(other.kind.removes for other in rest):
            rest = [other for other in rest if not other.kind.recovers]
        found.append((step, Recipe(tuple(rest))))
    return found


def with_gains(rows: Sequence[CompareRow]) -> tuple[CompareRow, ...]:
    """The rows with ``gain`` filled in wherever a parent recipe is in the sweep."""
    by_recipe = {str(Recipe.parse(row.recipe)): row for row in rows if not row.failed}
    return tuple(row if row.failed else replace(row, gain=_gain(row, by_recipe)) for row in rows)


def _gain(row: CompareRow, by_recipe: Mapping[str, CompareRow]) -> str:
    notes = []
    for step, parent in parents(Recipe.parse(row.recipe)):
        before = by_recipe.get(str(parent))
        if before is None and len(parent):
            continue
        one = row.speedup / (before.speedup if before else 1.0)
        many = row.throughput_gain / (before.throughput_gain if before else 1.0)
        known = [value for value in (one, many) if math.isfinite(value)]
        if known and max(known) < 1 + LEAST_GAIN:
            notes.append(f"{step} gains less than 5 % in speed over {parent} "
                         f"({one:.2f} times on one text, {many:.2f} times on many).")
    return " ".join(notes)
