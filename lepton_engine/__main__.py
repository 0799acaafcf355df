"""``python -m lepton_engine``: a table of commands, each in a module of its own.

A command's module has ``add_arguments(parser)`` and ``run(args) -> int``; it is imported only
when it is asked for. Exit codes: 0 done, 1 failed (with a sentence), 2 used wrongly, 130 stopped.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from lepton_engine.errors import LeptonError, UnknownNameError

#: name -> (module, what it does)
COMMANDS = {
    "models": ("lepton_engine.catalog.console", "list, fetch, check and remove models and data"),
    "compress": ("lepton_engine.compression.compress_console", "make a variant by a recipe"),
    "compare": ("lepton_engine.compression.console", "measure recipes against the original"),
    "train": ("lepton_engine.training.console", "fit a head on a frozen encoder, with its card"),
}

FAILED, USED_WRONGLY, STOPPED = 1, 2, 130


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lepton_engine", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (module, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        if name == chosen:
            importlib.import_module(module).add_arguments(command)
    return parser


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code (argparse exits with 2 by itself)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(next((a for a in given if not a.startswith("-")), ""))
    args = parser.parse_args(given)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    try:
        return int(importlib.import_module(COMMANDS[args.command][0]).run(args))
    except UnknownNameError as error:
        print(f"Error: {error}", file=sys.stderr)
        return USED_WRONGLY
    except LeptonError as error:
        print(f"Error: {error} ({error.id})", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\nStopped. What was checked so far is kept.", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)  # children are ended on the way out
    sys.exit(main())
