"""Models whose loss is known, behind the protocol that a sweep needs; no weights, no disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from lepton_engine.compression.compare import Options
from lepton_engine.compression.report import StepReport
from lepton_engine.compression.rows import CompareRow
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.errors import InputError, UnknownNameError
from lepton_engine.results import Embeddings, Stamp
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.telling import Tell
from lepton_engine.training.heads import Head

LABELS = ("negative", "neutral", "positive")
DIMENSION = 8
QUICK = Options(singles=4, many=8, memory=False)
#: What each recipe does to the vectors: which axes the classes move to.
SAME, TURNED = (0, 1, 2), (1, 2, 0)
AXES = {"original": SAME, "int8": SAME, "int8-weights": SAME, "prune-neurons:0.5": TURNED,
        "prune-neurons:0.5+int8": TURNED}


def texts(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Distinct texts, each with its label as a word of it: the model below reads that word."""
    picks = np.random.default_rng(seed).integers(0, len(LABELS), count)
    labels = [LABELS[pick] for pick in picks]
    return [f"note {_word(i)} is {label}" for i, label in enumerate(labels)], labels


def _word(number: int) -> str:
    """Letters, as the search for near-duplicates does not look at digits."""
    return "".join(chr(97 + (number // 26**place) % 26) for place in range(4))


@dataclass
class Variant:
    """Vectors of length 1: the label's word on one axis, the rest of the text beside it."""

    recipe: str
    axes: tuple[int, ...]
    owner: FakeRunner
    memory_bytes: int = 1_000

    @property
    def info(self) -> RuntimeInfo:
        return RuntimeInfo("tiny", self.recipe, "fake", "cpu", "fp32")

    @property
    def report(self) -> tuple[StepReport, ...]:
        return () if self.recipe == "original" else (
            StepReport(self.recipe, ("layer 0",), ("layer 1: too small",), 10, 5, "halved", 0.1),)

    def embed(self, given: Sequence[str]) -> Embeddings:
        self.owner.embedded += [(self.recipe, text) for text in given]
        found = np.zeros((len(given), DIMENSION), dtype=np.float32)
        for row, text in zip(found, given, strict=True):
            word = text.rpartition(" ")[2]
            if word in LABELS:
                row[self.axes[LABELS.index(word)]] = 2.0
            noise = np.random.default_rng(zlib.crc32(text.encode()))
            row[3:] = noise.normal(size=DIMENSION - 3)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return Embeddings(found, Stamp("tiny", "cpu", "fp32", 0.0), tuple(given))

    def rerank(self, query: str, passages: Sequence[str]) -> Any:
        scores = tuple(float(len(p)) * (-1 if self.axes == TURNED else 1) for p in passages)
        return SimpleNamespace(scores=scores)


@dataclass
class FakeRunner:
    """``broken``: recipes that cannot be converted; ``opened`` and ``embedded`` are counted."""

    home: Path
    broken: dict[str, Exception] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    embedded: list[tuple[str, str]] = field(default_factory=list)
    learned: list[Sequence[str] | None] = field(default_factory=list)

    def kind(self, name: str) -> str:
        kinds = {"tiny": "encoder", "tiny-head": "adapter", "tiny-pairs": "cross-encoder",
                 "tiny-data": "data"}
        if name not in kinds:
            raise UnknownNameError.of("model or adapter", name, kinds)
        return kinds[name]

    def head(self, name: str) -> Head:
        weight = np.zeros((3, DIMENSION), dtype=np.float32)
        weight[:, :3] = np.eye(3) * 10
        return Head(LABELS, "tiny", weight, np.zeros(3, np.float32), 1.0, 0.0)

    @contextmanager
    def open(self, name: str, recipe: str, tell: Tell,
             texts: Sequence[str] | None = None) -> Iterator[Variant]:
        tell("converting", 0.5)
        self.opened.append(recipe)
        self.learned.append(texts)
        if recipe in self.broken:
            raise self.broken[recipe]
        if recipe not in AXES:
            raise InputError(f"The step {recipe} does not fit an encoder.")
        try:
            yield Variant(recipe, AXES[recipe], self)
        finally:
            self.closed.append(recipe)


    @contextmanager
    def open_fold(self, adapters: Path, model: str, recipe: str) -> Iterator[Variant]:
        self.opened.append(f"{adapters.name}:{recipe}")
        yield Variant(recipe, AXES[recipe], self)


def verdict(recipe: str = "int8", **changes: Any) -> Verdict:
    """A verdict with plausible facts."""
    facts: dict[str, Any] = {
        "name": "tiny-head", "recipe": recipe, "variant": f"tiny/{recipe}@fake:cpu",
        "metric": "weighted F1", "original": 0.9, "value": 0.898, "loss_points": 0.2, "low": -0.1,
        "high": 0.5, "n": 4_000, "decision": "passed", "reason": "It loses 0.20 points.",
        "latency_ms": 1.0, "original_latency_ms": 2.0, "texts_per_second": 800.0,
        "original_texts_per_second": 400.0, "size_bytes": 23_000_000,
        "original_size_bytes": 90_000_000, "memory_bytes": 60_000_000, "host": "a machine",
        "versions": {"lepton": "0.1.0"}, "date": "2026-11-23", "detail": {"about": "4,000 texts"}}
    return Verdict(**{**facts, **changes})


def row(recipe: str = "int8", **changes: Any) -> CompareRow:
    """As `verdict`, as a row of a sweep."""
    return CompareRow.of(verdict(recipe, **changes))
