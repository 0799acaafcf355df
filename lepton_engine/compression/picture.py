"""The picture of a comparison: quality against latency, bubble by size, the Pareto line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lepton_engine.compression.comparison import Comparison, megabytes
from lepton_engine.compression.labels import Point, places, wrapped
from lepton_engine.compression.rows import CompareRow
from lepton_engine.compression.verdicts import PASSED, REFUSED, UNDECIDABLE
from lepton_engine.text import three

if TYPE_CHECKING:
    import plotly.graph_objects as go

# The values of domains/shared/figures.py, which the engine may not import: one colour has one
# meaning everywhere, and a text in this mid-tone reads on white and on the dark page.
ORIGINAL_COLOUR, COMPRESSED_COLOUR = "#56B4E9", "#E69F00"
PASSED_COLOUR, REFUSED_COLOUR, OTHER_COLOUR = "#009E73", "#D55E00", "#8C8C8C"
TEXT = "#74797F"
GRID = "rgba(128,134,140,0.28)"
FONT = 'Inter, system-ui, "Segoe UI", "Noto Sans SC", "PingFang SC", sans-serif'

#: decision -> (symbol, colour of the rim): told apart without colours too
MARKS = {PASSED: ("circle", PASSED_COLOUR), REFUSED: ("square", REFUSED_COLOUR),
         UNDECIDABLE: ("diamond", OTHER_COLOUR)}
SMALLEST_PX, LARGEST_PX = 10.0, 34.0
HEIGHT = 520
#: The plot's inside in pixels where it is drawn 1,000 wide, for which names are placed.
WIDE, HIGH = 900.0, 410.0


def figure(comparison: Comparison) -> go.Figure:
    """For `Comparison.to_figure`. Without one measured row: a figure that says so."""
    import plotly.graph_objects as go

    fig = go.Figure()
    rows = comparison.measured
    if not rows:
        fig.add_annotation(text="No recipe could be measured.", showarrow=False, x=0.5, y=0.5,
                           xref="paper", yref="paper")
        fig.update_xaxes(visible=False)
        fig.update_yaxes(visible=False)
        return _styled(fig, comparison)
    fig.add_trace(_frontier(comparison))
    for decision in MARKS:
        chosen = [row for row in rows if row.decision == decision]
        if chosen:
            fig.add_trace(_bubbles(chosen, decision, _largest(rows)))
    fig.add_trace(_original(comparison))
    _label(fig, comparison)
    return _styled(fig, comparison)


def pareto(comparison: Comparison) -> list[tuple[float, float]]:
    """(latency, quality) of what nothing else beats in both, the original among it, fastest
    first."""
    first = comparison.original()
    points = [(row.latency_ms, row.value) for row in comparison.measured]
    return front([*points, (first["latency_ms"], first["value"])])


def front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of (latency, quality) that none other beats in both, fastest first."""
    best: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or point[1] > best[-1][1]:
            best.append(point)
    return best


def _frontier(comparison: Comparison) -> go.Scatter:
    import plotly.graph_objects as go

    points = pareto(comparison)
    return go.Scatter(
        x=[x for x, _ in points], y=[y for _, y in points], mode="lines", name="Pareto line",
        line={"color": TEXT, "dash": "dot", "width": 1.5, "shape": "hv"}, hoverinfo="skip")


def _largest(rows: tuple[CompareRow, ...]) -> int:
    return max(1, *(max(row.size_bytes, row.original_size_bytes) for row in rows))


def _pixels(size: int, largest: int) -> float:
    """Area by size, with a floor below which nobody could point at it."""
    return max(SMALLEST_PX, LARGEST_PX * math.sqrt(max(size, 0) / largest))


