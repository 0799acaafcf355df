"""A child as conversions are, for the tests of `runtimes.children`: does what it is told."""

from __future__ import annotations

import sys
import time

from lepton_engine.errors import InputError
from lepton_engine.runtimes.children import main, say


def work(task: str) -> None:
    print("a library prints")
    say("working", 0.5)
    if task == "refuse":
        raise InputError("This does not fit.")
    if task == "break":
        raise ValueError("broken")
    if task == "hang":
        time.sleep(60)


if __name__ == "__main__":
    sys.exit(main(lambda: work(sys.argv[1])))
