"""Converts an encoder in a process of its own: torch is gone from memory when it ends.

The calling process neither loads torch nor stands still while the model is traced; it hears
what is being done.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from lepton_engine import errors
from lepton_engine.compression.convert import REFUSED, Job, Tell

log = logging.getLogger(__name__)
#: Without recovery; each pass over the texts may take as long again.
_TIMEOUT_S = 900
_MODULE = "lepton_engine.compression.convert"


def _silent(stage: str, share: float | None) -> None:
    """Nobody listens."""


def export(job: Job, tell: Tell = _silent, module: str = _MODULE) -> None:
    """Do ``job`` in a child process that runs ``module``.

    Raises:
        LeptonError: what the child raised of that kind, with its sentence.
        RuntimeError: the child failed otherwise.
    """
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="lepton-job-") as folder:
        path = Path(folder) / "job.json"
        path.write_text(job.to_json(), encoding="utf-8")
        with (Path(folder) / "errors").open("w+", encoding="utf-8", errors="replace") as problems, \
                subprocess.Popen([sys.executable, "-m", module, str(path)], cwd=root, text=True,
                                 stdout=subprocess.PIPE, stderr=problems) as child:
            last = _heard(child, tell)
            code = child.wait()
            problems.seek(0)
            trouble = problems.read().strip().splitlines()
    if code == REFUSED:
        refusal = json.loads(last)
        raise getattr(errors, refusal["kind"])(refusal["message"])
    if code:
        log.warning("a conversion ended with %s:\n%s", code, "\n".join(trouble[-20:]))
        raise RuntimeError(f"the conversion ended with {code}: {(trouble or ['no message'])[-1]}")


def _heard(child: subprocess.Popen[str], tell: Tell) -> str:
    """Hand on what the child says; its last line. A caller that raises ends the child, and so
    does silence of a quarter of an hour."""
    assert child.stdout is not None
    last = ""
    try:
        while True:
            watch = threading.Timer(_TIMEOUT_S, child.kill)
            watch.daemon = True
            watch.start()
            line = child.stdout.readline()
            watch.cancel()
            if not line:
                return last
            last = line
            message = json.loads(line) if line.startswith("{") else {}
            if "stage" in message:
                tell(message["stage"], message.get("share"))
    except BaseException:
        child.kill()
        raise
