"""From a payload (``RecommendationOutcome.to_json()``) to HTML, rows and a figure. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domains.recommendation.films import TABLE_SOURCE
from domains.recommendation.reasons import reason_text
from domains.shared.figures import COLOURS, empty_figure, figure_style
from domains.shared.markup import escape, three
from domains.shared.tables import csv_file
from domains.shared.texts import Texts
from domains.shared.why import badge_html

if TYPE_CHECKING:
    import plotly.graph_objects as go

SAY = Texts("recommendation")
Payload = Mapping[str, Any]
COLUMNS = ("rank", "title", "year", "director", "genres", "score", "reasons")
CSV_COLUMNS = ("rank", "id", *COLUMNS[1:], "source")
POINT_COLUMNS = ("role", "title", "year", "x", "y")
HEIGHT = 520  # of the map, pixels


def answer_html(payload: Payload, lang: str) -> str:
    """What the list rests on, then the ranked films with their reasons; or why there is none."""
    if not payload["items"]:
        return (f'<div class="lp-answer lp-film-none">{badge_html(payload["decision"], lang)}'
                f'<p>{escape(payload["reason"])}</p></div>')
    rows = "".join(_film(item, rank, lang) for rank, item in enumerate(payload["items"], start=1))
    note = escape(SAY(lang, "out.score")) + _alike(payload, lang)
    return (f'<div class="lp-films">{_basis(payload, lang)}<ol class="lp-film-list">{rows}</ol>'
            f'<p class="lp-quiet">{note}</p></div>')


def _basis(payload: Payload, lang: str) -> str:
    said = []
    if payload["liked"]:
        said.append(SAY(lang, "out.liked", liked=_join(payload["liked"], lang)))
    if payload["query"]:
        said.append(SAY(lang, "out.query", query=payload["query"]))
    return "".join(f'<p class="lp-quiet">{escape(line)}</p>' for line in said)


def _alike(payload: Payload, lang: str) -> str:
    if payload["alike"] is None:
        return ""
    return " " + escape(SAY(lang, "out.alike", alike=f"{payload['alike']:.2f}",
                            diversity=f"{payload['diversity']:.2f}"))


def _film(item: Payload, rank: int, lang: str) -> str:
    """One film: title, facts, how well it matches, and each reason with its source."""
    facts = [_join(item["directors"], lang), _join(item["genres"], lang)]
    if not item["introduction"]:
        facts.append(SAY(lang, "out.untold"))
    line = " · ".join(escape(fact) for fact in facts if fact)
    width = max(0.0, min(1.0, float(item["score"]))) * 100
    year = f' <span class="lp-film-year">{item["year"]}</span>' if item["year"] else ""
    reasons = "".join(_reason(reason, lang) for reason in item["reasons"])
    return (f'<li><span class="lp-film-rank" aria-hidden="true">{rank}</span>'
            f'<div class="lp-film-body"><div class="lp-film-head"><b>{escape(item["title"])}</b>'
            f'{year}<span class="lp-film-score"><span class="lp-meter" aria-hidden="true">'
            f'<i style="width:{width:.0f}%"></i></span>{three(item["score"])}</span></div>'
            f'<div class="lp-film-facts">{line}</div>'
            f'<ul class="lp-film-reasons">{reasons}</ul></div></li>')


def _reason(reason: Payload, lang: str) -> str:
    """The reason in the page's language with a word on its source, whole when pointed at."""
    source = reason["evidence"]["source"]
    short = SAY(lang, "source.table" if source == TABLE_SOURCE else "source.text")
    said = f"<span>{escape(_said(reason, lang))}</span>"
    if reason["kind"] == "pair":  # two quotes: the other film's stands back
        first = SAY(lang, "reason.pair_first", first=reason["values"][0])
        second = SAY(lang, "reason.pair_second", film=reason["film"], second=reason["values"][1])
        said = f'<span>{escape(first)}</span> <span class="lp-film-other">{escape(second)}</span>'
    return (f'<li>{said} <span class="lp-film-from" title="{escape(source)}">{escape(short)}'
            "</span></li>")


def _said(reason: Payload, lang: str) -> str:
    return reason_text(SAY, lang, reason["kind"], reason["film"], reason["values"])


def _join(names: Sequence[str], lang: str) -> str:
    return SAY(lang, "reason.comma").join(names)


def table(payload: Payload, lang: str) -> dict[str, Any]:
    """The ranked films for the page: ``{"headers": [...], "data": [[...], ...]}``."""
    return {"headers": [SAY(lang, f"column.{name}") for name in COLUMNS],
            "data": [[row[name] for name in COLUMNS] for row in _rows(payload, lang)]}


