"""Views of the sections beside “Compare”: side by side, lens, attention, memory. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from domains.engine_lab.sides import speedup
from domains.shared.markup import duration, escape, size, three
from domains.shared.texts import Texts

SAY = Texts("engine_lab")
Payload = Mapping[str, Any]
# Words with what follows them; Chinese has no spaces, so each character stands alone.
_WORD = re.compile(r"[㐀-鿿豈-﫿]|[^\s㐀-鿿豈-﫿]+\s*|\s+")
NEAREST = 5
STATES = {"ready": "good", "loading": "busy", "waiting": "quiet", "failed": "bad"}


def sides_html(payload: Payload, lang: str) -> str:
    """Both answers in two columns; what one has and the other has not is marked."""
    sides = payload["sides"]
    columns = "".join(_side(payload, place, lang) for place in range(len(sides)))
    said = f'<p class="lp-answer">{escape(payload["reason"])}</p>' if payload["reason"] else ""
    return f'{said}<div class="lp-lab-sides">{columns}</div>'


def _side(payload: Payload, place: int, lang: str) -> str:
    side = payload["sides"][place]
    other = payload["sides"][1 - place] if len(payload["sides"]) > 1 else None
    head = f'<h4><code>{escape(side["recipe"])}</code></h4>'
    if payload["kind"] == "decoder":
        body = _text(side, other if payload["complete"] else None, lang)
    else:
        body = _items(side, other, payload["kind"])
    return (f'<section class="lp-lab-side lp-lab-side-{place}">{head}{body}'
            f'<p class="lp-quiet">{escape(cost(payload, place, lang))}</p></section>')


def _text(side: Mapping[str, Any], other: Mapping[str, Any] | None, lang: str) -> str:
    if not side["text"]:
        return f'<p class="lp-quiet">{escape(SAY(lang, "sides.waiting"))}</p>'
    if other is None:
        return f'<div class="lp-answer">{_lines(escape(side["text"]))}</div>'
    return f'<div class="lp-answer">{_lines(marked(side["text"], other["text"]))}</div>'


def _lines(html: str) -> str:
    return html.replace("\n", "<br>")


def marked(text: str, other: str) -> str:
    """``text`` as HTML with the words marked that ``other`` does not have at that place."""
    own, theirs = _WORD.findall(text), _WORD.findall(other)
    matcher = difflib.SequenceMatcher(None, own, theirs, autojunk=False)
    parts = []
    for kind, start, end, _, _ in matcher.get_opcodes():
        piece = escape("".join(own[start:end]))
        parts.append(f"<mark>{piece}</mark>" if kind != "equal" and piece else piece)
    return "".join(parts)


def _items(side: Mapping[str, Any], other: Mapping[str, Any] | None, kind: str) -> str:
    """The best five. One that the other side does not have there is marked."""
    kept = side["items"][:NEAREST]
    theirs = [item["label"] for item in other["items"][:NEAREST]] if other else []
    rows = []
    for place, item in enumerate(kept):
        label = escape(item["label"])
        moved = bool(theirs) and (place >= len(theirs) or theirs[place] != item["label"])
        shown = f"<mark>{label}</mark>" if moved else label
        rows.append(f"<li><span>{shown}</span><b>{three(item['value'])}</b></li>")
    return f'<ol class="lp-lab-items lp-lab-{kind}">{"".join(rows)}</ol>'


def cost(payload: Payload, place: int, lang: str) -> str:
    """What this side cost, and how many times as fast it is."""
    side = payload["sides"][place]
    if side["latency_ms"] is None:
        return SAY(lang, "sides.working")
    if side["tokens_per_second"]:
        said = SAY(lang, "sides.cost_tokens", speed=three(side["tokens_per_second"]),
                   first=duration(side["first_token_ms"]), time=duration(side["latency_ms"]))
    else:
        said = SAY(lang, "sides.cost", time=duration(side["latency_ms"]), n=payload["runs"])
    faster = speedup(payload["sides"]) if place == 1 else None
    tail = " · " + SAY(lang, "sides.times", times=three(faster)) if faster else ""
    return f"{side['variant']} · {said}{tail}"


def lens_html(payload: Payload, lang: str) -> str:
    """The text in blocks; under each, one row a tokenizer with its tokens of that block."""
    rows, text = payload["rows"], payload["text"]
    legend = "".join(
        f'<li class="lp-lens-{n}"><i aria-hidden="true"></i><b>{escape(row["name"])}</b> '
        f'<span>{escape(SAY(lang, "lens.tokens", n=len(row["tokens"])))}</span>'
        f'<small>{escape(row["served_by"])}</small></li>' for n, row in enumerate(rows))
    blocks = "".join(_block(text, tuple(span), rows, lang) for span in payload["blocks"])
    return (f'<ul class="lp-lens-legend">{legend}</ul>'
            f'<div class="lp-lens" role="group" aria-label="{escape(SAY(lang, "lens.aria"))}">'
            f"{blocks}</div>")


def _block(text: str, span: tuple[int, int], rows: Sequence[Mapping[str, Any]],
           lang: str) -> str:
    start, end = span
    cells = []
    for n, row in enumerate(rows):
        own = [token for token in row["tokens"] if token[1] >= start and token[2] <= end
               and token[2] > token[1]]
        chips = "".join(f"<span title=\"{escape(raw)} [{a}:{b}]\">{escape(label)}</span>"
                        for (raw, a, b), label in zip(own, labels(text, own), strict=True))
        cells.append(f'<span class="lp-lens-row lp-lens-{n}">{chips or "<i>·</i>"}</span>')
    if text[start:end].isspace() and not any("<span title" in cell for cell in cells):
        return '<br class="lp-lens-break">' if "\n" in text[start:end] else ""
    shown = escape(text[start:end].strip() or "␣")
    return f'<span class="lp-lens-block"><b>{shown}</b>{"".join(cells)}</span>'


def labels(text: str, tokens: Sequence[Sequence[Any]]) -> list[str]:
    """What is written on each token: its characters, a leading space as ␣, ## as WordPiece has
    it, and ``1/3`` where several tokens share a character (bytes of an emoji)."""
    groups: list[list[Sequence[Any]]] = []
    for token in tokens:
        if groups and token[1] < groups[-1][-1][2]:
            groups[-1].append(token)
        else:
            groups.append([token])
    return [_label(text, token) + (f" {place}/{len(group)}" if len(group) > 1 else "")
            for group in groups for place, token in enumerate(group, 1)]


def _label(text: str, token: Sequence[Any]) -> str:
    raw, start, end = token
    if str(raw).startswith("[") and end - start != len(raw):  # [UNK] stands for other characters
        return str(raw)
    return ("##" if str(raw).startswith("##") else "") + text[start:end].replace(" ", "␣")


def lens_table(payload: Payload, lang: str) -> dict[str, Any]:
    """Every token with its characters."""
    headers = [SAY(lang, f"column.{name}")
               for name in ("tokenizer", "token", "piece", "from", "to")]
    return {"headers": headers, "data": [
        [row["name"], raw, payload["text"][start:end], start, end]
        for row in payload["rows"] for raw, start, end in row["tokens"]]}


def heat_html(payload: Payload, lang: str) -> str:
    """What there is to see, and which heads are gone."""
    first, last = payload["sides"][0]["weights"], payload["sides"][-1]["weights"]
    gone = [SAY(lang, "heat.gone_in", layer=place, n=len(one) - len(two), of=len(one))
            for place, (one, two) in enumerate(zip(first, last, strict=False), 1)
            if len(two) < len(one)]
    tail = (f'<p class="lp-quiet">{escape(SAY(lang, "heat.gone"))} {escape("; ".join(gone))}</p>'
            if gone else "")
    return f'<p class="lp-answer">{escape(payload["reason"])}</p>{tail}'


def panel_html(payload: Payload, lang: str) -> str:
    """Device and reason, a bar of the memory by variant, and a table of what is loaded."""
    device = SAY(lang, "memory.device", device=payload["device"], precision=payload["precision"])
    used = (SAY(lang, "memory.used", used=size(payload["memory_bytes"]),
                budget=size(payload["budget_bytes"])) if payload["budget_bytes"]
            else size(payload["memory_bytes"]))
    return (f'<p class="lp-answer">{escape(payload["reason"])}</p>'
            f'<p><b>{escape(device)}</b> <span class="lp-quiet">{escape(payload["why_device"])}'
            f'</span></p><p>{escape(used)}</p>{_bar(payload, lang)}'
            f"{''.join(_note(note) for note in _notes(payload, lang))}{_models(payload, lang)}")


def _notes(payload: Payload, lang: str) -> list[str]:
    """The engine's own, and how many calls wait where any does."""
    waiting = [SAY(lang, "memory.queue", n=payload["queue"])] if payload["queue"] else []
    return [*waiting, *payload["notes"]]


