"""Payload to HTML, rows and a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domains.shared.figures import COLOURS, figure_style
from domains.shared.markup import escape
from domains.shared.tables import csv_file


def answer_html(payload: Mapping[str, Any], lang: str) -> str:
    nothing = "没有答案。" if lang == "zh" else "There is no answer."
    return f'<div class="lp-answer"><p>{escape(payload["text"] or nothing)}</p></div>'


def table(payload: Mapping[str, Any], lang: str) -> dict[str, Any]:
    headers = ["段落", "匹配度"] if lang == "zh" else ["passage", "score"]
    return {"headers": headers, "data": [[k, round(v, 3)] for k, v in payload["scores"].items()]}


def table_file(payload: Mapping[str, Any], lang: str) -> str:
    return csv_file("demo", table(payload, lang)["data"], ["passage", "score"])


def figure(payload: Mapping[str, Any], lang: str) -> Any:
    import plotly.graph_objects as go

    names, values = list(payload["scores"]), list(payload["scores"].values())
    fig = go.Figure(go.Bar(y=names, x=values, orientation="h", marker_color=COLOURS["positive"]))
    fig.update_xaxes(title_text="match (0–1)", range=[0, 1])
    return figure_style(fig, lang, height=240)