def _rows(payload: Payload, lang: str) -> list[dict[str, Any]]:
    return [{
        "rank": rank, "id": item["id"], "title": item["title"], "year": item["year"],
        "director": _join(item["directors"], lang), "genres": _join(item["genres"], lang),
        "score": round(item["score"], 3),
        "reasons": " ".join(_said(reason, lang) for reason in item["reasons"]),
        "source": "; ".join(dict.fromkeys(r["evidence"]["source"] for r in item["reasons"])),
    } for rank, item in enumerate(payload["items"], start=1)]


def table_file(payload: Payload, lang: str) -> str | None:
    """A CSV file of the ranked films with their reasons and sources; None without films."""
    if not payload["items"]:
        return None
    return csv_file("recommendation", _rows(payload, lang), CSV_COLUMNS)


def neighbourhood(payload: Payload, lang: str) -> go.Figure:
    """The liked, recommended and near films as points; the title of each on hover."""
    import plotly.graph_objects as go

    points = payload["map"]["points"]
    if not points:
        return empty_figure(SAY(lang, "out.nothing"), lang, height=70)
    fig = go.Figure()
    for role in ("near", "recommended", "liked"):
        mine = [point for point in points if point["role"] == role]
        if mine:
            fig.add_trace(_trace(mine, role, lang))
    fig.update_xaxes(showticklabels=False, zeroline=False)
    fig.update_yaxes(showticklabels=False, zeroline=False)
    fig.update_layout(margin={"l": 8, "r": 8, "t": 36, "b": 8})
    return figure_style(fig, lang, height=HEIGHT)


def _trace(points: Sequence[Payload], role: str, lang: str) -> go.Scatter:
    """One role's points: the recommended carry their rank, the liked their title."""
    import plotly.graph_objects as go

    labels = [f"{p['title']} ({p['year']})" if p["year"] else p["title"] for p in points]
    look: dict[str, dict[str, Any]] = {
        "near": {"mode": "markers", "marker": {"size": 8, "color": COLOURS["neutral"],
                                               "opacity": 0.55}},
        "recommended": {"mode": "markers+text", "textposition": "middle center",
                        "text": [str(rank) for rank in range(1, len(points) + 1)],
                        "textfont": {"color": "#ffffff", "size": 12},
                        "marker": {"size": 24, "color": COLOURS["positive"]}},
        "liked": {"mode": "markers+text", "textposition": "top center",
                  "text": [escape(label) for label in labels],
                  "marker": {"size": 17, "color": COLOURS["compressed"], "symbol": "star"}},
    }
    return go.Scatter(
        x=[p["x"] for p in points], y=[p["y"] for p in points], name=SAY(lang, f"role.{role}"),
        customdata=[escape(label) for label in labels],
        hovertemplate="%{customdata}<extra></extra>", cliponaxis=False, **look[role])


def map_note(payload: Payload, lang: str) -> str:
    """What the map shows, with the share of the differences that a plane can keep."""
    points = payload["map"]["points"]
    if not points:
        return ""
    said = SAY(lang, "out.map", shown=three(payload["map"]["shown"] * 100), count=len(points))
    return f'<p class="lp-quiet">{escape(said)}</p>'


def point_table(payload: Payload, lang: str) -> dict[str, Any]:
    """The map's points as rows."""
    return {"headers": [SAY(lang, f"column.{name}") for name in POINT_COLUMNS],
            "data": [[SAY(lang, f"role.{p['role']}"), p["title"], p["year"], p["x"], p["y"]]
                     for p in payload["map"]["points"]]}


def attribution(lang: str) -> str:
    """Whose texts and facts these are, and how many of the listed titles they cover."""
    return f'<p class="lp-quiet">{escape(SAY(lang, "attribution"))}</p>'


def waiting(share: float, lang: str) -> str:
    """What is done while the films' vectors are computed for the first time."""
    return SAY(lang, "wait.vectors", percent=round(share * 100))


def question(payload: Payload) -> dict[str, Any]:
    """Properties of the choice among films for a title that was not understood."""
    labels = list(dict.fromkeys(choice["label"] for choice in payload["choices"]))
    return {"choices": labels, "value": None, "visible": bool(labels)}


def with_choice(payload: Payload, liked: Sequence[str], label: str) -> list[str]:
    """The liked titles with the one that was asked about replaced by the chosen film."""
    asked = next((c["asked"] for c in payload["choices"] if c["label"] == label), "")
    better = [label if " ".join(title.split()) == asked else title for title in liked]
    return better if label in better else [*better, label]
