"""Recipes: ordered compression steps, written ``low-rank:0.6+prune-neurons:0.25+int8``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lepton_engine.errors import InputError, UnknownNameError

ORIGINAL = "original"
_NUMBER = re.compile(r"\d{1,3}(\.\d{1,6})?")


@dataclass(frozen=True)
class StepKind:
    """A row of the table of steps.

    ``low``..``high`` is the range of the value, both ends allowed; None where the step
    takes no value. ``quantises``: it changes number formats, so it comes once and last.
    """

    name: str
    meaning: str
    low: float | None = None
    high: float | None = None
    quantises: bool = False

    @property
    def usage(self) -> str:
        """How it is written, for messages: ``low-rank:0.05..0.95`` or ``int8``."""
        return self.name if self.low is None else f"{self.name}:{self.low:g}..{self.high:g}"


STEPS: dict[str, StepKind] = {
    kind.name: kind
    for kind in (
        StepKind("low-rank", "weight matrices as products of thin ones; value: share of the "
                 "rank that is kept", 0.05, 0.95),
        StepKind("prune-heads", "attention heads removed; value: share removed", 0.05, 0.9),
        StepKind("prune-neurons", "feed-forward neurons removed; value: share removed", 0.05, 0.95),
        StepKind("prune-layers", "whole layers removed; value: share removed", 0.05, 0.9),
        StepKind("prune-weights", "single weights set to zero; makes nothing smaller or faster "
                 "by itself; value: share set to zero", 0.05, 0.95),
        StepKind("int8-weights", "weights in 8 bits, computed in floating point", quantises=True),
        StepKind("int8", "weights and activations in 8 bits", quantises=True),
        StepKind("int4", "weights in 4 bits, computed in floating point", quantises=True),
    )
}


@dataclass(frozen=True)
class Step:
    """One step of a recipe; ``value`` is None where its kind takes none."""

    name: str
    value: float | None = None

    def __post_init__(self) -> None:
        kind = STEPS.get(self.name)
        if kind is None:
            raise UnknownNameError(
                f"There is no compression step called “{self.name[:80]}”. {_table()}"
            )
        if kind.low is None or kind.high is None:
            if self.value is not None:
                raise InputError(f"The step “{self.name}” takes no value. {_table()}")
        elif self.value is None or not kind.low <= self.value <= kind.high:
            raise InputError(
                f"The step “{self.name}” needs a value from {kind.low:g} to {kind.high:g}. "
                f"{_table()}"
            )
        else:  # six decimals are what ``str`` writes, so that the round trip is exact
            object.__setattr__(self, "value", round(self.value, 6))

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value:g}"


@dataclass(frozen=True)
class Recipe:
    """An ordered list of steps; without any it is ``original``.

    ``Recipe.parse(str(recipe)) == recipe``; recipes are hashable, so they can be keys.
    """

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"The step “{twice[0]}” stands twice in the recipe; name it once.")
        if any(STEPS[name].quantises for name in names[:-1]):
            raise InputError(
                "A recipe has one number format at most, and it is the last step: "
                + ", ".join(kind.name for kind in STEPS.values() if kind.quantises) + "."
            )

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Read ``low-rank:0.6+prune-neurons:0.25+int8``; empty and ``original`` mean no step.

        Raises UnknownNameError for a step that no table holds and InputError for a value
        that is impossible; both say what exists.
        """
        text = text.strip()
        if text in ("", ORIGINAL):
            return cls()
        return cls(tuple(_parse_step(part.strip()) for part in text.split("+")))

    def __str__(self) -> str:
        return "+".join(map(str, self.steps)) or ORIGINAL

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def _parse_step(part: str) -> Step:
    name, colon, value = part.partition(":")
    if not name:
        raise InputError(f"A recipe has an empty step. {_table()}")
    if not colon:
        return Step(name)
    if name in STEPS and not _NUMBER.fullmatch(value.strip()):
        raise InputError(f"The value of the step “{name}” is not a plain number. {_table()}")
    return Step(name, float(value) if name in STEPS else None)


def _table() -> str:
    return "There are: " + ", ".join(kind.usage for kind in STEPS.values()) + "."
