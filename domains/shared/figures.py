"""One plotly template for every picture: transparent, readable light and dark.

Colours are Okabe and Ito's set, which people with colour-blindness can tell apart (Okabe
and Ito 2008, Color Universal Design); one colour has one meaning in all tabs. Texts are a
mid-tone (contrast 4.4 on white and on the dark page); assets/css replaces it by the page's
own text colour, which a figure made in Python cannot know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = {
    "negative": "#D55E00",
    "neutral": "#8C8C8C",
    "positive": "#0072B2",
    "original": "#56B4E9",
    "compressed": "#E69F00",
    "accent": "#009E73",
    "other": "#CC79A7",
}
# For series without a meaning of their own, in this order; dashes and symbols repeat them.
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
TEXT = "#74797F"
GRID = "rgba(128,134,140,0.28)"
FONT = 'Inter, system-ui, "Segoe UI", "Noto Sans SC", "PingFang SC", sans-serif'


def template() -> go.layout.Template:
    """The template ``lepton``: the look of every figure."""
    import plotly.graph_objects as go

    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "tickcolor": GRID,
            "automargin": True, "ticklabelstandoff": 8, "title": {"standoff": 12},
            "hoverformat": ".3~g"}
    return go.layout.Template(layout={
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": TEXT}, "colorway": list(SERIES),
        "xaxis": axis, "yaxis": axis, "margin": {"l": 56, "r": 16, "t": 28, "b": 48},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {"font": {"family": FONT, "size": 13}}, "bargap": 0.35,
        "separators": ".,", "title": {"font": {"size": 15}, "x": 0, "xanchor": "left"},
    })


def figure_style(fig: go.Figure, lang: str = "en", *, height: int = 360) -> go.Figure:
    """Give a figure the common look, in place; returns it. ``height`` in pixels."""
    fig.update_layout(template=template(), height=height, autosize=True)
    fig.update_layout(meta={"lang": lang}, modebar={"remove": ["lasso2d", "select2d", "autoscale"],
                      "bgcolor": "rgba(0,0,0,0)", "color": TEXT, "activecolor": TEXT})
    return fig


def empty_figure(message: str, lang: str = "en", *, height: int = 360) -> go.Figure:
    """A figure that says in words why there is nothing to draw."""
    import plotly.graph_objects as go

    fig = go.Figure()
    fig.add_annotation(text=message, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    return figure_style(fig, lang, height=height)
