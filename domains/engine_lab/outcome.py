"""What the sections of the lab hand back, besides the common fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domains.base import Outcome


@dataclass(frozen=True)
class Stage:
    """What is being done now, and how far; ``share`` is 0..1 or None."""

    text: str
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class LabOutcome(Outcome):
    """Measured variants of one model.

    ``rows`` are as `rows.row_of` makes them. ``stored`` is True for verdicts that were
    measured before, False for a run of this session, in which ``known`` has the stored
    verdicts by recipe. ``planned`` counts the recipes asked for; ``complete`` is False while
    some are still to come.
    """

    name: str
    kind: str
    stored: bool
    rows: tuple[Mapping[str, Any], ...] = ()
    known: Mapping[str, Mapping[str, Any]]
    source: str = ""
    texts: int = 0
    labelled: bool = False
    planned: int = 0
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class SidesOutcome(Outcome):
    """One text by the original and by a variant.

    Each side has recipe, variant, latency_ms (median of ``runs`` calls, or of the one answer of
    a decoder), items (label and value 0..1, best first) and text with its speed for a decoder.
    """

    name: str
    kind: str
    text: str
    sides: tuple[Mapping[str, Any], ...] = ()
    runs: int = 1
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class LensOutcome(Outcome):
    """One text cut by several tokenizers.

    ``rows``: per tokenizer name, served_by, tokens as (raw, start, end). ``blocks``: spans of
    the text, in order, whose borders no token of any tokenizer crosses.
    """

    text: str
    rows: tuple[Mapping[str, Any], ...]
    blocks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class HeatOutcome(Outcome):
    """Attention of an encoder over one text, by the original and by a variant.

    Each side has recipe, variant, tokens and weights: a float16 array (heads, n, n) for each
    layer, with the heads that it has. ``layer`` and ``head`` are what is shown,
    counted from 0; head -1 is the mean of the layer's heads.
    """

    name: str
    text: str
    sides: tuple[Mapping[str, Any], ...]
    layer: int = 0
    head: int = -1


@dataclass(frozen=True, kw_only=True)
class MemoryOutcome(Outcome):
    """What the engine holds: models with key, state, detail, progress and bytes."""

    device: str
    precision: str
    why_device: str
    models: tuple[Mapping[str, Any], ...]
    memory_bytes: int
    budget_bytes: int
    queue: int
    notes: tuple[str, ...] = ()
