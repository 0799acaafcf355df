"""Measures variants of a language model: perplexity, grounded answers, speed; resumable.

``python -m lepton_engine.compression.decoder_measure --recipes original int8 int4`` keeps every
row in ``LEPTON_HOME/comparisons`` as it is measured and prints a verdict for each recipe.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.decoder_gate import verdict
from lepton_engine.compression.decoder_perplexity import Window, held_out, perplexity, windows
from lepton_engine.compression.decoder_questions import (
    MAX_NEW_TOKENS,
    Question,
    digest,
    load_questions,
)
from lepton_engine.compression.decoder_rows import Answer, Facts, Rows
from lepton_engine.compression.decoder_speed import STREAMS, Opened, Speed, speeds
from lepton_engine.compression.measure import Doing
from lepton_engine.compression.recipe import ORIGINAL, Recipe
from lepton_engine.errors import DeadlineError, LeptonError
from lepton_engine.runtimes.base import GenerateOptions

if TYPE_CHECKING:
    from lepton_engine.catalog import ModelSpec
    from lepton_engine.catalog.store import Store
    from lepton_engine.compression.verdicts import Verdict

PATIENCE_S = 600.0
FORMAT = "1"  # another one when a change of the code makes old rows wrong

#: Loads the model under a recipe while the block runs.
Open = Callable[[str], AbstractContextManager[Opened]]


@dataclass(frozen=True)
class Bench:
    """All that the measurements of one model share."""

    spec: ModelSpec
    store: Store
    open: Open
    questions: tuple[Question, ...]

    @classmethod
    def of(cls, spec: ModelSpec, store: Store, open_variant: Open) -> Bench:
        """With the questions in the languages of the model."""
        languages = [code for code in ("en", "zh") if code in spec.languages]
        asked = tuple(q for q in load_questions() if q.language in (languages or ["en"]))
        return cls(spec, store, open_variant, asked)

    def rows(self, resume: bool = True) -> Rows:
        return Rows.of(self.store.home, self.spec.alias, self.spec.digest,
                       digest(self.questions), FORMAT, resume=resume)

    def texts(self) -> dict[str, str]:
        return held_out(self.store, sorted({q.language for q in self.questions}))

    @property
    def published(self) -> dict[str, Any]:
        """Of the file as it was published; ``original`` may be its weights dequantised."""
        precision = str(self.spec.options.get("precision", "")) or self.spec.format
        facts = {"published_bytes": sum(file.size for file in self.spec.files),
                 "published_precision": precision}
        if precision.startswith("q"):
            facts["note"] = (f"The model is published in {precision}; “original” is these weights "
                             "dequantised, stored in 16 bits. Compare sizes with the "
                             "published file.")
        return facts


def measure_decoder(bench: Bench, recipe: Recipe | str, *, resume: bool = True,
                    timing: bool = True) -> Generator[Doing, None, Verdict]:
    """Measure ``recipe`` against the original; what is on disk already is taken from there.

    Closing the generator stops the work; the rows measured so far stay. Raises LeptonError.
    """
    rows = bench.rows(resume)
    wanted = str(Recipe.parse(recipe)) if isinstance(recipe, str) else str(recipe)
    original, parts = yield from _facts(bench, ORIGINAL, rows)
    variant = original
    if wanted != ORIGINAL:
        variant, parts = yield from _facts(bench, wanted, rows)
    speed = (yield from _speed(bench, original, variant, rows)) if timing else None
    return verdict(bench.spec.alias, original, variant, bench.questions, parts, speed,
                   bench.published)


def _facts(bench: Bench, recipe: str,
           rows: Rows) -> Generator[Doing, None, tuple[Facts, tuple[Window, ...]]]:
    yield Doing(f"loading {recipe}")
    with bench.open(recipe) as opened:
        info, folder = opened.decoder.info, folder_of(opened)
        key = folder.name if folder is not None else info.variant
        yield from answers(opened, bench.questions, rows, key)
        if not rows.find("memory", key):
            rows.add("memory", key, bytes=opened.decoder.memory_bytes)
        parts = windows(bench.texts(), opened.tokenizer) if folder is not None else ()
    if folder is not None:
        missing = [part for part in parts if part.number not in rows.windows(key)]
        if missing:
            yield from _windows(folder, missing, len(parts), rows, key)
    size = sum(p.stat().st_size for p in folder.iterdir()) if folder is not None else 0
    memory = rows.find("memory", key)[-1]["bytes"]
    return Facts(recipe, info.variant, key, size, memory, rows.answers(key),
                 rows.windows(key)), parts


def folder_of(opened: Opened) -> Path | None:
    """The folder of the converted model; None for a runtime that has none."""
    folder: Path | None = getattr(opened.decoder, "folder", None)
    return folder


def _windows(folder: Path, missing: Sequence[Window], total: int, rows: Rows,
             key: str) -> Iterator[Doing]:
    yield Doing("measuring the perplexity", (total - len(missing)) / total)
    for number, row in enumerate(perplexity(folder, missing), total - len(missing) + 1):
        rows.add("window", key, **asdict(row))
        yield Doing("measuring the perplexity", number / total)


def answers(opened: Opened, questions: Sequence[Question], rows: Rows,
            key: str) -> Iterator[Doing]:
    """Ask what was not asked yet, greedily, 16 at once; each answer becomes a row."""
    done = rows.answers(key)
    missing = _in_rounds([q for q in questions if q.id not in done])
    pool = ThreadPoolExecutor(STREAMS)
    try:
        waiting: set[Future[Answer]] = {pool.submit(ask, opened, q) for q in missing}
        while waiting:
            yield Doing("asking grounded questions", 1 - len(waiting) / len(questions))
            ready, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in ready:
                rows.add("answer", key, **asdict(future.result()))
    finally:
        pool.shutdown(cancel_futures=True)  # those that run end within 40 tokens


def _in_rounds(questions: Sequence[Question]) -> list[Question]:
    """First one question of every passage, then the second ones: by then the beginning of
    their prompts, which holds the passage, is in the worker's cache."""
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, Question]] = []
    for question in questions:
        rounds.append((seen[question.passage], question))
        seen[question.passage] += 1
    return [question for _, question in sorted(rounds, key=lambda row: row[0])]


