"""Verdicts of the gate: what a variant lost and gained against its original, and where.

Shipped ones lie in ``assets/verdicts/<name>.json``, those of this machine in
``LEPTON_HOME/verdicts/<name>.json``; for the same recipe the machine's own counts.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from lepton_engine.compression.recipe import Recipe
from lepton_engine.errors import LeptonError

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "verdicts"
FOLDER = "verdicts"
PASSED, REFUSED, UNDECIDABLE = "passed", "refused", "undecidable"
DECISIONS = (PASSED, REFUSED, UNDECIDABLE)
_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One variant against its original on one task, measured side by side on one machine.

    ``original`` and ``value`` are the metric of both (0..1; a perplexity for a decoder).
    ``loss_points`` is what the variant lost in hundredths of the metric, with the paired 95 %
    interval ``low``..``high`` in the same unit. ``n`` counts paired predictions. Latency is the
    median of one text at a time, ``texts_per_second`` that of many texts; a decoder's is in
    tokens (``detail["unit"]`` says so). Sizes are bytes of weights on disk, ``memory_bytes`` is
    the growth of a process that loads and runs the variant, 0 where it was not measured.
    """

    name: str
    recipe: str
    variant: str
    metric: str
    original: float
    value: float
    loss_points: float
    low: float
    high: float
    n: int
    decision: str
    reason: str
    latency_ms: float
    original_latency_ms: float
    texts_per_second: float
    original_texts_per_second: float
    size_bytes: int
    original_size_bytes: int
    memory_bytes: int
    host: str
    versions: Mapping[str, str]
    date: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def speedup(self) -> float:
        """How many times as fast as the original on one text; NaN where nothing was timed."""
        return self.original_latency_ms / self.latency_ms if self.latency_ms > 0 else math.nan

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what is not a number becomes null."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Verdict:
        """Raises ValueError or TypeError, naming the field, for what no verdict can be."""
        known = {f.name: f.type for f in fields(Verdict)}
        return Verdict(**{name: _read(name, kind, facts) for name, kind in known.items()})

    def to_text(self) -> str:
        return f"{self.name}/{self.recipe}: {self.decision}. {self.reason}"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _read(name: str, kind: Any, facts: Mapping[str, Any]) -> Any:
    if name == "detail":
        return dict(facts.get("detail") or {})
    value = facts.get(name)
    if name == "decision" and value not in DECISIONS:
        raise ValueError("a decision that the gate does not know")
    if kind == "float":
        return math.nan if value is None else float(value)
    if kind == "int":
        return int(value or 0)
    if kind == "str" and isinstance(value, str):
        return value
    if name == "versions" and isinstance(value, Mapping):
        return {str(k): str(v) for k, v in value.items()}
    raise ValueError(f"the field {name} is missing or of another kind")


def read_verdicts(name: str, home: Path | None, shipped: Path = SHIPPED) -> tuple[Verdict, ...]:
    """The verdicts on ``name``: the shipped ones, overlaid recipe by recipe by this machine's.

    A file or a row that does not read is left out with a line in the log: without verdicts
    the original serves, which is always safe.
    """
    if not _PLAIN.fullmatch(name):  # a folder or a hub id outside the catalogue has none
        return ()
    found: dict[str, Verdict] = {}
    for folder in (shipped, home / FOLDER if home is not None else None):
        if folder is not None:
            found.update({v.recipe: v for v in _of_file(folder / f"{name}.json", name)})
    return tuple(found.values())


def _of_file(path: Path, name: str) -> list[Verdict]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        log.warning("The verdicts on %s do not read and are ignored.", name)
        return []
    good = []
    for row in rows if isinstance(rows, list) else [{}]:
        try:
            verdict = Verdict.from_dict(row)
            Recipe.parse(verdict.recipe)
            good += [verdict] if verdict.name == name else []
        except (AttributeError, LeptonError, TypeError, ValueError) as error:
            log.warning("A verdict on %s does not read and is ignored: %s", name, error)
    return good


def write_verdicts(verdicts: Iterable[Verdict], folder: Path) -> list[Path]:
    """Put verdicts into ``folder/<name>.json``, each in place of the one on the same recipe.

    Written to a file beside it and moved, so that a reader never sees half of it.
    """
    by_name: dict[str, dict[str, Verdict]] = {}
    for verdict in verdicts:
        table = by_name.setdefault(verdict.name, {})
        if not table:
            kept = _of_file(folder / f"{verdict.name}.json", verdict.name)
            table.update({v.recipe: v for v in kept})
        table[verdict.recipe] = verdict
    return [_write(folder / f"{name}.json", table) for name, table in by_name.items()]


def _write(path: Path, table: Mapping[str, Verdict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([v.to_dict() for v in table.values()], ensure_ascii=False, indent=1)
    with NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False,
                            encoding="utf-8") as file:
        file.write(text + "\n")
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path
