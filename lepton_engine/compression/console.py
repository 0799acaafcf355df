"""``python -m lepton_engine compare NAME ... --recipes A B [--data DIR | --csv FILE]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lepton_engine.adapted import ADAPTERS, CARD
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.rows import CompareProgress, CompareRow
from lepton_engine.compression.verdicts import (
    FOLDER,
    SHIPPED,
    UNDECIDABLE,
    read_verdicts,
    write_verdicts,
)
from lepton_engine.errors import InputError

if TYPE_CHECKING:
    from lepton_engine.compression.compare import Runner
    from lepton_engine.compression.comparison import Comparison
    from lepton_engine.compression.tasks import Task

SUFFIXES = (".html", ".csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = ("Measure recipes against the original: quality with a paired interval, "
                          "latency, throughput, size, memory. Rows are kept as they are measured; "
                          "the same command takes up a broken-off run.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="adapters or models")
    parser.add_argument("--recipes", nargs="+", required=True, metavar="RECIPE",
                        help="such as int8 or prune-neurons:0.5+distil:2+int8")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, metavar="DIR",
                        help="folder with tfns/, banking77/ and medquad/: the tasks on which the "
                             "gate decides")
    source.add_argument("--csv", type=Path, metavar="FILE",
                        help="your texts, with labels in a second column where there are some; "
                             "default: the bundled texts")
    parser.add_argument("--learn", action="store_true",
                        help="with --data, for adapters: half of the data is what recipes "
                             "calibrate and recover on, the other half is judged")
    parser.add_argument("--limit", type=int, metavar="N", help="only N examples of --data")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a table (.csv) or a page (.html)")
    parser.add_argument("--write", nargs="?", type=Path, const=Path(), metavar="DIR",
                        help="keep the verdicts for the profiles: in DIR, or for this machine")
    parser.add_argument("--fresh", action="store_true", help="measure all rows anew")
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory")


def run(args: argparse.Namespace) -> int:
    from lepton_engine import Engine
    from lepton_engine.laboratory import EngineRunner

    _check(args)
    with Engine() as engine:
        return sweep(EngineRunner(engine._serving), args)


def _check(args: argparse.Namespace) -> None:
    for recipe in args.recipes:
        Recipe.parse(recipe)
    if args.out is not None and args.out.suffix not in SUFFIXES:
        raise InputError(f"--out takes a file that ends with {' or '.join(SUFFIXES)}.")
    if args.learn and (args.data is None or args.write is not None):
        raise InputError("--learn goes with --data and not with --write: a variant that learned "
                         "from the task's texts is not the one that runs in the application.")
    if args.limit is not None and (args.data is None or args.limit < 100):
        raise InputError("--limit goes with --data and is at least 100.")


def sweep(runner: Runner, args: argparse.Namespace) -> int:
    """Compare name by name; returns the exit code, 1 where a recipe failed."""
    from lepton_engine.compression.compare import Options, compare

    failed = False
    for name in args.names:
        line = Line()
        task, texts, labels = _source(runner, name, args)
        try:
            found = compare(runner, name, args.recipes, texts, labels, resume=not args.fresh,
                            task=task, options=Options(memory=not args.no_memory), tell=line)
        finally:
            line.close()
        print(found.to_text())
        if args.out is not None:
            _save(found, args.out if len(args.names) == 1 else
                  args.out.with_name(f"{args.out.stem}-{name}{args.out.suffix}"))
        if args.write is not None:
            _write(found, runner.home / FOLDER if args.write == Path() else args.write)
        failed |= any(row.failed for row in found.rows)
    return int(failed)


def _source(runner: Runner, name: str, args: argparse.Namespace,
            ) -> tuple[Task | None, Sequence[str] | None, Sequence[str] | None]:
    from lepton_engine.compression.datasets import read_csv, task_from_folder

    if args.csv is not None:
        return (None, *read_csv(args.csv))
    if args.data is not None and runner.kind(name) != "decoder":
        return task_from_folder(runner, name, args.data, learn=args.learn,
                                limit=args.limit), None, None
    return None, None, None


def _save(found: Comparison, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        found.to_frame().to_csv(path, index=False)
    else:
        path.write_text(found.to_html(), encoding="utf-8")
    print(f"Written: {path.name}", file=sys.stderr)


def _write(found: Comparison, folder: Path) -> None:
    decided = [row.verdict for row in found.measured if row.decision != UNDECIDABLE]
    write_verdicts(decided, folder)
    if folder.resolve() == SHIPPED and (ADAPTERS / found.name / CARD).is_file():
        from lepton_engine.training.cards import with_gate

        with_gate(ADAPTERS / found.name, read_verdicts(found.name, None))
    left = len(found.rows) - len(decided)
    print(f"{len(decided)} verdicts on {found.name} kept"
          + (f"; {left} rows without a decision left out." if left else "."), file=sys.stderr)


class Line:
    """Progress on the error stream: one line that is drawn over, or in a log a line a row."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._what = ""

    def __call__(self, item: CompareProgress | CompareRow) -> None:
        if isinstance(item, CompareRow):
            self.close()
            print(item.to_text(), file=self._stream, flush=True)
        elif self._live:
            print(f"\r{item.to_text()[:99]:<99}", end="", file=self._stream, flush=True)
            self._what = item.what
        elif item.what != self._what:
            print(item.to_text(), file=self._stream, flush=True)
            self._what = item.what

    def close(self) -> None:
        """End the line that is drawn over."""
        if self._live and self._what:
            print(file=self._stream, flush=True)
        self._what = ""