def _note(text: str) -> str:
    return f'<p class="lp-lab-little">{escape(text)}</p>'


def _bar(payload: Payload, lang: str) -> str:
    """Segments by variant, then what the process holds besides, of the budget."""
    own = [m for m in payload["models"] if m["bytes"] and m["state"] == "ready"]
    whole = max(payload["budget_bytes"] or 0, payload["memory_bytes"], 1)
    rest = max(0, payload["memory_bytes"] - sum(m["bytes"] for m in own))
    parts = [(m["key"], m["bytes"]) for m in own] + [(SAY(lang, "memory.rest"), rest)]
    cells = "".join(
        f'<i class="lp-lab-seg-{n % 6 if n < len(own) else "rest"}" style="width:'
        f'{100 * count / whole:.2f}%" title="{escape(f"{name}: {size(count)}")}"></i>'
        for n, (name, count) in enumerate(parts) if count)
    return f'<div class="lp-lab-memory" aria-hidden="true">{cells}</div>'


def _models(payload: Payload, lang: str) -> str:
    head = "".join(f"<th>{escape(SAY(lang, f'memory.{key}'))}</th>"
                   for key in ("variant", "state", "bytes"))
    rows = "".join(
        f'<tr><td><code>{escape(m["key"])}</code></td><td><span class="lp-lab-dot lp-lab-'
        f'{STATES.get(m["state"], "quiet")}"></span>{escape(_state(m, lang))}</td>'
        f'<td>{escape(size(m["bytes"]) if m["bytes"] else "–")}</td></tr>'
        for m in payload["models"])
    if not rows:
        return f'<p class="lp-quiet">{escape(SAY(lang, "memory.nothing"))}</p>'
    return (f'<div class="lp-lab-scroll" tabindex="0"><table class="lp-lab-table"><thead><tr>'
            f"{head}</tr></thead><tbody>{rows}</tbody></table></div>")


def _state(model: Mapping[str, Any], lang: str) -> str:
    word = SAY(lang, f"state.{model['state']}") if f"state.{model['state']}" in SAY else (
        model["state"])
    share = model.get("progress")
    if model["state"] == "loading" and share is not None:
        word = f"{word} {share:.0%}"
    return f"{word} · {model['detail']}" if model.get("detail") else word
