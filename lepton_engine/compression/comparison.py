"""A finished sweep as a table, a picture, a page, and lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.recipe import ORIGINAL
from lepton_engine.compression.rows import CompareRow, with_gains
from lepton_engine.errors import InputError
from lepton_engine.text import three

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

REFERENCE = "reference"


@dataclass(frozen=True)
class Comparison:
    """Recipes against the original of ``name`` on one task and one machine.

    ``rows`` are in the order of the sweep, failed recipes and losers among them; the original
    is the first line of the table and a point of the picture.
    """

    name: str
    metric: str
    n: int
    host: str
    date: str
    rows: tuple[CompareRow, ...]

    @classmethod
    def of(cls, rows: Sequence[CompareRow]) -> Comparison:
        """Raises InputError for no rows, or rows of several tasks."""
        tasks = {(row.name, row.metric, row.host) for row in rows}
        if len(tasks) != 1:
            raise InputError("A comparison is made of rows of one task on one machine, and of at "
                             "least one.")
        name, metric, host = tasks.pop()
        return cls(name, metric, max(row.n for row in rows), host, max(row.date for row in rows),
                   with_gains(rows))

    @property
    def measured(self) -> tuple[CompareRow, ...]:
        return tuple(row for row in self.rows if not row.failed)

    @property
    def unit(self) -> str:
        """What is counted a second: texts, or a decoder's tokens."""
        return next((str(row.detail["unit"]) for row in self.rows if "unit" in row.detail), "text")

    def original(self) -> dict[str, Any]:
        """The original as a line of the table; its speed is the median over the rows, as it was
        timed anew beside each of them. Empty when every recipe failed."""
        rows = self.measured
        if not rows:
            return {}
        value = rows[0].original
        return {
            "recipe": ORIGINAL, "decision": REFERENCE, "value": value, "loss_points": 0.0,
            "low": 0.0, "high": 0.0, "n": rows[0].n, "speedup": 1.0, "throughput_gain": 1.0,
            "latency_ms": median(row.original_latency_ms for row in rows),
            "texts_per_second": median(row.original_texts_per_second for row in rows),
            "size_bytes": rows[0].original_size_bytes,
            "memory_bytes": int(rows[0].detail.get("original_memory_bytes") or 0),
            "gain": "", "variant": rows[0].detail.get("original_variant", ""),
            "reason": "What the recipes are compared with.",
        }

    def to_frame(self) -> pd.DataFrame:
        """One line a recipe, the original first; sizes in bytes, losses in points."""
        import pandas as pd

        lines = [self.original()] if self.measured else []
        lines += [{column: getattr(row, column) for column in COLUMNS} for row in self.rows]
        frame = pd.DataFrame(lines, columns=list(COLUMNS))
        # 0 stands for "not measured", which a table shows as a gap.
        for column in ("memory_bytes", "size_bytes"):
            frame[column] = frame[column].where(frame[column] > 0).astype("Int64")
        return frame

    def to_figure(self) -> go.Figure:
        """Quality against latency, bubble by size, the Pareto line; see `picture`."""
        from lepton_engine.compression.picture import figure

        return figure(self)

    def to_html(self) -> str:
        """One self-contained page: picture, table, steps, and how it was measured."""
        from lepton_engine.compression.report_page import page

        return page(self)

    def to_text(self) -> str:
        """A table for a terminal, with the reason of each decision below it."""
        head = ("recipe", "decision", self.metric, "points lost (95 %)",
                f"ms a {self.unit}", "times", f"{self.unit}s/s", "times", "MB", "RAM MB")
        lines = [head, *(_cells(line) for line in [self.original()] if line),
                 *(_cells({c: getattr(row, c) for c in COLUMNS}) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                 .rstrip() for line in lines]
        table.insert(1, "  ".join("-" * width for width in widths))
        notes = [f"{row.recipe}: {row.decision}. {row.reason} {row.gain}".rstrip()
                 for row in self.rows]
        title = f"{self.name}, n = {self.n:,}, {self.host}, {self.date}"
        return "\n".join([title, *table, "", *notes])


COLUMNS = ("recipe", "decision", "value", "loss_points", "low", "high", "n", "latency_ms",
           "speedup", "texts_per_second", "throughput_gain", "size_bytes", "memory_bytes",
           "gain", "reason", "variant")


def megabytes(size: float) -> str:
    """Bytes as MB, three significant digits; a dash for 0, which is "not measured"."""
    return three(size / 1e6) if size else "–"


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    loss = ("–" if not math.isfinite(line["loss_points"]) else
            f"{line['loss_points']:.2f} ({line['low']:.2f} to {line['high']:.2f})")
    value = f"{line['value']:.4f}" if math.isfinite(line["value"]) else "–"
    return (line["recipe"], line["decision"], value, loss, three(line["latency_ms"]),
            three(line["speedup"]), three(line["texts_per_second"]),
            three(line["throughput_gain"]), megabytes(line["size_bytes"]),
            megabytes(line["memory_bytes"]))