def _bubbles(rows: list[CompareRow], decision: str, largest: int) -> go.Scatter:
    import plotly.graph_objects as go

    symbol, rim = MARKS[decision]
    return go.Scatter(
        x=[row.latency_ms for row in rows], y=[row.value for row in rows], mode="markers",
        name=decision, customdata=[_hover(row) for row in rows],
        hovertemplate="%{customdata}<extra></extra>",
        marker={"symbol": symbol, "color": COMPRESSED_COLOUR, "opacity": 0.85,
                "size": [_pixels(row.size_bytes, largest) for row in rows],
                "line": {"color": rim, "width": 2.5}},
        error_y={"type": "data", "symmetric": False, "thickness": 1, "width": 3, "color": TEXT,
                 "array": [(row.loss_points - row.low) / 100 for row in rows],
                 "arrayminus": [(row.high - row.loss_points) / 100 for row in rows]})


def _original(comparison: Comparison) -> go.Scatter:
    import plotly.graph_objects as go

    line = comparison.original()
    return go.Scatter(
        x=[line["latency_ms"]], y=[line["value"]], mode="markers", name="original",
        customdata=[f"<b>original</b><br>{comparison.metric} {line['value']:.4f}<br>"
                    f"{three(line['latency_ms'])} ms, {megabytes(line['size_bytes'])} MB"],
        hovertemplate="%{customdata}<extra></extra>",
        marker={"symbol": "circle", "color": ORIGINAL_COLOUR,
                "size": [_pixels(line["size_bytes"], _largest(comparison.measured))],
                "line": {"color": TEXT, "width": 1.5}})


def _hover(row: CompareRow) -> str:
    return (f"<b>{row.recipe}</b><br>{row.metric} {row.value:.4f}, {row.loss_points:.2f} points "
            f"lost ({row.low:.2f} to {row.high:.2f})<br>{three(row.latency_ms)} ms, "
            f"{three(row.speedup)} times as fast; {three(row.texts_per_second)} texts/s<br>"
            f"{megabytes(row.size_bytes)} MB, {row.decision}")


def _label(fig: go.Figure, comparison: Comparison) -> None:
    """Every recipe's name beside its point, moved to where it covers least."""
    line, rows = comparison.original(), comparison.measured
    largest = _largest(rows)
    named = [("original", line["latency_ms"], line["value"], line["size_bytes"])]
    named += [(row.recipe, row.latency_ms, row.value, row.size_bytes) for row in rows]
    across, up = _range([x for _, x, _, _ in named]), _range([y for _, _, y, _ in named])
    points = [Point(text, (x - across[0]) / (across[1] - across[0]) * WIDE,
                    (y - up[0]) / (up[1] - up[0]) * HIGH, _pixels(size, largest))
              for text, x, y, size in named]
    for (text, x, y, _), (dx, dy) in zip(named, places(points, WIDE, HIGH), strict=True):
        fig.add_annotation(
            text=wrapped(text), x=x, y=y, ax=dx, ay=-dy, xref="x", yref="y", showarrow=True,
            arrowhead=0, arrowwidth=0.8, arrowcolor=TEXT, font={"size": 11, "color": TEXT},
            align="left", standoff=5, xanchor="left" if dx > 0 else "right" if dx < 0 else "center",
            yanchor="bottom" if dy > 0 else "top" if dy < 0 else "middle")
    fig.update_xaxes(range=across)
    fig.update_yaxes(range=up)


def _range(values: list[float]) -> list[float]:
    """The axis: all values with room for names around them."""
    wide = max(values) - min(values) or abs(values[0]) * 0.1 or 1.0
    return [min(values) - 0.12 * wide, max(values) + 0.12 * wide]


def _styled(fig: go.Figure, comparison: Comparison) -> go.Figure:
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "tickcolor": GRID,
            "automargin": True, "title": {"standoff": 12}}
    fig.update_layout(
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=HEIGHT, autosize=True,
        font={"family": FONT, "size": 13, "color": TEXT},
        margin={"l": 64, "r": 24, "t": 40, "b": 56},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"font": {"family": FONT, "size": 13}}, separators=".,")
    fig.update_layout(modebar={"bgcolor": "rgba(0,0,0,0)", "color": TEXT, "activecolor": TEXT,
                               "remove": ["lasso2d", "select2d", "autoscale"]})
    fig.update_xaxes(title_text=f"latency, ms a {comparison.unit}", **axis)
    fig.update_yaxes(title_text=f"{comparison.metric} (n = {comparison.n:,})", **axis)
    return fig
