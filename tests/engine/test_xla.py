"""An encoder on XLA, by its CPU client: the path that a TPU takes.

Skipped where torch_xla cannot be imported; docs/decisions/2026-11-23-xla-not-run.md says why
that is so with the index's wheels.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.runtimes.checkpoint import Checkpoint
from lepton_engine.runtimes.torch_encoder import TorchEncoder, open_module
from tests.engine.tiny_models import CLOSE

IMPORT = "import torch, torch_xla"
_LAST = 300


def reason_against() -> str:
    """Empty where torch_xla imports; asked in a process of its own, as a failed import of a C++
    extension leaves traces."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True,
                          env={**os.environ, "PJRT_DEVICE": "CPU"}, timeout=120, check=False)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1][-_LAST:]


@pytest.fixture
def xla(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    if reason := reason_against():
        pytest.skip(f"torch_xla does not import beside this torch: {reason}")


@pytest.mark.parametrize("outputs", [None, ["mean_vector"]])
def test_xla_computes_what_the_processor_computes(xla: None, folder: Path,
                                                  outputs: list[str] | None) -> None:
    ids = np.array([[2, 7, 9, 11, 3], [2, 5, 3, 0, 0]])
    mask = (ids > 0).astype(np.int64)
    arrays = {}
    for device in ("cpu", "xla"):
        info = RuntimeInfo("tiny", "original", "torch", device, "fp32")
        encoder = TorchEncoder(open_module(Checkpoint.open(folder)), info)
        arrays[device] = encoder.run(ids, mask, None, outputs)
        encoder.close()
    assert set(arrays["xla"]) == set(arrays["cpu"])
    for name, expected in arrays["cpu"].items():
        np.testing.assert_allclose(arrays["xla"][name], expected, atol=CLOSE)
