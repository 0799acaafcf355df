"""The rows of a sweep on disk: appended as they are measured, read when it is taken up again."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from lepton_engine.compression.measure import host, versions
from lepton_engine.compression.report import StepReport
from lepton_engine.compression.rows import CompareRow
from lepton_engine.compression.verdicts import Verdict

log = logging.getLogger(__name__)

FOLDER = "comparisons"
#: Raised when what is measured, or how, changes.
LAYOUT = "1"


class Sheet:
    """``LEPTON_HOME/comparisons/<digest>.jsonl``: one file for a name, its texts and labels,
    the versions and the machine; one line a recipe, the last one on a recipe counts.

    A line that a broken-off program left half written is skipped. A full disk costs the
    resumption, not the sweep.
    """

    def __init__(self, home: Path, name: str, digest: str) -> None:
        facts = json.dumps([LAYOUT, name, digest, versions(), host()], sort_keys=True)
        self.path = home / FOLDER / f"{hashlib.sha256(facts.encode()).hexdigest()[:32]}.jsonl"

    def read(self) -> dict[str, CompareRow]:
        """Measured rows by recipe; failures are not among them, they are tried again."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        found = {}
        for line in lines:
            try:
                row = read_row(json.loads(line))
            except (AttributeError, KeyError, TypeError, ValueError):
                log.warning("A line of a comparison does not read and is measured again.")
                continue
            found[row.recipe] = row
        return found

    def append(self, row: CompareRow) -> None:
        """Write a row down at once; a failure is not written."""
        if row.failed:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            line = json.dumps(row.to_dict(), ensure_ascii=False)
            with self.path.open("a+b") as file:
                file.write(self._line_end(file) + line.encode() + b"\n")
        except OSError:
            log.warning("A row of a comparison could not be kept.", exc_info=True)

    @staticmethod
    def _line_end(file: Any) -> bytes:
        """A new line where the last one was cut off, so that it spoils no second row."""
        if not file.seek(0, 2):
            return b""
        file.seek(-1, 2)
        return b"" if file.read(1) == b"\n" else b"\n"


def read_row(facts: dict[str, Any]) -> CompareRow:
    """A row as ``to_dict`` gave it, without its ``gain``, which depends on the other rows."""
    steps = tuple(StepReport.from_dict(step) for step in facts.get("steps") or ())
    return CompareRow.of(Verdict.from_dict(facts), steps)
