"""Section “Side by side”: one text by the original and by a variant."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from statistics import median
from typing import Any

from domains.base import Decision
from domains.engine_lab.models import LabModel
from domains.engine_lab.outcome import SidesOutcome, Stage
from domains.engine_lab.reading import samples
from domains.engine_lab.waiting import watched
from domains.shared.markup import three
from domains.shared.texts import Texts
from lepton_engine.compression.recipe import ORIGINAL, Recipe
from lepton_engine.errors import InputError, LimitError
from lepton_engine.results import Stamp
from lepton_engine.text import clean

SAY = Texts("engine_lab")
MAX_CHARACTERS = 4_000
MAX_NEW_TOKENS = 128
RUNS = 5
TOP = 5
Steps = Generator[SidesOutcome | Stage, None, None]
Answer = tuple[list[dict[str, Any]], Stamp]


def checked_text(text: object) -> str:
    """Raises InputError, LimitError."""
    if not isinstance(text, str) or not clean(text).strip():
        raise InputError("The text is empty. Write a sentence.")
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"A text has at most {MAX_CHARACTERS:,} characters; this one has "
                         f"{len(text):,}. Shorten it.")
    return clean(text).strip()


def compared(engine: Any, model: LabModel, recipe: Recipe, text: str, lang: str) -> Steps:
    """Stages and the growing outcome; the last one has both sides and the cost of all."""
    if not len(recipe):
        raise InputError("Pick a recipe: the original stands beside it anyway.")
    if model.kind == "decoder":
        return _streamed(engine, model, recipe, text, lang)
    return _answered(engine, model, recipe, text, lang)


def _answered(engine: Any, model: LabModel, recipe: Recipe, text: str, lang: str) -> Steps:
    """Both sides answer; then both are timed in turn on texts of the same length.

    Distinct texts, because the engine keeps the vectors of texts that it has seen.
    """
    started = time.perf_counter()
    yield from _loaded(engine, model, ORIGINAL, lang)
    ask = _asker(engine, model)
    found: list[Answer] = []
    for name in (ORIGINAL, str(recipe)):
        yield from _loaded(engine, model, name, lang)
        found.append(ask(text, name))
    times: tuple[list[float], list[float]] = ([], [])
    yield Stage(SAY(lang, "sides.timing"), 0.8)
    for number in range(RUNS):
        for place, name in enumerate((ORIGINAL, str(recipe))):
            stamp = ask(f"{number} {text}"[:MAX_CHARACTERS], name)[1]
            times[place].append(stamp.latency_ms - stamp.queue_wait_ms)
    sides = tuple(
        {"recipe": name, "variant": stamp.variant, "latency_ms": median(times[place]),
         "items": items, "text": "", "tokens_per_second": None, "first_token_ms": None}
        for place, (name, (items, stamp)) in enumerate(
            zip((ORIGINAL, str(recipe)), found, strict=True)))
    stamp = Stamp.combined([stamp for _, stamp in found], (time.perf_counter() - started) * 1000)
    yield _outcome(model, text, sides, stamp, lang, runs=RUNS)


def _loaded(engine: Any, model: LabModel, recipe: str, lang: str,
            ) -> Generator[Stage, None, None]:
    """Have a variant loaded where it can be watched; the first time it has to be made."""
    yield from watched(lambda: engine.load(model.name, recipe), engine,
                       SAY(lang, "sides.asking", recipe=recipe))


def _asker(engine: Any, model: LabModel) -> Callable[[str, str], Answer]:
    """``ask(text, recipe)`` gives labels with values from 0 to 1, best first, and the stamp."""
    if model.kind == "adapter":
        return lambda text, recipe: _labels(engine, model, text, recipe)
    sentences: list[str] = samples()["sentences"]
    if model.kind == "cross-encoder":
        return lambda text, recipe: _ranked(engine, model, text, recipe, sentences[:12])
    # The index is the original's, as everywhere in the application: only the question differs.
    index = engine.embed(sentences, model.name, recipe=ORIGINAL).vectors

    def nearest(text: str, recipe: str) -> Answer:
        found = engine.embed([text], model.name, recipe=recipe)
        scores = (index @ found.vectors[0]).tolist()
        return _items(zip(sentences, scores, strict=True)), found.stamp

    return nearest


def _labels(engine: Any, model: LabModel, text: str, recipe: str) -> Answer:
    found = engine.classify([text], model.name, recipe=recipe)
    return _items(found[0].probabilities.items()), found.stamp


def _ranked(engine: Any, model: LabModel, text: str, recipe: str,
            passages: Sequence[str]) -> Answer:
    found = engine.rerank(text, passages, model.name, recipe=recipe)
    return _items(zip(passages, found.scores, strict=True)), found.stamp


def _items(pairs: Any) -> list[dict[str, Any]]:
    ranked = sorted(pairs, key=lambda pair: -float(pair[1]))
    return [{"label": str(label), "value": float(value)} for label, value in ranked]


def _streamed(engine: Any, model: LabModel, recipe: Recipe, text: str, lang: str) -> Steps:
    """The original's answer, then the variant's, token by token. Greedy, so that what differs
    comes from the weights."""
    started = time.perf_counter()
    sides: list[dict[str, Any]] = []
    stamps: list[Stamp] = []
    for name in (ORIGINAL, str(recipe)):
        yield from _loaded(engine, model, name, lang)
        sides.append({"recipe": name, "variant": "", "latency_ms": None, "items": [], "text": "",
                      "tokens_per_second": None, "first_token_ms": None})
        stream = engine.stream_chat([{"role": "user", "content": text}], model=model.name,
                                    recipe=name, max_new_tokens=MAX_NEW_TOKENS)
        with closing(stream) as chunks:
            for chunk in chunks:
                sides[-1] = {**sides[-1], "text": sides[-1]["text"] + chunk.text}
                if chunk.stamp is not None:
                    stamps.append(chunk.stamp)
                    sides[-1] |= {"variant": chunk.stamp.variant,
                                  "latency_ms": chunk.stamp.latency_ms,
                                  "tokens_per_second": chunk.stamp.tokens_per_second,
                                  "first_token_ms": chunk.stamp.first_token_ms}
                yield _outcome(model, text, tuple(sides), None, lang, complete=False)
    stamp = Stamp.combined(stamps, (time.perf_counter() - started) * 1000)
    yield _outcome(model, text, tuple(sides), stamp, lang)


def _outcome(model: LabModel, text: str, sides: tuple[dict[str, Any], ...], stamp: Stamp | None,
             lang: str, *, runs: int = 1, complete: bool = True) -> SidesOutcome:
    return SidesOutcome(decision=Decision.ANSWERED, name=model.name, kind=model.kind, text=text,
                        reason=_reason(model, sides, lang) if complete else "", sides=sides,
                        stamp=stamp, runs=runs, complete=complete)


def _reason(model: LabModel, sides: Sequence[dict[str, Any]], lang: str) -> str:
    """Same or not, and how many times as fast."""
    first, second = sides
    if model.kind == "decoder":
        same = first["text"] == second["text"]
    else:
        kept = TOP if model.kind != "adapter" else 1
        same = ([item["label"] for item in first["items"][:kept]]
                == [item["label"] for item in second["items"][:kept]])
    said = SAY(lang, f"sides.{'same' if same else 'differs'}.{model.kind}")
    faster = speedup(sides)
    if faster is None:
        return said
    gap = "" if lang == "zh" else " "
    return said + gap + SAY(lang, "sides.faster", times=three(faster), recipe=second["recipe"])


def speedup(sides: Sequence[dict[str, Any]]) -> float | None:
    """How many times as fast the second side is: tokens a second where there are any."""
    if len(sides) < 2:
        return None
    first, second = sides[0], sides[1]
    if first.get("tokens_per_second") and second.get("tokens_per_second"):
        return float(second["tokens_per_second"] / first["tokens_per_second"])
    if first.get("latency_ms") and second.get("latency_ms"):
        return float(first["latency_ms"] / second["latency_ms"])
    return None
