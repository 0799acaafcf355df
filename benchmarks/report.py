"""What a benchmark hands back: tables, and the facts without which figures mean nothing.

``benchmarks/results/NAME.json`` holds the last run that was kept; the README quotes it.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lepton_engine.text import three

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
#: Flags of the processor that decide which kernels run.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
OWN_PACKAGES = ("openvino", "openvino-genai", "torch", "transformers", "nncf", "gradio")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with one line a row, whatever is in its cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, cells))} |\n" for cells in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


@dataclass(frozen=True)
class Table:
    """One table as Markdown shows it; ``note`` is what its reader must know."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def to_markdown(self) -> str:
        table = markdown(self.head, self.rows)
        return "\n\n".join(part for part in (f"**{self.title}**", self.note, table) if part)


@dataclass(frozen=True)
class Result:
    """One benchmark's run. ``data`` are the plain numbers behind the tables."""

    name: str
    tables: tuple[Table, ...]
    data: Mapping[str, Any]
    versions: Mapping[str, str]
    n: Mapping[str, int]
    machine: Mapping[str, Any]
    seconds: float
    quick: bool = False
    date: str = field(default_factory=lambda: str(datetime.now(UTC).date()))

    def to_markdown(self) -> str:
        marks = " (quick: too few repeats to quote)" if self.quick else ""
        head = f"{described(self.machine)}; {self.date}; {self.seconds / 60:.1f} minutes{marks}.\n"
        used = ", ".join(f"{name} {number}" for name, number in sorted(self.versions.items()))
        return "\n".join([head, *(t.to_markdown() for t in self.tables), f"Versions: {used}.\n"])

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n",
                        encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Result:
        """A result that `write` wrote."""
        found = json.loads(path.read_text(encoding="utf-8"))
        tables = tuple(Table(t["title"], tuple(t["head"]), tuple(map(tuple, t["rows"])),
                             t["note"]) for t in found.pop("tables"))
        return cls(tables=tables, **found)


def machine() -> dict[str, Any]:
    """This machine: the processor by name, its cores and flags, memory, system, Python."""
    import psutil

    facts = _cpu_facts()
    return {"processor": facts.get("model name") or platform.processor(),
            "architecture": platform.machine(), "cores": os.cpu_count() or 0,
            "flags": [name for name in FLAGS if name in facts.get("flags", "").split()],
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "system": platform.system(), "python": platform.python_version()}


def _cpu_facts() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    lines = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def described(facts: Mapping[str, Any]) -> str:
    """One line about a machine."""
    flags = f" ({', '.join(facts['flags'])})" if facts["flags"] else ""
    return (f"{facts['processor']}, {facts['cores']} cores{flags}, {facts['memory_gb']} GB, "
            f"{facts['system']}, Python {facts['python']}")


def versions(names: Iterable[str] = OWN_PACKAGES) -> dict[str, str]:
    """The installed ones of these packages."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def spread(values: Sequence[float]) -> str:
    """``median (lowest to highest)``; the one value where there is one."""
    if not values:
        return three(None)
    if len(values) == 1:
        return three(values[0])
    return (f"{three(statistics.median(values))} ({three(min(values))} to "
            f"{three(max(values))})")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which about ``share`` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
