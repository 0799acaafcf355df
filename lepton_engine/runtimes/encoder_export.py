"""Converts an encoder in a process of its own: torch is gone from memory when it ends.

The calling process neither loads torch nor stands still while the model is traced; it hears
what is being done.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from lepton_engine.compression.convert import Job
from lepton_engine.runtimes.children import run_child
from lepton_engine.telling import Tell, silent

_MODULE = "lepton_engine.compression.convert"


def export(job: Job, tell: Tell = silent, module: str = _MODULE) -> None:
    """Do ``job`` in a child process that runs ``module``; raises as `run_child`."""
    with tempfile.TemporaryDirectory(prefix="lepton-job-") as folder:
        path = Path(folder) / "job.json"
        path.write_text(job.to_json(), encoding="utf-8")
        run_child(module, str(path), tell=tell)
