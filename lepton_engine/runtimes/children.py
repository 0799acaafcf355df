"""Modules that run as processes of their own: both ends of what they say to each other.

torch, transformers and NNCF take a gigabyte that the application never gets back, so what needs
them is done in a child. A line of its standard output is JSON: ``{"stage", "share"}`` while it
works. Exit codes: 0 done, 3 refused (the last line holds the error's kind and its sentence).
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from lepton_engine import errors
from lepton_engine.telling import Tell, silent

log = logging.getLogger(__name__)

REFUSED = 3
#: Without a word for so long, a child is taken to hang; each pass over texts says something.
SILENCE_S = 900.0


def run_child(module: str, *arguments: str, tell: Tell = silent,
              silence_s: float = SILENCE_S) -> None:
    """Run ``module`` in a child process and hand on what it says it does.

    The child is killed when ``tell`` raises, and after ``silence_s`` without a word.

    Raises:
        LeptonError: what the child raised of that kind, with its sentence.
        RuntimeError: the child failed otherwise.
    """
    root = Path(__file__).resolve().parents[2]
    # A file, as bars that are drawn on the error stream would fill a pipe that nobody reads.
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as problems, \
            subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=root, text=True,
                             stdout=subprocess.PIPE, stderr=problems) as child:
        last = _heard(child, tell, silence_s)
        code = child.wait()
        problems.seek(0)
        trouble = problems.read().strip().splitlines()
    if code == REFUSED:
        raise getattr(errors, last["kind"])(last["message"])
    if code:
        log.warning("%s ended with %s:\n%s", module, code, "\n".join(trouble[-20:]))
        raise RuntimeError(f"{module} ended with {code}: {(trouble or ['no message'])[-1]}")


def _heard(child: subprocess.Popen[str], tell: Tell, silence_s: float) -> dict[str, Any]:
    """Hand on what the child says; its last message."""
    assert child.stdout is not None
    last: dict[str, Any] = {}
    try:
        while True:
            watch = threading.Timer(silence_s, child.kill)
            watch.daemon = True
            watch.start()
            line = child.stdout.readline()
            watch.cancel()
            if not line:
                return last
            last = _message(line) or last
            if "stage" in last:
                tell(last["stage"], last.get("share"))
    except BaseException:
        child.kill()
        raise


def _message(line: str) -> dict[str, Any]:
    """Of a line of JSON; libraries print as well, which is nothing for anybody."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# In the child


def say(stage: str, share: float | None) -> None:
    """Progress as a line of JSON on standard output."""
    print(json.dumps({"stage": stage, "share": share}), flush=True)


def main(work: Callable[[], object]) -> int:
    """The exit code of a child that does ``work``; a LeptonError becomes the last line."""
    try:
        work()
    except errors.LeptonError as error:
        print(json.dumps({"kind": type(error).__name__, "message": error.message}), flush=True)
        return REFUSED
    return 0
