"""What every benchmark's command line has in common."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import RESULTS, Result


@dataclass(frozen=True)
class Options:
    """``quick``: just enough to see that all of it works; nothing of it can be quoted."""

    quick: bool = False
    out: Path | None = None
    started: float = 0.0

    def say(self, line: str) -> None:
        """One line about what is being done, with the seconds since the start."""
        print(f"[{time.perf_counter() - self.started:5.0f} s] {line}", flush=True)


def run(measure: Callable[[Options], Result], about: str | None,
        arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables as Markdown, and write the result's JSON.

    A quick run is written only where ``--out`` says so: the README quotes none.
    """
    parser = argparse.ArgumentParser(description=about,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="a few repeats, to see that everything works")
    parser.add_argument("--out", type=Path, help="the folder of the JSON files "
                        "(default: benchmarks/results; a quick run writes none)")
    given = parser.parse_args(arguments)
    options = Options(given.quick, given.out, time.perf_counter())
    result = measure(options)
    print("\n" + result.to_markdown(), flush=True)
    folder = given.out or (None if given.quick else RESULTS)
    if folder is not None:
        print(f"written: {result.write(folder)}")
    return 0
