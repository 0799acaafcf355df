"""The medical outcome as HTML. Pure functions of a payload and the page language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domains.medical_qa.answer import publisher_name
from domains.shared.markup import escape, link
from domains.shared.texts import Texts

UNCHECKED = "†"
_CHINESE_END = re.compile(r"[。！？]$")
_QUESTION_END = re.compile(r"[\s?]*\?\s*$")  # the records write "What is Gout? ?"


def notice_html(lang: str) -> str:
    """The line that is always in sight."""
    said = escape(Texts("medical_qa")(lang, "notice"))
    return f'<div class="lp-med-notice" role="note"><span aria-hidden="true">⚕</span>{said}</div>'


def answer_html(payload: Mapping[str, Any], lang: str) -> str:
    """The answer, the fixed text of an emergency, the question back, or the refusal."""
    say = Texts("medical_qa")
    drawn = {"answered": _answered, "emergency": _emergency, "clarify": _clarify}
    body = drawn.get(payload["decision"], _refused)(payload, lang, say)
    return f'<div class="lp-med-out">{body}</div>'


def _emergency(payload: Mapping[str, Any], lang: str, say: Texts) -> str:
    title = escape(Texts("page")(lang, "decision.emergency"))
    words = dict.fromkeys(flag["text"] for flag in payload["red_flags"])
    found = " · ".join(f"<q>{escape(word)}</q>" for word in words)
    return (f'<div class="lp-med-emergency" role="alert"><h3>{title}</h3>'
            f'<p>{escape(payload["text"])}</p></div>'
            f'<p class="lp-quiet">{escape(say(lang, "answer.matched"))} {found}</p>'
            f'<p class="lp-quiet">{escape(say(lang, "answer.fixed"))}</p>')


def _clarify(payload: Mapping[str, Any], lang: str, say: Texts) -> str:
    return (f'<div class="lp-answer"><p><b>{escape(payload["text"])}</b></p>'
            f'{_topics(payload["topics"])}</div>')


def _refused(payload: Mapping[str, Any], lang: str, say: Texts) -> str:
    near = ""
    if payload["topics"]:
        near = (f'<p class="lp-quiet">{escape(say(lang, "answer.try_topics"))}</p>'
                f'{_topics(payload["topics"])}')
    return f'<div class="lp-answer"><p>{escape(payload["reason"])}</p>{near}</div>'


def _topics(topics: Sequence[Mapping[str, Any]]) -> str:
    items = "".join(f"<li>{escape(topic['name'])}</li>" for topic in topics)
    return f'<ul class="lp-med-topics">{items}</ul>'


def _answered(payload: Mapping[str, Any], lang: str, say: Texts) -> str:
    rows = payload["answer"]
    numbers = _numbers(rows)
    title = escape(", ".join(topic["name"] for topic in payload["topics"]))
    groups = "".join(
        _group(name, [row for row in rows if row["section"] == name], numbers, lang, say)
        for name in dict.fromkeys(row["section"] for row in rows))
    return (f'<div class="lp-answer lp-med-answer"><h3>{title}</h3>{groups}</div>'
            f"{_sources(rows, numbers, lang, say)}")


def _key(source: Mapping[str, Any]) -> tuple[str, str]:
    """Several records may be parts of one page under one title: they are one source."""
    return _QUESTION_END.sub("?", str(source["title"])), str(source["address"])


def _numbers(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """A number for each source, in the order in which they are used."""
    numbers: dict[tuple[str, str], int] = {}
    for row in rows:
        for source in row["sources"]:
            numbers.setdefault(_key(source), len(numbers) + 1)
    return numbers


def _group(name: str, rows: Sequence[Mapping[str, Any]],
           numbers: Mapping[tuple[str, str], int], lang: str, say: Texts) -> str:
    """A section: its sentences, and the marks of its sources behind the last one, because
    the records stand for the section as a whole."""
    joint = "" if _CHINESE_END.search(rows[0]["sentence"]) else " "
    said = joint.join(_sentence(row) for row in rows)
    marks = ", ".join(f'<a href="#med-source-{number}">{number}</a>'
                    for number in sorted({numbers[_key(s)] for s in rows[0]["sources"]}))
    if not rows[0]["checked"]:
        marks = f'<span title="{escape(say(lang, "answer.unchecked"))}">{UNCHECKED}</span>'
    heading = escape(say(lang, f"section.{name}"))
    kind = " lp-med-urgent" if name == "emergency" else ""
    return (f'<section class="lp-med-section{kind}"><h4>{heading}</h4>'
            f'<p>{said}<sup class="lp-med-marks">{marks}</sup></p></section>')


def _sentence(row: Mapping[str, Any]) -> str:
    text = escape(row["sentence"])
    return f"<mark>{text}</mark>" if row["nearest"] else text


def _sources(rows: Sequence[Mapping[str, Any]], numbers: Mapping[tuple[str, str], int],
             lang: str, say: Texts) -> str:
    known = {_key(source): source for row in rows for source in row["sources"]}
    items = "".join(_source(known[key], number, lang, say) for key, number in numbers.items())
    notes = [say(lang, "answer.collected")] if items else []
    if any(not row["checked"] for row in rows):
        notes.append(f'{UNCHECKED} {say(lang, "answer.unchecked_note")}')
    quiet = "".join(f'<p class="lp-quiet">{escape(note)}</p>' for note in notes)
    heading = f'<h4>{escape(say(lang, "answer.sources"))}</h4>' if items else ""
    return f'<div class="lp-med-sources">{heading}<ol>{items}</ol>{quiet}</div>'


def _source(source: Mapping[str, Any], number: int, lang: str, say: Texts) -> str:
    publisher = publisher_name(source["publisher"], lang, say)
    title, address = _key(source)
    return (f'<li id="med-source-{number}" value="{number}">{link(title, address)} '
            f'<span class="lp-quiet">{escape(publisher)}'
            f'{escape(say(lang, "answer.language_of_sources"))}</span></li>')
