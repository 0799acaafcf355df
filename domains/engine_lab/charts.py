"""The pictures of the lab: quality against latency, bars side by side, attention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domains.engine_lab.heat import MEAN, shown
from domains.engine_lab.rows import original_of, timed
from domains.engine_lab.views import change, metric, numbered
from domains.shared.figures import COLOURS, TEXT, empty_figure, figure_style
from domains.shared.markup import escape, size, three
from domains.shared.texts import Texts
from lepton_engine.compression.picture import front

if TYPE_CHECKING:
    import plotly.graph_objects as go

SAY = Texts("engine_lab")
Payload = Mapping[str, Any]
Row = Mapping[str, Any]
# Symbol and word carry the meaning; the colour repeats it.
LOOKS = {"original": (COLOURS["original"], "circle"), "passed": (COLOURS["accent"], "circle"),
         "refused": (COLOURS["negative"], "square"),
         "undecidable": (COLOURS["neutral"], "diamond")}
LARGEST, SMALLEST = 46.0, 17.0
MOST_TOKENS = 48


def quality_figure(payload: Payload, lang: str) -> go.Figure:
    """Quality against latency: bubble by size, interval of the loss, the Pareto line."""
    import plotly.graph_objects as go

    rows = payload["rows"]
    placed = [(number, row) for number, row in numbered(rows) if row in timed(rows)]
    base = original_of(rows)
    if not placed:
        return empty_figure(SAY(lang, "figure.none"), lang, height=220)
    fig = go.Figure()
    points = [row for _, row in placed] + ([base] if base else [])
    best = front((row["latency_ms"], row["value"]) for row in points)
    fig.add_trace(go.Scatter(
        x=[latency for latency, _ in best], y=[value for _, value in best], mode="lines",
        line={"color": TEXT, "width": 1.5, "dash": "dot", "shape": "hv"}, hoverinfo="skip",
        name=SAY(lang, "figure.pareto")))
    most = max((row.get("size_bytes") or 0 for row in points), default=0)
    for decision in LOOKS:
        own = ([("", base)] if base and decision == "original" else
               [(str(n), row) for n, row in placed if row["decision"] == decision])
        if own:
            fig.add_trace(_bubbles(own, decision, most, lang))
    figure_style(fig, lang, height=440)
    unit = "latency_tokens" if placed[0][1]["unit"] == "token" else "latency"
    fig.update_xaxes(title=SAY(lang, f"figure.{unit}"), rangemode="tozero")
    fig.update_yaxes(title=SAY(lang, "figure.quality", metric=metric(points[0]["metric"], lang)))
    fig.update_layout(margin={"t": 56, "r": 24})
    return fig


def _bubbles(own: Sequence[tuple[str, Any]], decision: str, most: float, lang: str) -> Any:
    import plotly.graph_objects as go

    colour, symbol = LOOKS[decision]
    rows = [row for _, row in own]
    return go.Scatter(
        x=[row["latency_ms"] for row in rows], y=[row["value"] for row in rows],
        mode="markers+text", name=SAY(lang, f"verdict.{decision}"),
        text=[f"<b>{label}</b>" for label, _ in own], textposition="middle center",
        textfont={"color": "#ffffff" if decision != "original" else "#10242f", "size": 12},
        marker={"color": colour, "symbol": symbol, "opacity": 0.9, "line": {"width": 0},
                "size": [_diameter(row, most) for row in rows]},
        error_y=_interval(rows), customdata=[_hover(label, row, lang) for label, row in own],
        hovertemplate="%{customdata}<extra></extra>")


def _diameter(row: Row, most: float) -> float:
    """The area follows the size; the smallest still holds its number."""
    count = row.get("size_bytes") or 0
    return max(SMALLEST, LARGEST * math.sqrt(count / most)) if most else 24.0


def _interval(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The 95 % interval of the loss, laid round the variant's value."""
    if any(row.get("low") is None for row in rows):
        return None
    return {"type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": TEXT,
            "array": [max(0.0, (row["loss_points"] - row["low"]) / 100) for row in rows],
            "arrayminus": [max(0.0, (row["high"] - row["loss_points"]) / 100) for row in rows]}


def _hover(label: str, row: Row, lang: str) -> str:
    lines = [f"<b>{label + ' · ' if label else ''}{escape(row['recipe'])}</b>",
             f"{escape(metric(row['metric'], lang))} {three(row['value'])}",
             f"{three(row['latency_ms'])} ms"]
    if row.get("size_bytes"):
        lines.append(size(row["size_bytes"]))
    if row.get("loss_points") is not None:
        lines.append(SAY(lang, "figure.lost", change=change(row["loss_points"], lang),
                         low=f"{row['low']:.2f}", high=f"{row['high']:.2f}"))
    return "<br>".join(lines)


