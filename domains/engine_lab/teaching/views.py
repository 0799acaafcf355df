"""Views of “Teach your own”: scores, confusion matrix, worst mistakes, one own text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from domains.engine_lab.teaching.service import percent
from domains.shared.figures import figure_style
from domains.shared.markup import duration, escape
from domains.shared.tables import bytes_file, csv_file
from domains.shared.texts import Texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

SAY = Texts("engine_lab")
Payload = Mapping[str, Any]
MOST_NUMBERS = 14  # labels with which a cell still holds its number
MOST_SHOWN = 6  # labels of one own text


def scores_html(payload: Payload, lang: str) -> str:
    """Accuracy and macro F1 large, with intervals; then what a person must know."""
    scores = payload["scores"]
    tiles = "".join(_tile(SAY(lang, f"teach.{key}"), percent(scores[key]["value"]),
                          SAY(lang, "teach.interval", low=percent(scores[key]["low"]),
                              high=percent(scores[key]["high"])))
                    for key in ("accuracy", "macro_f1"))
    common = scores["commonest"]
    tiles += _tile(SAY(lang, "teach.base"), percent(common["share"]),
                   SAY(lang, "teach.base_said", label=common["label"]))
    tiles += _tile(SAY(lang, "teach.n"), f"{scores['n']:,}",
                   SAY(lang, "teach.n_said", labels=len(payload["labels"]),
                       time=duration((payload.get("stamp") or {}).get("latency_ms"))))
    notes = "".join(f"<li>{escape(note)}</li>" for note in notes_of(payload, lang))
    warned = "" if payload["better"] else " lp-teach-warned"
    return (f'<div class="lp-teach-tiles">{tiles}</div>'
            f'<p class="lp-answer{warned}">{escape(payload["reason"])}</p>'
            f'<ul class="lp-teach-notes lp-quiet">{notes}</ul>')


def _tile(title: str, value: str, below: str) -> str:
    return (f'<div><span class="lp-quiet">{escape(title)}</span><b>{escape(value)}</b>'
            f'<span class="lp-quiet">{escape(below)}</span></div>')


def notes_of(payload: Payload, lang: str) -> list[str]:
    """How it was measured, and what of the rows was not used."""
    facts = payload["facts"]
    said = [SAY(lang, "teach.how", trunk=payload["trunk"], recipe=payload["recipe"])]
    if facts["duplicates_dropped"]:
        said.append(SAY(lang, "teach.dropped", n=f"{facts['duplicates_dropped']:,}"))
    if facts["one_group"]:
        said.append(SAY(lang, "teach.one_group", labels=", ".join(facts["one_group"][:5])))
    if facts["not_read"]:
        said.append(SAY(lang, "teach.not_read", n=f"{facts['not_read']:,}",
                        of=f"{facts['language_read']:,}", trunk=payload["trunk"]))
    return said


def _short(text: str, most: int = 22) -> str:
    return escape(text if len(text) <= most else f"{text[:most - 1]}…")


def confusion_figure(payload: Payload, lang: str) -> go.Figure:
    """True labels in rows, told ones in columns: colour is the share of the row."""
    import plotly.graph_objects as go

    cells, names = payload["confusion"], payload["labels"]
    shares = [[cell / max(1, sum(row)) for cell in row] for row in cells]
    at = list(range(len(names)))
    small = len(names) <= MOST_NUMBERS
    fig = go.Figure(go.Heatmap(
        z=shares, x=at, y=at, zmin=0, zmax=1, xgap=2 if small else 0, ygap=2 if small else 0,
        colorscale=[[0, "rgba(0,114,178,0.05)"], [1, "rgba(0,114,178,0.62)"]],
        colorbar={"thickness": 8, "outlinewidth": 0, "len": 0.9, "tickformat": ".0%"},
        customdata=[[SAY(lang, "teach.hover", label=_short(a), predicted=_short(b), n=cells[i][j],
                         of=sum(cells[i])) for j, b in enumerate(names)]
                    for i, a in enumerate(names)],
        hovertemplate="%{customdata}<extra></extra>"))
    figure_style(fig, lang, height=150 + max(220, (40 if small else 15) * len(names)))
    if small:  # in the page's own text colour, which both ends of the scale let read
        for i, row in enumerate(cells):
            for j, n in enumerate(row):
                if n:
                    fig.add_annotation(x=j, y=i, text=f"{n:,}", showarrow=False)
    ticks = {"tickvals": at, "ticktext": [_short(name) for name in names], "showgrid": False,
             "zeroline": False, "tickfont": {"size": 12 if small else 9}}
    fig.update_xaxes(**ticks, title=SAY(lang, "teach.predicted"),
                     tickangle=0 if len(names) <= 2 else -45)
    fig.update_yaxes(**ticks, title=SAY(lang, "teach.truth"), autorange="reversed")
    fig.update_layout(margin={"t": 16, "r": 8, "l": 30})
    return fig


def classes_html(payload: Payload, lang: str) -> str:
    """F1 of each label as a bar with its interval; the weakest first."""
    rows = sorted(payload["scores"]["f1_per_class"].items(), key=lambda row: row[1]["value"])
    body = "".join(
        f'<tr><td>{escape(name)}</td><td class="lp-teach-bar"><i style="width:'
        f'{100 * row["value"]:.0f}%"></i></td><td>{percent(row["value"])}</td>'
        f'<td class="lp-quiet">{percent(row["low"])} – {percent(row["high"])}</td>'
        f'<td class="lp-quiet">{row["n"]:,}</td></tr>' for name, row in rows)
    heads = "".join(f"<th>{escape(SAY(lang, key))}</th>" for key in (
        "teach.label", "", "teach.f1", "teach.interval_head", "teach.n") if key)
    heads = heads.replace("</th>", "</th><th></th>", 1)
    return (f"<h4>{escape(SAY(lang, 'teach.classes'))}</h4><div class=\"lp-lab-scroll\">"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>")


def mistakes_html(payload: Payload, lang: str) -> str:
    """The most confident wrong predictions, with their texts."""
    title = f"<h4>{escape(SAY(lang, 'teach.mistakes'))}</h4>"
    if not payload["mistakes"]:
        return title + f'<p class="lp-quiet">{escape(SAY(lang, "teach.no_mistake"))}</p>'
    body = "".join(
        f'<li><q>{escape(m["text"][:300])}</q><span><b>{escape(m["label"])}</b> → '
        f'<b class="lp-teach-wrong">{escape(m["predicted"])}</b> {percent(m["confidence"])}'
        f'</span><small class="lp-quiet">{escape(SAY(lang, "teach.row", n=m["row"]))}</small></li>'
        for m in payload["mistakes"])
    return (f'{title}<p class="lp-quiet">{escape(SAY(lang, "teach.mistakes_said"))}</p>'
            f'<ol class="lp-teach-mistakes">{body}</ol>')


def zip_file(payload: Payload, lang: str) -> str:
    """The classifier as a file; none of the texts is in it."""
    return bytes_file(f"{payload['name']}.zip", payload["file"])


def mistakes_file(payload: Payload, lang: str) -> str:
    """The worst mistakes as a CSV file, for whoever corrects the labels."""
    return csv_file(f"{payload['name']}-mistakes", payload["mistakes"],
                    ("row", "text", "label", "predicted", "confidence"))


def own_html(payload: Payload, lang: str) -> str:
    """The likeliest labels of one text."""
    rows = "".join(
        f'<tr><td>{escape(item["label"])}</td><td class="lp-teach-bar"><i style="width:'
        f'{100 * item["value"]:.0f}%"></i></td><td>{percent(item["value"])}</td></tr>'
        for item in payload["items"][:MOST_SHOWN])
    table = (f'<div class="lp-lab-scroll"><table><tbody>{rows}</tbody></table></div>'
             if rows else "")
    stamp = payload.get("stamp") or {}
    cost = (f'<p class="lp-quiet">{escape(stamp["variant"])} · '
            f'{duration(stamp["latency_ms"])}</p>' if stamp else "")
    return f'<p class="lp-answer">{escape(payload["reason"])}</p>{table}{cost}'
