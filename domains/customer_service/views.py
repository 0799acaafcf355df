"""From a payload (``Turn.to_json()``) to chat messages, facts and buttons. Pure; no Gradio.

The page adds to a payload ``history``, the earlier exchanges, and ``stopped``; see ui.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domains.shared.markup import escape, printable, three
from domains.shared.texts import Texts
from domains.shared.why import badge_html

SAY = Texts("customer_service")
Payload = Mapping[str, Any]
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$:@])")


def messages(payload: Payload, lang: str) -> list[dict[str, str]]:
    """The whole conversation as role and content; contents are safe markdown."""
    rows: list[dict[str, str]] = []
    for exchange in payload.get("history") or ():
        rows.append({"role": "user", "content": plain(exchange["message"])})
        rows.append({"role": "assistant",
                     "content": plain(exchange["text"] or SAY(lang, "chat.nothing"))})
    if payload.get("message"):
        rows.append({"role": "user", "content": plain(payload["message"])})
        rows.append({"role": "assistant", "content": answer(payload, lang)})
    return rows


def answer(payload: Payload, lang: str) -> str:
    """Kept sentences, then the one being written as a draft in italics."""
    parts = [plain(payload["text"])] if payload.get("text") else []
    if payload.get("stage") == "done":
        return "\n\n".join(parts) or plain(SAY(lang, "chat.nothing"))
    if payload.get("draft"):
        parts.append(f"*{plain(SAY(lang, 'chat.draft'))} {plain(payload['draft'])}*")
    elif not parts:
        parts.append(f"*{plain(SAY(lang, 'chat.' + payload.get('stage', 'searching')))}*")
    return "\n\n".join(parts)


def plain(text: str) -> str:
    """Text in which no character means markdown or HTML; line ends stay line ends."""
    safe = _MARKDOWN.sub(r"\\\1", printable(text))
    safe = safe.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"\n", "  \n", re.sub(r"\n{2,}", "\n\n", safe)).replace("  \n  \n", "\n\n")


def facts_html(payload: Payload, lang: str) -> str:
    """Under the answer: the decision, the intent, what was dropped, what was not shown."""
    if not payload.get("message"):
        return ""
    lines = "".join(f"<span>{escape(line)}</span> " for line in facts(payload, lang))
    badge = badge_html(str(payload.get("decision") or ""), lang)
    return f'<div class="lp-facts-line" role="status">{badge} {lines}</div>'


def facts(payload: Payload, lang: str) -> list[str]:
    """Short sentences about how the answer came about."""
    rows = [_intent(payload, lang)]
    dropped = int(payload.get("dropped_sentences") or 0)
    if payload.get("evidence") and payload.get("decision") == "answered":
        key = "fact.generated" if payload.get("generated") else "fact.quoted"
        rows.append(SAY(lang, key, dropped=dropped))
    if payload.get("dropped_turns") and payload.get("generated"):
        rows.append(SAY(lang, "fact.turns", n=payload["dropped_turns"]))
    return rows


def _intent(payload: Payload, lang: str) -> str:
    if payload.get("intent"):
        return SAY(lang, "fact.intent", intent=str(payload["intent"]).replace("_", " "),
                   confidence=three(payload.get("intent_confidence")))
    return SAY(lang, "fact.no_intent", note=payload.get("intent_note") or "")


def topics(payload: Payload) -> Sequence[Payload]:
    """The topics that a "clarify" offers, nearest first; none for other decisions."""
    return payload.get("topics") or () if payload.get("stage") == "done" else ()


def topic(payload: Payload, place: int) -> str:
    """The question of the topic button at ``place``; empty where there is none."""
    rows = topics(payload)
    return str(rows[place]["question"]) if place < len(rows) else ""


def topics_title(payload: Payload, lang: str) -> str:
    if not topics(payload):
        return ""
    return f'<p class="lp-quiet">{escape(SAY(lang, "chat.topics"))}</p>'


def page_payload(turn: Payload, history: Sequence[Payload]) -> dict[str, Any]:
    """What the page keeps: the last turn and what was said before it."""
    return {**turn, "history": list(history)}


def stopped(payload: Payload | None) -> dict[str, Any]:
    """The payload after Stop: what was checked stays, the draft goes."""
    return {**payload, "draft": "", "stage": "done"} if payload else {}
