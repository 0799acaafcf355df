"""A comparison as one HTML file that needs nothing else: picture, table, steps, method."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from lepton_engine.compression.comparison import Comparison, megabytes
from lepton_engine.compression.gate import HIGH_POINTS, LEAST_N, LOSS_POINTS, RESAMPLES
from lepton_engine.compression.rows import CompareRow
from lepton_engine.text import three

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 Inter, system-ui, "Segoe UI", "Noto Sans SC", sans-serif; margin: 2rem auto;
       max-width: 1200px; padding: 0 1rem; color: CanvasText; background: Canvas; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; }
tbody tr:not(.why) td { border-top: 1px solid rgba(128,134,140,.35); padding-top: .5rem; }
td.number, th.number { text-align: right; white-space: nowrap; }
.why td { font-size: .88em; opacity: .85; padding-top: 0; } summary { cursor: pointer; }
"""
HEAD = (("recipe", ""), ("decision", ""), ("{metric}", "number"), ("points lost (95 %)", "number"),
        ("ms a {unit}", "number"), ("times", "number"), ("{unit}s/s", "number"),
        ("times", "number"),
        ("MB on disk", "number"), ("MB of memory", "number"))


def page(comparison: Comparison) -> str:
    """For `Comparison.to_html`: plotly's script is inside, nothing is loaded from anywhere."""
    plot = comparison.to_figure().to_html(full_html=False, include_plotlyjs="inline",
                                          config={"displaylogo": False, "responsive": True})
    title = f"{comparison.name}: compressed against the original"
    return "\n".join((
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>", f"<p>{escape(_summary(comparison))}</p>", plot,
        '<h2>Table</h2><div class="scroll">', _table(comparison), "</div>",
        "<h2>What the steps did</h2>", *(_steps(row) for row in comparison.rows if row.steps),
        "<h2>How it was measured</h2>", f"<p>{escape(_method(comparison))}</p>",
        "</body></html>"))


def _summary(comparison: Comparison) -> str:
    return (f"{comparison.metric} over n = {comparison.n:,} paired predictions; measured on "
            f"{comparison.host}, {comparison.date}.")


def _method(comparison: Comparison) -> str:
    about = next((str(row.detail["about"]) for row in comparison.rows if "about" in row.detail), "")
    versions = next((row.versions for row in comparison.rows if row.versions), {})
    return (
        f"Data: {about}. Original and variant predict the same examples; the interval of the "
        f"difference is a paired bootstrap of {RESAMPLES:,} resamples. A variant passes when it "
        f"loses at most {LOSS_POINTS:g} points and the interval stays below {HIGH_POINTS:g}; "
        f"below {LEAST_N:,} predictions, or without labels, nothing is decided. Both are timed in "
        "one run, in turns, on distinct texts, without caches, the tokenising counted: the median "
        "of one text at a time, and many texts in calls of 256. Memory is the growth of a fresh "
        "process that loads and runs the variant. "
        + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")


def _table(comparison: Comparison) -> str:
    names = {"metric": comparison.metric, "unit": comparison.unit}
    cells = "".join(f'<th class="{kind}">{escape(text.format(**names))}</th>'
                    for text, kind in HEAD)
    first = comparison.original()
    body = [_line(first)] if first else []
    body += [_line({**vars(row), "speedup": row.speedup, "throughput_gain": row.throughput_gain})
             for row in comparison.rows]
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _line(row: Mapping[str, Any]) -> str:
    failed = row["value"] != row["value"]
    loss = "–" if failed else f"{row['loss_points']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    values = (row["recipe"], row["decision"], "–" if failed else f"{row['value']:.4f}", loss,
              three(row["latency_ms"]), three(row["speedup"]), three(row["texts_per_second"]),
              three(row["throughput_gain"]), megabytes(row["size_bytes"]),
              megabytes(row["memory_bytes"]))
    cells = "".join(f'<td class="{kind}">{escape(value)}</td>'
                    for value, (_, kind) in zip(values, HEAD, strict=True))
    why = escape(f"{row['reason']} {row['gain']}".strip())
    return f'<tr>{cells}</tr><tr class="why"><td colspan="{len(HEAD)}">{why}</td></tr>'


def _steps(row: CompareRow) -> str:
    items = "".join(
        f"<li><b>{escape(step.step)}</b>: {escape(step.detail)} ({step.parameters_before:,} to "
        f"{step.parameters_after:,} parameters, {three(step.seconds)} s)"
        + (f"<br>Left as they are: {escape('; '.join(step.skipped))}" if step.skipped else "")
        + "</li>" for step in row.steps)
    return f"<details><summary>{escape(row.recipe)}</summary><ul>{items}</ul></details>"
