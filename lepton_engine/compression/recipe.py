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
    ``recovers``: it makes up for an earlier step, so it stands behind one that ``removes``.
    ``texts``: it looks at texts. ``module``: where its config and handler are. ``version`` is
    raised when the same step comes to mean something else, so that kept results are made anew.
    """

    name: str
    meaning: str
    module: str
    low: float | None = None
    high: float | None = None
    quantises: bool = False
    removes: bool = False
    recovers: bool = False
    texts: bool = False
    version: int = 1

    @property
    def usage(self) -> str:
        """How it is written, for messages: ``low-rank:0.05..0.95`` or ``int8``."""
        return self.name if self.low is None else f"{self.name}:{self.low:g}..{self.high:g}"


_HERE = "lepton_engine.compression"
_QUANTISE = f"{_HERE}.quantise"

STEPS: dict[str, StepKind] = {
    kind.name: kind
    for kind in (
        StepKind("low-rank", "weight matrices as products of thin ones; value: share of their "
                 "weights that is kept", f"{_HERE}.low_rank", 0.05, 0.95, removes=True, texts=True,
                 version=2),
        StepKind("prune-heads", "attention heads removed; value: share removed",
                 f"{_HERE}.prune_heads", 0.05, 0.9, removes=True, texts=True, version=2),
        StepKind("prune-neurons", "feed-forward neurons removed; value: share removed",
                 f"{_HERE}.prune_neurons", 0.05, 0.95, removes=True, texts=True, version=2),
        StepKind("prune-layers", "whole layers removed; value: share removed",
                 f"{_HERE}.prune_layers", 0.05, 0.9, removes=True, texts=True),
        StepKind("prune-weights", "single weights set to zero; makes nothing smaller or faster "
                 "by itself; value: share set to zero", f"{_HERE}.prune_weights", 0.05, 0.95,
                 removes=True),
        StepKind("distil", "what was removed is made up for by learning the original's outputs; "
                 "value: passes over the texts", f"{_HERE}.distil", 0.5, 20.0, recovers=True,
                 texts=True),
        StepKind("int8-weights", "weights in 8 bits, one scale a channel, computed in floating "
                 "point", _QUANTISE, quantises=True, version=2),
        StepKind("int8", "weights and activations in 8 bits, ranges from texts", _QUANTISE,
                 quantises=True, texts=True),
        StepKind("int8-dynamic", "weights in 8 bits, activations rounded as they come", _QUANTISE,
                 quantises=True, version=2),
        StepKind("int4", "weights in 4 bits, one scale for 64", _QUANTISE, quantises=True),
        StepKind("int4-channel", "weights in 4 bits, one scale a channel", _QUANTISE,
                 quantises=True),
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

    @property
    def kind(self) -> StepKind:
        """Its row of the table."""
        return STEPS[self.name]

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value:.9g}"


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
        for place, name in enumerate(names):
            if STEPS[name].recovers and not any(STEPS[n].removes for n in names[:place]):
                raise InputError(
                    f"The step “{name}” makes up for what was removed, so it stands behind one of: "
                    + ", ".join(kind.name for kind in STEPS.values() if kind.removes) + "."
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

    @property
    def structural(self) -> tuple[Step, ...]:
        """The steps that change the network itself, in order; number formats are not among them."""
        return tuple(step for step in self.steps if not step.kind.quantises)

    @property
    def number_format(self) -> str:
        """The name of the number format, or "" for the floating point of the runtime."""
        return next((step.name for step in self.steps if step.kind.quantises), "")

    @property
    def needs_texts(self) -> bool:
        """Whether the result depends on the texts that the steps look at."""
        return any(step.kind.texts for step in self.steps)

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
