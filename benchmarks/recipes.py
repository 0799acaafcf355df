"""Every recipe on every task, the losers too: ``python -m benchmarks.recipes [--out FOLDER]``.

Measures nothing: it prints what the gate has measured and stored in ``assets/verdicts``.
Anew: ``python -m lepton_engine compare NAME --recipes ... --data DIR --write assets/verdicts``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.command import Options, run
from benchmarks.report import Result, Table, figure, machine, versions
from lepton_engine.compression.rows import CompareRow, with_gains
from lepton_engine.compression.verdicts import SHIPPED, Verdict, read_verdicts
from lepton_engine.profiles import BALANCED, FAST, chosen_verdict

HEAD = ("recipe", "decision", "metric", "lost, points (95 % interval)", "n", "ms, one {unit}",
        "times the original", "{unit}s/s", "times the original", "size, MB",
        "what gains less than 5 %")


def verdicts(folder: Path = SHIPPED) -> dict[str, list[Verdict]]:
    """The shipped verdicts by task, the fastest first."""
    found: dict[str, list[Verdict]] = {}
    for path in sorted(folder.glob("*.json")):
        rows = read_verdicts(path.stem, None, folder)
        if rows:
            found[path.stem] = sorted(rows, key=lambda v: v.latency_ms)
    return found


def row(found: CompareRow, marks: Sequence[str]) -> tuple[str, ...]:
    """One recipe; ``marks`` are the profiles that pick it."""
    recipe = f"`{found.recipe}`" + (f" ({', '.join(marks)})" if marks else "")
    return (recipe, found.decision, figure(shown(found.value)),
            f"{points(found.loss_points)} ({points(found.low)} to {points(found.high)})",
            f"{found.n:,}", figure(shown(found.latency_ms)),
            figure(shown(found.speedup)), figure(shown(found.texts_per_second)),
            figure(shown(found.throughput_gain)), figure(found.size_bytes / 1e6), found.gain)


def shown(value: float) -> float | None:
    return value if math.isfinite(value) else None


def points(value: float) -> str:
    """A loss in points, two digits behind the point, always with its sign."""
    return f"{value:+.2f}" if math.isfinite(value) else "-"


def table(name: str, rows: Sequence[Verdict]) -> Table:
    """All recipes of a task beside its original."""
    picked = {profile: chosen_verdict(profile, rows) for profile in (BALANCED, FAST)}
    marks = {v.recipe: [p for p, chosen in picked.items() if chosen is v] for v in rows}
    lines = [row(found, marks[found.recipe])
             for found in with_gains([CompareRow.of(v) for v in rows])]
    # The original is timed anew beside each recipe.
    original = ("`original`", "", figure(shown(rows[0].original)), "", "",
                figure(median(v.original_latency_ms for v in rows)), "1.00",
                figure(median(v.original_texts_per_second for v in rows)), "1.00",
                figure(rows[0].original_size_bytes / 1e6), "")
    unit = str(rows[0].detail.get("unit", "text"))
    head = tuple(cell.format(unit=unit) for cell in HEAD)
    where = "; ".join(sorted({f"{v.host}, {v.date}" for v in rows}))
    passed = sum(v.decision == "passed" for v in rows)
    return Table(f"{name}: {len(rows)} recipes, {passed} passed ({rows[0].metric})", head,
                 (original, *lines), f"Measured on {where}. Points are hundredths; a loss with a "
                 "minus is a gain. In brackets the profiles that pick the recipe.")


def tables(folder: Path = SHIPPED) -> tuple[Table, ...]:
    """One a task; a single empty one where no verdict is shipped."""
    made = tuple(table(name, rows) for name, rows in verdicts(folder).items())
    return made or (Table("No verdict is shipped yet", ("task",), ()),)


def measure(options: Options) -> Result:
    counts = {name: len(rows) for name, rows in verdicts().items()}
    return Result("recipes", tables(), {}, versions(), counts, machine(),
                  time.perf_counter() - options.started, options.quick)


if __name__ == "__main__":
    raise SystemExit(run(measure, __doc__))
