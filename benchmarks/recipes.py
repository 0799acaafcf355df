"""Every recipe on every task, the losers too: ``python -m benchmarks.recipes [--out FOLDER]``.

Measures nothing: it prints what the gate has measured and stored in ``assets/verdicts``.
Anew: ``python -m lepton_engine compare NAME --recipes ... --data DIR --write assets/verdicts``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import Options, run
from benchmarks.report import Result, Table, figure, machine, versions
from lepton_engine.compression.verdicts import SHIPPED, Verdict, read_verdicts
from lepton_engine.profiles import BALANCED, FAST, chosen_verdict

HEAD = ("recipe", "decision", "metric", "lost, points (95 % interval)", "n", "ms, one text",
        "times the original", "texts/s", "times the original", "size, MB")


def verdicts(folder: Path = SHIPPED) -> dict[str, list[Verdict]]:
    """The shipped verdicts by task, the fastest first."""
    found: dict[str, list[Verdict]] = {}
    for path in sorted(folder.glob("*.json")):
        rows = read_verdicts(path.stem, None, folder)
        if rows:
            found[path.stem] = sorted(rows, key=lambda v: v.latency_ms)
    return found


def row(verdict: Verdict, marks: Sequence[str]) -> tuple[str, ...]:
    """One recipe; ``marks`` are the profiles that pick it."""
    recipe = f"`{verdict.recipe}`" + (f" ({', '.join(marks)})" if marks else "")
    throughput = (verdict.texts_per_second / verdict.original_texts_per_second
                  if verdict.original_texts_per_second else math.nan)
    return (recipe, verdict.decision, f"{figure(shown(verdict.value))}",
            f"{points(verdict.loss_points)} ({points(verdict.low)} to {points(verdict.high)})",
            f"{verdict.n:,}", figure(shown(verdict.latency_ms)),
            figure(shown(verdict.speedup)), figure(shown(verdict.texts_per_second)),
            figure(shown(throughput)), figure(verdict.size_bytes / 1e6))


def shown(value: float) -> float | None:
    return value if math.isfinite(value) else None


def points(value: float) -> str:
    """A loss in points, two digits behind the point, always with its sign."""
    return f"{value:+.2f}" if math.isfinite(value) else "-"


def table(name: str, rows: Sequence[Verdict]) -> Table:
    """All recipes of a task beside its original."""
    first = rows[0]
    picked = {profile: chosen_verdict(profile, rows) for profile in (BALANCED, FAST)}
    original = ("`original`", "", figure(shown(first.original)), "", "",
                figure(shown(first.original_latency_ms)), "1.00",
                figure(shown(first.original_texts_per_second)), "1.00",
                figure(first.original_size_bytes / 1e6))
    lines = [row(v, [p for p, chosen in picked.items() if chosen is v]) for v in rows]
    where = "; ".join(sorted({f"{v.host}, {v.date}" for v in rows}))
    passed = sum(v.decision == "passed" for v in rows)
    return Table(f"{name}: {len(rows)} recipes, {passed} passed ({first.metric})", HEAD,
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
