"""``python -m lepton_engine compress NAME RECIPE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lepton_engine.compression.recipe import STEPS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    steps = "\n".join(f"  {kind.usage}: {kind.meaning}" for kind in STEPS.values())
    parser.description = "Make a variant of a model, keep it in the store, say what it cost."
    parser.epilog = f"steps, joined by +, a number format last:\n{steps}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", metavar="NAME", help="a model, or an adapter for its trunk")
    parser.add_argument("recipe", metavar="RECIPE", help="such as prune-neurons:0.25+int8")
    parser.add_argument("--csv", type=Path, metavar="FILE",
                        help="texts that the steps look at; default: the bundled ones")


def run(args: argparse.Namespace) -> int:
    from lepton_engine import Engine
    from lepton_engine.compression.datasets import read_csv

    texts = read_csv(args.csv)[0] if args.csv is not None else None
    with Engine() as engine:
        print(engine.compress(args.name, args.recipe, texts=texts, tell=_Tell()).to_text())
    return 0


class _Tell:
    """A line on the error stream for each new thing that is done."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, what: str, share: float | None) -> None:
        if what != self._last:
            print(what, file=sys.stderr, flush=True)
            self._last = what
