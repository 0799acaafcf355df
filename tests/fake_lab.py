"""What the fake engine does for the Engine lab: variants that really differ, by simple rules.

A variant reads less of a text: every word whose hash falls below the recipe's damage is left
out before the fake's own rules see it. So int8 changes nothing, and the more is pruned, the
more answers change; nothing is a canned number but the times, which are a table.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_engine.compression.gate import judge
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.report import StepReport
from lepton_engine.compression.rows import CompareProgress, CompareRow
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.errors import InputError, UnknownNameError
from lepton_engine.results import LoadState, Stamp
from tests.fake_tokenizers import FakeStore

if TYPE_CHECKING:
    from lepton_engine.results import Attention

# Per step: the share of words a variant does not see, and the factor of its time.
DAMAGE = {"int8": 0.0, "int8-weights": 0.0, "int8-dynamic": 0.0, "int4": 0.05,
          "int4-channel": 0.1, "prune-weights": 0.0, "distil": 0.0}
PACE = {"int8": 0.4, "int8-dynamic": 0.5, "int8-weights": 0.9, "int4": 0.8, "int4-channel": 0.8}
BYTES = {"int8": 0.26, "int8-dynamic": 0.26, "int8-weights": 0.26, "int4": 0.16,
         "int4-channel": 0.14}
ORIGINAL_MS, ORIGINAL_BYTES = 10.0, 90_000_000
LAYERS, HEADS = 3, 4


def damage(recipe: Recipe | str | None) -> float:
    """The share of words that a variant does not see, 0..1."""
    seen = 1.0
    for step in Recipe.parse(str(recipe or "original")):
        lost = DAMAGE.get(step.name, (step.value or 0.0) if step.name != "low-rank"
                          else 1 - (step.value or 1.0))
        seen *= 1 - lost * (0.5 if step.kind.removes else 1)
    return 1 - seen


def thinned(text: str, recipe: Recipe | str | None) -> str:
    """What a variant sees of a text."""
    limit = damage(recipe) * 1000
    return re.sub(r"\w+", lambda m: "" if zlib.crc32(m[0].lower().encode(
        "utf-8", "replace")) % 1000 < limit else m[0], text)


def _factor(recipe: Recipe, table: dict[str, float]) -> float:
    """Of time or size: what is removed counts by half, a number format by the table."""
    found = 1.0
    for step in recipe:
        if step.name in table:
            found *= table[step.name]
        elif step.kind.removes and step.name != "prune-weights":
            found *= 1 - 0.5 * (1 - (step.value or 1) if step.name == "low-rank"
                                else step.value or 0)
    return found


def pace(recipe: Recipe | str | None) -> float:
    """The time of a variant as a share of the original's."""
    return _factor(Recipe.parse(str(recipe or "original")), PACE)