def sides_figure(payload: Payload, lang: str) -> go.Figure:
    """The likeliest labels of both sides as pairs of bars."""
    import plotly.graph_objects as go

    sides = payload["sides"]
    tops = [item["label"] for side in sides for item in side["items"][:5]]
    labels = list(dict.fromkeys(tops))[:8]
    if not labels or payload["kind"] == "decoder":
        return empty_figure(SAY(lang, "figure.no_bars"), lang, height=120)
    fig = go.Figure()
    for side, colour in zip(sides, ("original", "compressed"), strict=False):
        values = {item["label"]: item["value"] for item in side["items"]}
        fig.add_trace(go.Bar(
            y=[short(label) for label in labels], x=[values.get(label, 0.0) for label in labels],
            orientation="h", name=side["recipe"], marker={"color": COLOURS[colour]},
            text=[three(values.get(label)) for label in labels], textposition="outside",
            cliponaxis=False, customdata=[escape(label) for label in labels],
            hovertemplate="%{customdata}<br>%{x:.3~f}"))
    figure_style(fig, lang, height=110 + 46 * len(labels))
    key = "probability" if payload["kind"] == "adapter" else "likeness"
    fig.update_xaxes(title=SAY(lang, f"figure.{key}"), range=[0, 1.12])
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_layout(barmode="group", bargap=0.3, margin={"t": 36})
    return fig


def short(text: str, most: int = 34) -> str:
    """An axis label that leaves room for its bars."""
    return escape(text if len(text) <= most else f"{text[:most - 1]}…")


def heat_figure(payload: Payload, lang: str, place: int) -> go.Figure:
    """One side's attention: the row's token looks at the column's. 0 white … 1 dark."""
    import plotly.graph_objects as go

    if place >= len(payload["sides"]):
        return empty_figure(SAY(lang, "heat.one_side"), lang, height=160)
    side = payload["sides"][place]
    weights = shown(side, payload["layer"], payload["head"])
    if weights is None:
        gone = payload["layer"] >= len(side["weights"])
        return empty_figure(SAY(lang, "heat.layer_gone" if gone else "heat.head_gone",
                                layer=payload["layer"] + 1, recipe=escape(side["recipe"]),
                                n=0 if gone else len(side["weights"][payload["layer"]])),
                            lang, height=300)
    names = [short(token, 14) for token in side["tokens"][:MOST_TOKENS]]
    at = list(range(len(names)))
    part = weights[:len(names), :len(names)]
    fig = go.Figure(go.Heatmap(
        z=part.tolist(), x=at, y=at, zmin=0, zmax=_darkest(payload),
        colorscale=[[0, "rgba(0,114,178,0.04)"], [1, "#0072B2"]],
        colorbar={"thickness": 8, "outlinewidth": 0, "len": 0.9},
        customdata=[[f"{a} → {b}" for b in names] for a in names],
        hovertemplate="%{customdata}<br>%{z:.3f}<extra></extra>"))
    ticks = {"tickvals": at, "ticktext": names, "showgrid": False, "zeroline": False,
             "tickfont": {"size": 11}}
    figure_style(fig, lang, height=170 + max(240, 17 * len(names)))
    fig.update_xaxes(**ticks, tickangle=-60)
    fig.update_yaxes(**ticks, autorange="reversed")
    title = {"text": heat_title(payload, place, lang), "y": 1, "yanchor": "top", "pad": {"t": 8}}
    fig.update_layout(title=title,
                      margin={"t": 62, "l": 30, "r": 8})
    return fig


def heat_of(place: int) -> Any:
    """The view of one side: 0 the original, 1 the variant."""
    return lambda payload, lang: heat_figure(payload, lang, place)


def heat_title(payload: Payload, place: int, lang: str) -> str:
    head = payload["head"]
    which = SAY(lang, "heat.mean") if head == MEAN else SAY(lang, "heat.head_n", n=head + 1)
    recipe = escape(payload["sides"][place]["recipe"])
    return f"{recipe}<br>{SAY(lang, 'heat.layer_n', n=payload['layer'] + 1)} · {which}"


def _darkest(payload: Payload) -> float:
    """One scale for both sides, so that their colours can be compared."""
    seen = [shown(side, payload["layer"], payload["head"]) for side in payload["sides"]]
    return max([0.05, *(float(part.max()) for part in seen if part is not None)])
