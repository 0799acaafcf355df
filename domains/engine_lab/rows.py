"""From a verdict or a measured row to plain JSON, and what follows from many of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from statistics import median
from typing import Any

from lepton_engine.compression.agreement import (
    LabelAgreement,
    NeighbourAgreement,
    OrderAgreement,
)
from lepton_engine.compression.rows import LEAST_GAIN

Row = Mapping[str, Any]
# Metrics that need no labels: how often the variant does as the original.
AGREEMENT = (LabelAgreement.metric, NeighbourAgreement.metric, OrderAgreement.metric)
FIELDS = ("recipe", "variant", "metric", "original", "value", "loss_points", "low", "high", "n",
          "decision", "reason", "latency_ms", "original_latency_ms", "texts_per_second",
          "original_texts_per_second", "size_bytes", "original_size_bytes", "memory_bytes",
          "host", "date")


def row_of(measured: Any) -> dict[str, Any]:
    """A Verdict or a CompareRow as JSON; what was not measured is None."""
    row = {name: _plain(getattr(measured, name, None)) for name in FIELDS}
    row["speedup"] = _plain(getattr(measured, "speedup", None))
    row["gain"] = str(getattr(measured, "gain", "") or "")
    row["unit"] = str((getattr(measured, "detail", None) or {}).get("unit", "text"))
    row["detail"] = _plain(getattr(measured, "detail", None) or {})
    row["steps"] = [_plain(step) for step in getattr(measured, "steps", ())]
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def timed(rows: Iterable[Row]) -> list[Row]:
    """The rows that have both a latency and a quality, which a picture needs."""
    return [row for row in rows if row.get("latency_ms") and row.get("value") is not None]


def original_of(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The original as a row of its own: medians over what was measured beside each variant."""
    placed = [row for row in timed(rows)
              if row.get("original_latency_ms") and row.get("original") is not None]
    if not placed:
        return None
    return {"recipe": "original", "decision": "original",
            "value": median(row["original"] for row in placed), "metric": placed[0]["metric"],
            "latency_ms": median(row["original_latency_ms"] for row in placed),
            "size_bytes": placed[0].get("original_size_bytes"), "n": placed[0].get("n"),
            "texts_per_second": median(row.get("original_texts_per_second") or 0
                                       for row in placed) or None}


def many_times(row: Row) -> float | None:
    """How many times as many texts (or tokens of many streams) a second as the original."""
    now, before = row.get("texts_per_second"), row.get("original_texts_per_second")
    return float(now / before) if now and before else None


def gains_little(row: Row) -> bool:
    """Whether the variant is less than `LEAST_GAIN` faster than its original on one text and on
    many."""
    found = [value for value in (row.get("speedup"), many_times(row)) if value is not None]
    return bool(found) and max(found) < 1 + LEAST_GAIN


def little() -> str:
    """`LEAST_GAIN` in per cent, for texts."""
    return f"{100 * LEAST_GAIN:g}"
