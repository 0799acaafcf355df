"""The two pictures of the tab: index per ticker and index over time. Pure; no Gradio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from domains.financial_sentiment.index import Entry, Point, entries, over_time
from domains.financial_sentiment.rows import signed
from domains.shared.figures import (
    COLOURS,
    GRID,
    SERIES,
    SYMBOLS,
    empty_figure,
    figure_style,
)
from domains.shared.markup import escape, three
from domains.shared.texts import Texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

SAY = Texts("financial_sentiment")
Payload = Mapping[str, Any]
MOST_BARS = 20
MOST_LINES = 6
_RANGE = [-1.08, 1.08]


def index_figure(payload: Payload, lang: str) -> go.Figure:
    """Horizontal bars: a ticker's mean score, coloured by sign, with its interval."""
    import plotly.graph_objects as go

    shown = entries(payload["rows"])[:MOST_BARS]
    if not shown:
        return empty_figure(SAY(lang, "figure.no_index"), lang, height=220)
    fig = go.Figure(go.Bar(
        x=[e.mean for e in shown], orientation="h",
        y=[f"{e.ticker}  {signed(e.mean)}  n={e.n}" for e in shown],
        marker={"color": [COLOURS[_sign(e.mean)] for e in shown]},
        error_x=_intervals(shown), customdata=[_hover(e, lang) for e in shown],
        hovertemplate="%{customdata}<extra></extra>"))
    figure_style(fig, lang, height=110 + 30 * len(shown))
    fig.update_xaxes(range=_RANGE, title=SAY(lang, "figure.score_axis"), zeroline=True,
                     zerolinewidth=2, zerolinecolor=GRID)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_layout(showlegend=False, margin={"t": 8})
    return fig


def time_figure(payload: Payload, lang: str) -> go.Figure:
    """Lines: the mean of all headlines so far of the tickers with most headlines."""
    import plotly.graph_objects as go

    points = over_time(payload["rows"])
    if not points:
        return empty_figure(SAY(lang, "figure.no_time"), lang, height=120)
    fig = go.Figure()
    for place, ticker in enumerate(_lines(points)):
        own = [p for p in points if p.ticker == ticker]
        fig.add_trace(go.Scatter(
            x=[p.time for p in own], y=[p.cumulative for p in own], name=ticker,
            mode="lines+markers", line={"shape": "hv", "width": 2, "color": SERIES[place]},
            marker={"symbol": SYMBOLS[place], "size": 8},
            customdata=[f"{escape(p.headline[:90])}<br>{signed(p.cumulative)}, n={p.n}"
                        for p in own],
            hovertemplate="%{customdata}"))
    figure_style(fig, lang, height=400)
    fig.update_yaxes(range=_RANGE, title=SAY(lang, "figure.score_axis"), zeroline=True,
                     zerolinewidth=2, zerolinecolor=GRID)
    fig.update_xaxes(title=SAY(lang, "figure.time_axis"))
    fig.update_layout(showlegend=True)
    return fig


def index_note(payload: Payload, lang: str) -> str:
    """What bars and lines of the first picture are."""
    found = entries(payload["rows"])
    if not found:
        return ""
    parts = [SAY(lang, "figure.index_note")]
    if any(e.half_width is not None for e in found):
        parts.append(SAY(lang, "figure.interval"))
    if len(found) > MOST_BARS:
        parts.append(SAY(lang, "figure.top", shown=MOST_BARS, all=len(found)))
    return _note(parts, lang)


def time_note(payload: Payload, lang: str) -> str:
    """What the lines of the second picture are."""
    tickers = {p.ticker for p in over_time(payload["rows"])}
    if not tickers:
        return _note([SAY(lang, "figure.no_time_note")], lang)
    parts = [SAY(lang, "figure.time_note")]
    if len(tickers) > MOST_LINES:
        parts.append(SAY(lang, "figure.top", shown=MOST_LINES, all=len(tickers)))
    return _note(parts, lang)


def _note(parts: list[str], lang: str) -> str:
    return f'<p class="lp-quiet">{escape(("" if lang == "zh" else " ").join(parts))}</p>'


def _lines(points: list[Point]) -> list[str]:
    """The tickers with most headlines, in an order that does not jump while more arrive."""
    return [ticker for ticker, _ in Counter(p.ticker for p in points).most_common(MOST_LINES)]


def _sign(value: float) -> str:
    return "positive" if value > 0 else "negative" if value < 0 else "neutral"


def _intervals(shown: list[Entry]) -> dict[str, Any] | None:
    """Error bars cut at the ends of the scale, which no mean can pass."""
    if all(e.half_width is None for e in shown):
        return None
    up = [min(e.half_width or 0.0, 1 - e.mean) for e in shown]
    down = [min(e.half_width or 0.0, e.mean + 1) for e in shown]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down,
            "thickness": 1.5, "width": 4, "color": "#74797F"}


def _hover(entry: Entry, lang: str) -> str:
    interval = "" if entry.half_width is None else f" ± {three(entry.half_width)}"
    return (f"{escape(entry.company or entry.ticker)}<br>{SAY(lang, 'column.mean')}: "
            f"{signed(entry.mean)}{interval}<br>{SAY(lang, 'column.n')}: {entry.n}")
