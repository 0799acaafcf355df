"""Converts an encoder in a process of its own: torch is gone from memory when it ends.

    python -m lepton_engine.runtimes.encoder_export FORMAT SOURCE TARGET HEADS

The calling process neither loads torch nor stands still while the model is traced.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

from lepton_engine import errors
from lepton_engine.errors import LeptonError

_TIMEOUT_S = 900
_REFUSED = 3


def export(form: str, source: Path, target: Path, attention_heads: int = 0) -> None:
    """Convert in a child process.

    Raises:
        LeptonError: what the child raised of that kind, with its sentence.
        RuntimeError: the child failed otherwise.
    """
    command = [sys.executable, "-m", "lepton_engine.runtimes.encoder_export", form, str(source),
               str(target), str(attention_heads)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_TIMEOUT_S,
                          check=False)
    if done.returncode == _REFUSED:
        refusal = json.loads(done.stdout.splitlines()[-1])
        raise getattr(errors, refusal["kind"])(refusal["message"])
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise RuntimeError(f"the conversion ended with {done.returncode}: {last[0]}")


def main(arguments: list[str]) -> int:
    """Exit codes: 0 done, 3 refused (the sentence is JSON on standard output)."""
    form, source, target, heads = arguments
    warnings.filterwarnings("ignore")  # remarks of the tracer on branches that are tested here
    from lepton_engine.runtimes.encoders import open_encoder
    from lepton_engine.runtimes.openvino_encoder import convert

    try:
        convert(open_encoder(form, Path(source), int(heads)), Path(target))
    except LeptonError as error:
        print(json.dumps({"kind": type(error).__name__, "message": error.message}))
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
