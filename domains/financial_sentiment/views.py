"""From a payload (``SentimentOutcome.to_json()``) to HTML and rows. Pure; no Gradio.

The page adds to the payload of the last run ``selected``: the payload of an explanation
and the row that was chosen; see ``ui.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domains.financial_sentiment.index import entries, over_time
from domains.financial_sentiment.rows import signed, summary
from domains.shared.figures import COLOURS
from domains.shared.markup import escape, three
from domains.shared.tables import csv_file
from domains.shared.texts import Texts

SAY = Texts("financial_sentiment")
Payload = Mapping[str, Any]
# On a phone the first four are in sight.
COLUMNS = ("number", "headline", "ticker", "score", "label", "entity", "confidence")
CSV_COLUMNS = (
    "number", "headline", "entity", "ticker", "company", "label", "score", "confidence",
    "decision", "reason", "language", "published_at",
)
COMMON = ("decision", "reason", "confidence", "evidence", "stamp")
ICONS = {"positive": "▲", "negative": "▼", "neutral": "■", None: "–"}


def summary_html(payload: Payload, lang: str) -> str:
    """One line: how far, what became of the headlines, and notices about the input."""
    parts = [summary(SAY, lang, payload["rows"])]
    if payload["headlines"] < payload["total"]:
        parts.insert(0, SAY(lang, "summary.partial", done=payload["headlines"],
                            total=payload["total"]))
    badge, notices = "", []
    if payload["sample"]:
        badge = f'<span class="lp-badge lp-clarify">{escape(SAY(lang, "summary.sample"))}</span> '
        notices.append(SAY(lang, "notice.sample"))
    if payload["ignored"]:
        names = ", ".join(name[:40] for name in payload["ignored"][:10])
        notices.append(SAY(lang, "notice.ignored", names=names))
    quiet = "".join(f'<p class="lp-quiet">{escape(text)}</p>' for text in notices)
    return f'<div role="status"><p>{badge}{escape(" ".join(parts))}</p>{quiet}</div>'


def table(payload: Payload, lang: str) -> dict[str, Any]:
    """The rows for the page: ``{"headers": [...], "data": [[...], ...]}``."""
    return {"headers": [SAY(lang, f"column.{name}") for name in COLUMNS],
            "data": [_cells(row, lang) for row in payload["rows"]]}


def _cells(row: Payload, lang: str) -> list[Any]:
    word = SAY(lang, f"label.{row['label'] or 'none'}")
    score, confidence = row["score"], row["confidence"]
    shown = {**row, "label": f"{ICONS[row['label']]} {word}", "confidence": three(confidence),
             "score": "–" if score is None else signed(score)}
    return [shown[name] or "–" for name in COLUMNS]


def csv_rows(payload: Payload) -> list[list[Any]]:
    """The rows for a download, in the order of ``CSV_COLUMNS``; numbers stay numbers."""
    return [[round(v, 6) if isinstance(v := row[name], float) else v for name in CSV_COLUMNS]
            for row in payload["rows"]]


def table_file(payload: Payload, lang: str) -> str | None:
    """A CSV file of all rows and columns; its path. None while headlines are still missing."""
    if payload["headlines"] < payload["total"]:
        return None
    return csv_file("financial_sentiment", csv_rows(payload), CSV_COLUMNS)


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


def words_html(payload: Payload, lang: str) -> str:
    """The selected headline with its words coloured by how they move the score."""
    chosen = payload.get("selected")
    if not chosen:
        return f'<p class="lp-quiet">{escape(SAY(lang, "output.select"))}</p>'
    key = "output.words_own" if chosen["read_as"] else "output.words"
    title = escape(SAY(lang, key, number=chosen["number"], entity=chosen["entity"] or ""))
    marked = _marked(chosen["headline"], chosen["words"])
    note = ""
    if chosen["words"]:
        note = escape(SAY(lang, "words.method", n=len(chosen["words"])))
    read = ""
    if chosen["read_as"]:
        said = escape(SAY(lang, "output.read_as", text=chosen["read_as"]))
        read = f'<p class="lp-quiet">{said}</p>'
    reason = escape(chosen["reason"])
    return (f'<section><h4>{title}</h4><p style="line-height:2.2">{marked}</p>{read}'
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
    """The row that a line of the table shows, found by the number and the entity in it."""
    if not payload or not cells:
        return None
    number, entity = (cells[COLUMNS.index(name)] for name in ("number", "entity"))
    for row in payload["rows"]:
        if str(row["number"]) == str(number) and (row["entity"] or "–") == entity:
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
