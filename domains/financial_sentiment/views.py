"""From a payload (``SentimentOutcome.to_json()``) to HTML and rows. Pure; no Gradio.

The page adds to the payload of the last run ``selected``: the payload of an explanation
and the row that was chosen; see ``ui.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domains.financial_sentiment.index import entries, over_time
from domains.financial_sentiment.rows import signed
from domains.shared.figures import COLOURS
from domains.shared.markup import escape, three
from domains.shared.texts import Texts

SAY = Texts("financial_sentiment")
Payload = Mapping[str, Any]
COLUMNS = ("number", "headline", "entity", "ticker", "label", "score", "confidence")
CSV_COLUMNS = (
    "number", "headline", "entity", "ticker", "company", "label", "score", "confidence",
    "decision", "reason", "language", "published_at",
)
COMMON = ("decision", "reason", "confidence", "evidence", "stamp")
ICONS = {"positive": "▲", "negative": "▼", "neutral": "■", None: "–"}


def summary_html(payload: Payload, lang: str) -> str:
    """One line: how far, what became of the headlines, and notices about the input."""
    whole = payload.get("overview") or payload
    parts = [escape(whole["reason"])]
    if payload["headlines"] < payload["total"]:
        parts.insert(0, escape(SAY(lang, "summary.partial", done=payload["headlines"],
                                   total=payload["total"])))
    badge = ""
    if payload["sample"]:
        badge = f'<span class="lp-badge lp-clarify">{escape(SAY(lang, "summary.sample"))}</span> '
    notices = "".join(f'<p class="lp-quiet">{escape(text)}</p>' for text in payload["notices"])
    return f'<div role="status"><p>{badge}{" ".join(parts)}</p>{notices}</div>'


def table(payload: Payload, lang: str) -> dict[str, Any]:
    """The rows for the page: ``{"headers": [...], "data": [[...], ...]}``."""
    return {"headers": [SAY(lang, f"column.{name}") for name in COLUMNS],
            "data": [_cells(row, lang) for row in payload["rows"]]}


def _cells(row: Payload, lang: str) -> list[Any]:
    word = SAY(lang, f"label.{row['label'] or 'none'}")
    score, confidence = row["score"], row["confidence"]
    return [row["number"], row["headline"], row["entity"] or "–", row["ticker"] or "–",
            f"{ICONS[row['label']]} {word}", "–" if score is None else signed(score),
            three(confidence)]


def csv_rows(payload: Payload) -> list[list[Any]]:
    """The rows for a download, in the order of ``CSV_COLUMNS``; numbers stay numbers."""
    return [[round(v, 6) if isinstance(v := row[name], float) else v for name in CSV_COLUMNS]
            for row in payload["rows"]]


def index_table(payload: Payload, lang: str) -> dict[str, Any]:
    """The index: one row a ticker."""
    names = ("ticker", "company", "n", "mean", "interval")
    return {"headers": [SAY(lang, f"column.{name}") for name in names],
            "data": [[e.ticker, e.company or "–", e.n, signed(e.mean), three(e.half_width)]
                     for e in entries(payload["rows"])]}


def time_table(payload: Payload, lang: str) -> dict[str, Any]:
    """The index after every headline that has a time: cumulative and of the last five."""
    names = ("time", "ticker", "n", "cumulative", "rolling", "headline")
    return {"headers": [SAY(lang, f"column.{name}") for name in names],
            "data": [[p.time, p.ticker, p.n, signed(p.cumulative), signed(p.rolling), p.headline]
                     for p in over_time(payload["rows"])]}


def has_times(payload: Payload) -> bool:
    """Whether there is an index over time to draw."""
    return any(row["published_at"] and row["ticker"] for row in payload["rows"])


def words_html(payload: Payload, lang: str) -> str:
    """The selected headline with its words coloured by how they move the score."""
    chosen = payload.get("selected")
    if not chosen:
        return f'<p class="lp-quiet">{escape(SAY(lang, "output.select"))}</p>'
    title = escape(SAY(lang, "output.words", number=chosen["number"]))
    marked = _marked(chosen["headline"], chosen["words"])
    note = ""
    if chosen["words"]:
        note = escape(SAY(lang, "words.method", n=len(chosen["words"])))
    reason = escape(chosen["reason"])
    return (f'<section><h4>{title}</h4><p style="line-height:2.2">{marked}</p>'
            f'<p>{reason}</p><p class="lp-quiet">{note}</p></section>')


def _marked(headline: str, words: Sequence[Payload]) -> str:
    """Background by the size of the change; the number stands beside the word."""
    largest = max((abs(w["change"]) for w in words), default=0.0) or 1.0
    pieces, at = [], 0
    for word in words:
        pieces.append(escape(headline[at:word["start"]]))
        pieces.append(_word(word, abs(word["change"]) / largest))
        at = word["end"]
    return "".join(pieces) + escape(headline[at:])


def _word(word: Payload, share: float) -> str:
    text = escape(word["word"])
    if share < 0.1:
        return text
    colour = COLOURS["positive" if word["change"] > 0 else "negative"]
    alpha = round(15 + 40 * share)
    return (f'<span style="background:color-mix(in srgb, {colour} {alpha}%, transparent);'
            f'border-bottom:2px solid {colour};border-radius:3px;padding:1px 3px">{text} '
            f'<small>{signed(word["change"])}</small></span>')


def row_of(payload: Payload | None, cells: Sequence[Any] | None) -> dict[str, Any] | None:
    """The row that a table line shows: the cells begin with number, headline and entity."""
    if not payload or not cells:
        return None
    for row in payload["rows"]:
        if str(row["number"]) == str(cells[0]) and (row["entity"] or "–") == cells[2]:
            return dict(row)
    return None


def with_selected(payload: Payload, row: Payload, explanation: Payload) -> dict[str, Any]:
    """The payload with a row chosen: the Why panel is then about this row.

    The common fields become the row's own, its evidence led by the words that move the
    score; ``overview`` keeps those of the whole run.
    """
    overview = payload.get("overview") or {name: payload[name] for name in COMMON}
    common = {name: row[name] for name in COMMON}
    if row["label"]:
        common["evidence"] = [*explanation["evidence"], *row["evidence"]]
        common["stamp"] = explanation["stamp"]
    return {**payload, **common, "overview": overview,
            "selected": {**explanation, "number": row["number"]}}