def ask(opened: Opened, question: Question) -> Answer:
    """One line of at most 40 tokens; a measurement may wait longer than a visitor.

    Raises DeadlineError where even that was too short.
    """
    tokenizer = opened.tokenizer
    decoding, text, count, reason = tokenizer.decoder(), "", 0, ""
    stream = opened.decoder.stream(
        tokenizer.encode_messages(question.messages),
        GenerateOptions(max_new_tokens=MAX_NEW_TOKENS, stop_ids=tokenizer.stop_ids,
                        timeout_s=PATIENCE_S))
    try:
        for chunk in stream:
            text += decoding.add([i for i in chunk.ids if i not in tokenizer.stop_ids])
            count, reason = count + len(chunk.ids), chunk.finish_reason
            if "\n" in text.lstrip():
                reason = "stop"
                break
    finally:
        stream.close()  # type: ignore[attr-defined]
    if reason not in ("stop", "length"):
        raise DeadlineError("The language model was too busy to answer a question of the "
                            "measurement in time. What was measured is kept; start it again.")
    reply = text.lstrip().partition("\n")[0].strip()
    return Answer(question.id, reply, question.right(reply), count)


def _speed(bench: Bench, original: Facts, variant: Facts,
           rows: Rows) -> Generator[Doing, None, tuple[Speed, Speed]]:
    known = [r for r in rows.find("speed", variant.key) if r["against"] == original.key]
    if known:
        return Speed(**known[-1]["original"]), Speed(**known[-1]["own"])
    with bench.open(original.recipe) as first:
        if variant is original:
            found = yield from speeds(first, first)
        else:
            with bench.open(variant.recipe) as second:
                found = yield from speeds(first, second)
    rows.add("speed", variant.key, against=original.key, original=asdict(found[0]),
             own=asdict(found[1]))
    return found


# From a shell -----------------------------------------------------------------------------


def opener(spec: ModelSpec, store: Store, runtime: str | None = None) -> Open:
    """Opens a decoder of the store on this machine's processor."""
    from lepton_engine.device import choose_device
    from lepton_engine.loaders import LoadedDecoder
    from lepton_engine.runtimes.decoders import load_decoder

    @contextmanager
    def opened(recipe: str) -> Iterator[Opened]:
        decoder, tokenizer = load_decoder(spec, store, choose_device(), runtime=runtime,
                                          recipe=recipe)
        try:
            yield LoadedDecoder(decoder, tokenizer)
        finally:
            decoder.close()

    return opened


def main(arguments: Sequence[str] | None = None) -> int:
    from lepton_engine.catalog import Store, catalogue
    from lepton_engine.compression.verdicts import write_verdicts
    from lepton_engine.settings import Settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="qwen-0.5b")
    parser.add_argument("--recipes", nargs="+", default=[ORIGINAL, "int8", "int4"])
    parser.add_argument("--no-timing", action="store_true")
    parser.add_argument("--write", type=Path, help="put the verdicts into this folder")
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    store, spec = Store(Settings.from_env()), catalogue().resolve(args.name)
    bench = Bench.of(spec, store, opener(spec, store))
    failed = 0
    for recipe in args.recipes:
        try:
            found = _told(recipe, measure_decoder(bench, recipe, timing=not args.no_timing))
        except LeptonError as error:
            print(f"{recipe}: {error} ({error.id})", file=sys.stderr)
            failed += 1
            continue
        print(json.dumps(found.to_dict(), ensure_ascii=False), flush=True)
        if args.write:
            write_verdicts([found], args.write)
    return 1 if failed else 0


def _told(recipe: str, work: Generator[Doing, None, Verdict]) -> Verdict:
    """The verdict; on the way each new tenth of what is being done goes to standard error."""
    said = ""
    while True:
        try:
            doing = next(work)
        except StopIteration as end:
            result: Verdict = end.value
            return result
        share = "" if doing.share is None else f" {doing.share:.1f}"
        if said != (said := f"{recipe}: {doing.what}{share}"):
            print(said, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
