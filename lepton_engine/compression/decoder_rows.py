"""What is measured of a decoder, row by row on disk, so that a sweep can stop and go on.

One JSON line a window, an answer or a timing, in ``LEPTON_HOME/comparisons``. A row names the
converted folder that it was measured on; its name holds the digest of weights, recipe and
library versions, so that rows of an older conversion are never mixed with a newer one's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "comparisons"


@dataclass(frozen=True)
class Answer:
    """The reply to one question, and whether it is right."""

    id: str
    reply: str
    right: bool
    tokens: int


class Rows:
    """The rows of one model on one set of questions and texts. Not for several threads."""

    def __init__(self, path: Path, resume: bool = True) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            path.unlink(missing_ok=True)
        self._rows: list[dict[str, Any]] = []
        if path.exists():
            text = path.read_text(encoding="utf-8")
            self._rows = _whole(text.splitlines())
            if text and not text.endswith("\n"):  # torn: what comes next begins a line
                with path.open("a", encoding="utf-8") as file:
                    file.write("\n")

    @classmethod
    def of(cls, home: Path, name: str, *parts: str, resume: bool = True) -> Rows:
        """The file for this model and whatever else the rows depend on."""
        digest = hashlib.sha256(json.dumps([name, *parts]).encode()).hexdigest()[:16]
        return cls(home / FOLDER / f"decoder-{name.replace('/', '-')}-{digest}.jsonl", resume)

    def add(self, kind: str, variant: str, **values: Any) -> None:
        """Keep one row; it is on disk when this returns."""
        row = {"kind": kind, "variant": variant, **values}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._rows.append(row)

    def find(self, kind: str, variant: str) -> list[dict[str, Any]]:
        """The rows of that kind and variant, in the order in which they were measured."""
        return [r for r in self._rows if r["kind"] == kind and r["variant"] == variant]

    def answers(self, variant: str) -> dict[str, Answer]:
        return {r["id"]: Answer(r["id"], r["reply"], r["right"], r["tokens"])
                for r in self.find("answer", variant)}

    def windows(self, variant: str) -> dict[int, tuple[float, int]]:
        """Negative log-likelihood in nats and number of predictions of each window."""
        return {r["window"]: (r["nll"], r["predictions"]) for r in self.find("window", variant)}


def _whole(lines: Sequence[str]) -> list[dict[str, Any]]:
    """The rows that read; the last one is torn where the process was killed."""
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"kind", "variant"} <= row.keys():
            rows.append(row)
    return rows


@dataclass(frozen=True)
class Facts:
    """What is known of one measured variant."""

    recipe: str
    variant: str
    key: str
    size_bytes: int
    memory_bytes: int
    answers: dict[str, Answer] = field(repr=False)
    windows: dict[int, tuple[float, int]] = field(repr=False)
