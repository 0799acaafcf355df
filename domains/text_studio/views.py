"""Payload to HTML and rows. A draft that is not yet checked is shown lighter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domains.shared.markup import escape, three
from domains.shared.tables import csv_file
from domains.shared.texts import Texts

TEXTS = Texts("text_studio")


def result_html(payload: Mapping[str, Any], lang: str) -> str:
    """The text made, with how far the work is when it is not complete."""
    text, draft = payload.get("text", ""), payload.get("draft", "")
    if not text and not draft:
        shown = payload.get("reason") or TEXTS(lang, "result.empty")
        return f'<div class="lp-answer lp-quiet"><p>{escape(shown)}</p></div>'
    body = _paragraphs(text) if text else ""
    tail = f'<p class="lp-quiet">{_lines(draft.strip())}</p>' if draft.strip() else ""
    note = "" if draft else _note(payload, lang)
    return f'<div class="lp-answer">{body}{tail}{note}</div>'


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_lines(part)}</p>" for part in text.split("\n\n") if part.strip())


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _note(payload: Mapping[str, Any], lang: str) -> str:
    done, total = payload.get("done", 0), payload.get("total", 0)
    if payload.get("complete", True) or not total or done >= total:
        return ""
    said = TEXTS(lang, "note.incomplete", percent=round(100 * done / total), done=f"{done:,}",
                 total=f"{total:,}")
    return f'<p class="lp-quiet">{escape(said)}</p>'


def rows(payload: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Each sentence (or piece) made, beside what it rests on."""
    headers = [TEXTS(lang, f"rows.{name}") for name in ("made", "source", "score")]
    return {"headers": headers, "data": [
        [row["title"], row["quote"], three(row["score"])] for row in payload.get("evidence", [])]}


def rows_file(payload: Mapping[str, Any], lang: str) -> str:
    """The rows as a CSV file with formulas defused."""
    table = [[e["title"], e["quote"], e["score"]] for e in payload.get("evidence", [])]
    return csv_file("text-studio", table, ["made", "source", "score"])
