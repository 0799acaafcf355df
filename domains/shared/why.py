"""The Why panel: what was decided, how sure, on what it rests and what it cost.

``why_html`` is a pure function of a payload (``Outcome.to_json()``) and the page language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domains.shared.markup import duration, escape, link, three
from domains.shared.texts import Texts

# Icon and text carry the meaning; the colour only repeats it.
ICONS = {"answered": "✓", "clarify": "?", "abstained": "–", "handed_off": "→", "emergency": "!"}
CONTEXT = 240  # characters of a passage shown on each side of its quote


def why_html(payload: Mapping[str, Any] | None, lang: str = "en") -> str:
    """The panel as HTML; every text in it is escaped. ``None``: nothing was asked yet."""
    say = Texts("page")
    if not payload:
        body = f'<p class="lp-quiet">{escape(say(lang, "why.empty"))}</p>'
    elif payload.get("decision") == "":  # nothing is decided yet; the reason says what is done
        body = f'<p class="lp-quiet">{escape(payload.get("reason") or "")}</p>'
    else:
        body = "".join((
            _verdict(payload, lang, say),
            _emotion(payload.get("emotion"), lang, say),
            _evidence(payload.get("evidence") or (), lang, say),
            _cost(payload.get("stamp"), lang, say)))
    # The box is shown on narrow screens only, where it folds the panel under the answer.
    return (f'<section class="lp-why"><input type="checkbox" class="lp-why-box" '
            f'aria-label="{escape(say(lang, "why.open"))}">'
            f'<div class="lp-why-head">{escape(say(lang, "why.title"))}</div>'
            f'<div class="lp-why-body">{body}</div></section>')


def badge_html(decision: str, lang: str = "en") -> str:
    """The decision as icon and word."""
    known = decision if decision in ICONS else "abstained"
    word = Texts("page")(lang, f"decision.{decision}") if decision in ICONS else decision
    return (f'<span class="lp-badge lp-{known}"><span class="lp-icon" aria-hidden="true">'
            f'{ICONS[known]}</span>{escape(word)}</span>')


def _verdict(payload: Mapping[str, Any], lang: str, say: Texts) -> str:
    confidence = payload.get("confidence")
    if confidence is None:
        sure = f'<span class="lp-quiet">{escape(say(lang, "why.no_confidence"))}</span>'
    else:
        width = max(0.0, min(1.0, float(confidence))) * 100
        sure = (f'<span class="lp-meter" aria-hidden="true"><i style="width:{width:.0f}%"></i>'
                f'</span><span>{escape(say(lang, "why.confidence"))} '
                f'<b>{three(float(confidence))}</b></span>')
    reason = payload.get("reason") or ""
    said = f'<p class="lp-reason">{escape(reason)}</p>' if reason else ""
    badge = badge_html(str(payload.get("decision") or "abstained"), lang)
    return f'<div class="lp-verdict">{badge}<span class="lp-sure">{sure}</span></div>{said}'


def _emotion(found: Mapping[str, Any] | None, lang: str, say: Texts) -> str:
    """How the message sounds, where that was read; an unsure head says so."""
    if not found:
        return ""
    key = f"emotion.{found.get('label')}"
    word = say(lang, key) if key in say else str(found.get("label"))
    said = word if found.get("accepted") else say(lang, "emotion.guess", label=word)
    line = say(lang, "emotion.line", label=said, confidence=three(found.get("confidence")))
    return f'<p class="lp-quiet">{escape(line)}</p>'


def _evidence(rows: Sequence[Mapping[str, Any]], lang: str, say: Texts) -> str:
    title = f'<h4>{escape(say(lang, "why.evidence"))}</h4>'
    if not rows:
        return f'{title}<p class="lp-quiet">{escape(say(lang, "why.no_evidence"))}</p>'
    return f'{title}<ol class="lp-evidence">{"".join(_item(row, lang, say) for row in rows)}</ol>'


def _item(row: Mapping[str, Any], lang: str, say: Texts) -> str:
    name = row.get("title") or row.get("source") or say(lang, "why.untitled")
    source = row.get("source") or ""
    score = row.get("score")
    facts = [escape(source)] if source and source != name else []
    if score is not None:
        facts.append(f'{escape(say(lang, "why.score"))} {three(float(score))}')
    return (f'<li><div class="lp-source">{link(name, row.get("address"))}</div>'
            f'<div class="lp-facts">{" · ".join(facts)}</div>{_quoted(row, lang, say)}</li>')


def _quoted(row: Mapping[str, Any], lang: str, say: Texts) -> str:
    """The quote marked inside its passage; the far ends of a long passage are folded."""
    quote, passage = str(row.get("quote") or ""), str(row.get("passage") or "")
    start, end = _span(row, quote, passage)
    if start < 0:
        return f"<blockquote><mark>{escape(quote)}</mark></blockquote>" if quote else ""
    left, right = _window(passage, start, end)
    marked = (f"{'… ' if left else ''}{escape(passage[left:start])}<mark>"
              f"{escape(passage[start:end])}</mark>{escape(passage[end:right])}"
              f"{' …' if right < len(passage) else ''}")
    shown = f"<blockquote>{marked}</blockquote>"
    if left == 0 and right == len(passage):
        return shown
    return (f'{shown}<details><summary>{escape(say(lang, "why.passage"))}</summary>'
            f'<blockquote>{escape(passage)}</blockquote></details>')


def _window(passage: str, start: int, end: int) -> tuple[int, int]:
    """Where the shown part begins and ends: near ``CONTEXT``, between words where there are."""
    left, right = max(0, start - CONTEXT), min(len(passage), end + CONTEXT)
    if left:
        left = passage.find(" ", left, min(left + 30, start)) + 1 or left
    if right < len(passage):
        space = passage.rfind(" ", max(right - 30, end), right)
        right = space if space > 0 else right
    return left, right


def _span(row: Mapping[str, Any], quote: str, passage: str) -> tuple[int, int]:
    """Where the quote stands in its passage; -1 when it does not."""
    start, end = int(row.get("start") or 0), int(row.get("end") or 0)
    if 0 <= start < end <= len(passage) and passage[start:end] == quote:
        return start, end
    found = passage.find(quote) if quote else -1
    return found, found + len(quote)


def _cost(stamp: Mapping[str, Any] | None, lang: str, say: Texts) -> str:
    if not stamp:
        return ""
    parts = list(stamp.get("parts") or ())
    head = "".join(f"<th>{escape(say(lang, f'stamp.{key}'))}</th>"
                   for key in ("variant", "precision", "time", "speed"))
    rows = "".join(_cost_row(part, str(part.get("variant") or "–")) for part in parts or [stamp])
    if parts:
        rows += _cost_row({**stamp, "precision": "", "tokens_per_second": None},
                          say(lang, "stamp.total"), "lp-total")
    notes = f'<p class="lp-quiet">{escape(stamp["note"])}</p>' if stamp.get("note") else ""
    line = say(lang, "stamp.line", time=duration(stamp.get("latency_ms")),
               device=str(stamp.get("device") or "–"))
    waited = float(stamp.get("queue_wait_ms") or 0)
    wait = f" · {escape(say(lang, 'stamp.waited', time=duration(waited)))}" if waited >= 1 else ""
    return (f'<h4>{escape(say(lang, "why.cost"))}</h4><details class="lp-cost"><summary>'
            f'{escape(line)}{wait}</summary><table><thead><tr>{head}</tr></thead>'
            f'<tbody>{rows}</tbody></table>{notes}</details>')


def _cost_row(part: Mapping[str, Any], name: str, kind: str = "") -> str:
    speed = part.get("tokens_per_second")
    cells = (escape(name), escape(part.get("precision") or ""),
             escape(duration(part.get("latency_ms"))), three(speed, "tokens/s") if speed else "")
    return f'<tr class="{kind}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