class FakeLab:
    """The lab's part of `tests.fakes.FakeEngine`."""

    @cached_property
    def store(self) -> FakeStore:
        """Where tokenizers are opened from."""
        return FakeStore()

    loaded: dict[str, LoadState]
    gate: tuple[Verdict, ...]
    delay_s: float
    closed: int
    _lock: Lock

    _enter: Callable[..., None]
    _stamp: Callable[..., Stamp]
    classify: Callable[..., Any]
    embed: Callable[..., Any]

    def stream_compare(self, name: str, recipes: Sequence[Recipe | str],
                       texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
                       resume: bool = True) -> Iterator[CompareProgress | CompareRow]:
        self._enter("stream_compare", name)
        wanted = [Recipe.parse(str(recipe)) for recipe in recipes]
        if not texts:
            raise InputError("The fake engine brings no texts of its own. Give some.")
        return self._rows(name, wanted, list(texts), labels)

    def _rows(self, name: str, recipes: Sequence[Recipe], texts: list[str],
              labels: Sequence[str] | None) -> Iterator[CompareProgress | CompareRow]:
        try:
            for index, recipe in enumerate(recipes, 1):
                for share in (0.0, 0.5):
                    time.sleep(self.delay_s)
                    yield CompareProgress(str(recipe), index, len(recipes), "measuring", share)
                yield self._row(name, recipe, texts, labels)
        except GeneratorExit:
            self.closed += 1
            raise

    def _row(self, name: str, recipe: Recipe, texts: list[str],
             labels: Sequence[str] | None) -> CompareRow:
        before, after = self._answers(name, texts, "original"), self._answers(name, texts, recipe)
        if labels is None:
            same = np.array([float(a == b) for a, b in zip(before, after, strict=True)])
            found = judge(np.ones(len(texts)), same, None, "agreement", held_out=False)
        else:
            number = {label: i for i, label in enumerate({*labels, *before, *after})}
            found = judge(*(np.array([number[label] for label in row])
                            for row in (before, after, labels)), "weighted F1")
        share, weight = pace(recipe), _factor(recipe, BYTES)
        steps = tuple(StepReport(str(s), ("layer 0", "layer 1"), ("layer 2: left as it is",),
                                 22_000_000, int(22_000_000 * (1 - 0.5 * (s.value or 0))),
                                 "The fake's step.", 0.5) for s in recipe)
        return CompareRow(
            name=name, recipe=str(recipe), variant=f"{name}/{recipe}@fake:cpu",
            metric=found.metric, original=found.original, value=found.value,
            loss_points=found.loss_points, low=found.low, high=found.high, n=found.n,
            decision=found.decision, reason=found.reason, latency_ms=ORIGINAL_MS * share,
            original_latency_ms=ORIGINAL_MS, texts_per_second=100 / share,
            original_texts_per_second=100.0, size_bytes=int(ORIGINAL_BYTES * weight),
            original_size_bytes=ORIGINAL_BYTES, memory_bytes=int(ORIGINAL_BYTES * weight * 1.2),
            host="the fake engine", versions={}, date="2026-11-23", steps=steps)

    def _answers(self, name: str, texts: list[str], recipe: Recipe | str) -> list[str]:
        if name in ("finance-sentiment", "bank-intent"):
            return [item.label for item in self.classify(texts, name, recipe=recipe)]
        return [" ".join(thinned(text, recipe).split()) for text in texts]

    def attention(self, text: str, model: str = "minilm-l6", *,
                  recipe: Recipe | str | None = None) -> Attention:
        """Words look at themselves and at their neighbours, further away in later layers."""
        from lepton_engine.results import Attention

        self._enter("attention", model)
        found = [(m[0], m.span()) for m in re.finditer(r"\w+|[^\w\s]", text)]
        place = np.arange(len(found))
        apart = np.abs(place[:, None] - place[None]).astype(np.float32)
        raw = np.stack([np.stack([np.exp(-apart / (1 + layer + head)) for head in range(HEADS)])
                        for layer in range(LAYERS)])
        weights = (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)
        steps = Recipe.parse(str(recipe or "original"))
        kept = tuple(tuple(range(HEADS - round(HEADS * next(
            (s.value or 0 for s in steps if s.name == "prune-heads"), 0)))) for _ in range(LAYERS))
        for layer, heads in enumerate(kept):
            weights[layer, [h for h in range(HEADS) if h not in heads]] = np.nan
        return Attention(tuple(word for word, _ in found), tuple(span for _, span in found),
                         weights, self._stamp(model, recipe=recipe))

    def load(self, name: str, recipe: Recipe | str | None = None) -> str:
        self._enter("load", name)
        wanted = Recipe.parse(str(recipe or "original"))
        key = f"{name}/{wanted}" if len(wanted) else name
        time.sleep(self.delay_s)
        self.loaded[key] = LoadState(name, "ready", 1.0, key=key, memory_bytes=int(
            ORIGINAL_BYTES * _factor(wanted, BYTES)))
        return key

    def unload(self, key: str) -> int:
        self._enter("unload")
        if key not in self.loaded:
            raise UnknownNameError.of("loaded variant", key, self.loaded)
        return self.loaded.pop(key).memory_bytes or 100_000_000
