"""From a payload (``Turn.to_json()``) to chat messages, facts and buttons. Pure; no Gradio.

The page adds to a payload ``history``, the earlier exchanges; see ui.py.
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
        rows.append({"role": "assistant", "content": answer(exchange)})
    if payload.get("message"):
        rows.append({"role": "user", "content": plain(payload["message"])})
        rows.append({"role": "assistant", "content": answer(payload)})
    return rows


def answer(payload: Payload) -> str:
    """The opening and the sentences that were checked; an ellipsis until there is one."""
    parts = (payload.get("opening"), payload.get("text") or "…")
    return plain("\n\n".join(str(part) for part in parts if part))


def slot_html(payload: Payload, lang: str) -> str:
    """Under the conversation: the draft while work runs, the facts when none does.

    Both are there, and the style sheet shows one of them; see customer_service.css.
    """
    if not payload.get("message"):
        return ""
    return (f'<div class="lp-cs-slot">{draft_html(payload, lang)}{facts_html(payload, lang)}'
            "</div>")


def draft_html(payload: Payload, lang: str) -> str:
    """The sentence that is being written, or what is being done before there is one."""
    stage = payload.get("stage")
    if stage not in ("searching", "writing"):
        return ""
    if not payload.get("draft"):
        return f'<p class="lp-cs-draft">{escape(SAY(lang, f"chat.{stage}"))}</p>'
    return (f'<p class="lp-cs-draft"><b>{escape(SAY(lang, "chat.draft"))}</b> '
            f'{escape(payload["draft"])}</p>')


def plain(text: str) -> str:
    """Text in which no character means markdown or HTML; line ends stay line ends."""
    safe = _MARKDOWN.sub(r"\\\1", printable(text))
    safe = safe.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"\n", "  \n", re.sub(r"\n{2,}", "\n\n", safe)).replace("  \n  \n", "\n\n")


def facts_html(payload: Payload, lang: str) -> str:
    """The decision, the intent, what was dropped, what was not shown."""
    lines = "".join(f"<span>{escape(line)}</span> " for line in facts(payload, lang))
    badge = badge_html(str(payload["decision"]), lang) if payload.get("decision") else ""
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
    """The topics that are offered as buttons, nearest first: when the service asks back, and
    beside the answer to a confused message."""
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
    """What the page keeps: the last turn and what was said before it.

    While the articles are searched nothing is decided, whatever the turn's type says.
    """
    decision = "" if turn.get("stage") == "searching" else turn.get("decision")
    return {**turn, "decision": decision, "history": list(history)}
