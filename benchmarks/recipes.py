"""Every recipe on every task, the losers too: ``python -m benchmarks.recipes``.

Measures nothing: it prints what the gate has measured and stored in ``assets/verdicts``.
Anew: ``python -m lepton_engine compare NAME --recipes ... --data DIR --write assets/verdicts``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.report import RESULTS, Table
from lepton_engine.compression.rows import CompareRow, with_gains
from lepton_engine.compression.verdicts import SHIPPED, Verdict, read_verdicts
from lepton_engine.profiles import BALANCED, FAST, chosen_verdict, pace
from lepton_engine.text import three

HEAD = ("recipe", "decision", "metric", "lost, points (95 % interval)", "n", "ms, one {unit}",
        "times the original", "{unit}s/s", "times the original", "size, MB",
        "what gains less than 5 %")
#: The verdict's name for the share of the original's first ten, and where the table shows it.
OVERLAP = "top-10 overlap"
PLACE = 4
LINEAR = RESULTS / "linear_heads"
NOTE = ("Measured on {where}. Ordered by what is gained: the geometric mean of both ratios, of a "
        "language model one stream's. The original is timed anew beside each recipe, so compare "
        "the ratios: its own row is the median of these times. Points are hundredths; a loss with "
        "a minus is a gain. In brackets the profiles that pick the recipe.")


def verdicts(folder: Path = SHIPPED) -> dict[str, list[Verdict]]:
    """The shipped verdicts by task, the greatest gain over the original first: each recipe was
    timed beside it, and only these ratios can be compared."""
    found: dict[str, list[Verdict]] = {}
    for path in sorted(folder.glob("*.json")):
        rows = read_verdicts(path.stem, None, folder)
        if rows:
            found[path.stem] = sorted(rows, key=lambda v: shown(pace(v)) or 0.0, reverse=True)
    return found


def row(found: CompareRow, marks: Sequence[str]) -> tuple[str, ...]:
    """One recipe; ``marks`` are the profiles that pick it."""
    recipe = f"`{found.recipe}`" + (f" ({', '.join(marks)})" if marks else "")
    return (recipe, found.decision, three(shown(found.value)),
            f"{points(found.loss_points)} ({points(found.low)} to {points(found.high)})",
            f"{found.n:,}", three(shown(found.latency_ms)),
            three(shown(found.speedup)), three(shown(found.texts_per_second)),
            three(shown(found.throughput_gain)), three(found.size_bytes / 1e6), found.gain)


def shown(value: float) -> float | None:
    return value if math.isfinite(value) else None


def points(value: float) -> str:
    """A loss in points, two digits behind the point, always with its sign."""
    return f"{value:+.2f}" if math.isfinite(value) else "-"


def table(name: str, rows: Sequence[Verdict], serves: bool = True) -> Table:
    """All recipes of a task beside its original; where it ``serves``, with the profiles."""
    picked = {profile: chosen_verdict(profile, rows) if serves else None
              for profile in (BALANCED, FAST)}
    marks = {v.recipe: [p for p, chosen in picked.items() if chosen is v] for v in rows}
    lines = [row(found, marks[found.recipe])
             for found in with_gains([CompareRow.of(v) for v in rows])]
    original = ("`original`", "", three(shown(rows[0].original)), "", "",
                three(median(v.original_latency_ms for v in rows)), "1.00",
                three(median(v.original_texts_per_second for v in rows)), "1.00",
                three(rows[0].original_size_bytes / 1e6), "")
    unit = str(rows[0].detail.get("unit", "text"))
    head = tuple(cell.format(unit=unit) for cell in HEAD)
    lines = [original, *lines]
    if any(OVERLAP in v.detail for v in rows):
        head = (*head[:PLACE], "the original's first ten found", *head[PLACE:])
        shares = ["", *(_share(v.detail.get(OVERLAP)) for v in rows)]
        lines = [(*line[:PLACE], share, *line[PLACE:])
                 for line, share in zip(lines, shares, strict=True)]
    where = "; ".join(sorted({f"{v.host}, {v.date}" for v in rows}))
    passed = sum(v.decision == "passed" for v in rows)
    count = "1 recipe" if len(rows) == 1 else f"{len(rows)} recipes"
    return Table(f"{name}: {count}, {passed} passed ({rows[0].metric})", head, tuple(lines),
                 NOTE.format(where=where))


def _share(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, float) else ""


def tables(folder: Path = SHIPPED) -> tuple[Table, ...]:
    """One a task; a single empty one where no verdict is shipped."""
    made = tuple(table(name, rows) for name, rows in verdicts(folder).items())
    return made or (Table("No verdict is shipped yet", ("task",), ()),)


def earlier(folder: Path = LINEAR) -> tuple[Table, ...]:
    """What the same recipes did to the linear heads that were shipped before the adapters."""
    return tuple(replace(made, title=f"Before the adapters, linear heads on the plain trunk: "
                         f"{made.title}")
                 for name, rows in verdicts(folder).items()
                 for made in [table(name, rows, serves=False)])


def main() -> int:
    for made in (*tables(), *earlier()):
        print(made.to_markdown())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
