"""Section “Compare” as HTML, table and file. Pure; no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domains.engine_lab.rows import AGREEMENT, gains_little, little, many_times
from domains.shared.markup import escape, size, three
from domains.shared.tables import csv_file
from domains.shared.texts import Texts
from lepton_engine.compression.decoder_gate import LEAST_QUESTIONS, RATIO_LIMIT
from lepton_engine.compression.decoder_speed import STREAMS
from lepton_engine.compression.gate import HIGH_POINTS, LEAST_N, LEAST_OVERLAP, LOSS_POINTS
from lepton_engine.compression.recipe import STEPS

SAY = Texts("engine_lab")
Payload = Mapping[str, Any]
Row = Mapping[str, Any]
ICONS = {"passed": "✓", "refused": "✕", "undecidable": "?", "failed": "!"}
COLUMNS = ("number", "recipe", "decision", "metric", "original", "value", "loss_points", "low",
           "high", "n", "latency_ms", "original_latency_ms", "speedup", "texts_per_second",
           "original_texts_per_second", "size_mb", "original_size_mb", "memory_mb", "gain",
           "reason", "host", "date")
SHOWN = ("number", "recipe", "decision", "original", "value", "loss_points", "latency_ms",
         "speedup", "texts_per_second", "size_mb", "memory_mb", "n", "reason")
WIDTHS = ["48px", "230px", "110px", "84px", "84px", "96px", "96px", "90px", "96px", "90px", "96px",
          "80px", "420px"]


def head_html(payload: Payload, lang: str) -> str:
    """What is shown: measured before or now, on what, and how far the run is."""
    if payload["stored"]:
        key = "head.stored" if payload["rows"] else "head.none"
        said = SAY(lang, key, name=payload["name"])
    else:
        key = "head.now" if payload["complete"] else "head.so_far"
        said = SAY(lang, key, name=payload["name"], done=len(payload["rows"]),
                   planned=payload["planned"], n=f"{payload['texts']:,}",
                   source=SAY(lang, f"source.said.{payload['source'] or 'bundled'}"))
    note = "" if payload["stored"] or payload["labelled"] else SAY(lang, "head.unlabelled")
    where = _where(payload, lang)
    quiet = " ".join(part for part in (where, note) if part)
    tail = f'<p class="lp-quiet">{escape(quiet)}</p>' if quiet else ""
    return f'<div class="lp-lab-head"><h3>{escape(said)}</h3>{tail}</div>'


def _where(payload: Payload, lang: str) -> str:
    rows = [row for row in payload["rows"] if row.get("host")]
    if not rows:
        return ""
    latest = max(rows, key=lambda row: row.get("date") or "")
    most = max(int(row.get("n") or 0) for row in rows)
    about = str((latest.get("detail") or {}).get("about") or "")
    return SAY(lang, "head.where", host=latest["host"], date=latest["date"], n=f"{most:,}",
               about=f"{about}." if about and payload["stored"] else "").strip()


def verdicts_html(payload: Payload, lang: str) -> str:
    """One item a recipe: what the gate decided, in words and numbers."""
    rows = payload["rows"]
    if not rows:
        return f'<p class="lp-answer">{escape(payload["reason"])}</p>'
    items = "".join(_verdict(number, row, payload, lang) for number, row in enumerate(rows, 1))
    return f'<ol class="lp-lab-rows">{items}</ol>'


def note_html(payload: Payload, lang: str) -> str:
    """How to read the picture."""
    rows = [row for row in payload["rows"] if row.get("value") is not None]
    if not rows:
        return ""
    return f'<p class="lp-quiet">{escape(SAY(lang, "figure.note"))}</p>'


def _verdict(number: int, row: Row, payload: Payload, lang: str) -> str:
    decision = row["decision"] if row["decision"] in ICONS else "undecidable"
    badge = (f'<span class="lp-lab-badge lp-lab-{decision}"><span class="lp-icon" '
             f'aria-hidden="true">{ICONS[decision]}</span>'
             f'{escape(SAY(lang, f"verdict.{decision}"))}</span>')
    facts = "".join(f"<span>{escape(fact)}</span>" for fact in facts_of(row, lang))
    before = payload["known"].get(row["recipe"])
    earlier = (f'<p class="lp-quiet">{escape(_earlier(before, lang))}</p>'
               if before and before.get("n") != row.get("n") else "")
    notes = "".join(f'<p class="lp-lab-little">{escape(note)}</p>' for note in (
        _little(row, lang), _published(row, lang), _fewer(row, lang)) if note)
    return (f'<li><span class="lp-lab-number lp-lab-{decision}">{number}</span>'
            f'<div><div class="lp-lab-line"><code>{escape(row["recipe"])}</code>{badge}</div>'
            f'<div class="lp-lab-facts">{facts}</div>'
            f'<p>{escape(words(row, lang))}</p>{notes}{earlier}</div></li>')


def facts_of(row: Row, lang: str) -> list[str]:
    """Speed, size and memory as short phrases; what was not measured is left out."""
    facts = []
    if row.get("speedup"):
        key = "fact.speed_token" if row["unit"] == "token" else "fact.speed"
        facts.append(SAY(lang, key, times=three(row["speedup"]),
                         ms=three(row["latency_ms"]), before=three(row["original_latency_ms"])))
    if row.get("texts_per_second") and row.get("original_texts_per_second"):
        unit = "tokens" if row["unit"] == "token" else "texts"
        facts.append(SAY(lang, f"fact.{unit}", now=three(row["texts_per_second"]),
                         before=three(row["original_texts_per_second"]), streams=STREAMS))
    if row.get("size_bytes"):
        facts.append(SAY(lang, "fact.size", now=size(row["size_bytes"]),
                         before=size(row["original_size_bytes"])))
    if (row.get("detail") or {}).get("published_bytes"):
        facts.append(SAY(lang, "fact.published", size=size(row["detail"]["published_bytes"])))
    if row.get("memory_bytes"):
        facts.append(SAY(lang, "fact.memory", now=size(row["memory_bytes"])))
    return facts


def words(row: Row, lang: str) -> str:
    """The verdict in a sentence of the page's language, with the numbers it rests on."""
    if row["decision"] == "failed" or row.get("value") is None:
        return SAY(lang, "words.failed", reason=row["reason"])
    if row.get("low") is None:
        return str(row["reason"])
    lost = row["loss_points"] or 0.0
    key = "words.gained" if lost < -0.005 else "words.lost" if lost > 0.005 else "words.same"
    said = SAY(lang, key, points=f"{abs(lost):.2f}", low=f"{row['low']:.2f}",
               high=f"{row['high']:.2f}", n=f"{row['n']:,}", metric=metric(row["metric"], lang),
               value=three(row["value"]), original=three(row["original"]))
    why = _decoder_why(row, lang) if row["unit"] == "token" else _why(row, lang)
    return _joined(said, why, lang)


def _decoder_why(row: Row, lang: str) -> str:
    """A language model has a rule of its own: perplexity and McNemar's test."""
    facts = row.get("detail") or {}
    ratio = ((facts.get("perplexity") or {}).get("all") or {}).get("ratio")
    return SAY(lang, f"words.decoder_{row['decision']}", ratio="–" if ratio is None
               else f"{ratio:.4f}", p=three(facts.get("mcnemar_p")), limit=f"{RATIO_LIMIT:g}",
               least=LEAST_QUESTIONS)


def _why(row: Row, lang: str) -> str:
    """The rule of the gate that decided: the loss, its interval, or the order of what is found."""
    found = (row.get("detail") or {}).get("top-10 overlap")
    share = {} if found is None else {"share": f"{100 * found:.1f}",
                                      "least": f"{100 * LEAST_OVERLAP:g}"}
    limits = {"loss": f"{LOSS_POINTS:g}", "high": f"{HIGH_POINTS:g}"}
    if row["decision"] == "undecidable":
        return SAY(lang, "words.unlabelled" if row["metric"] in AGREEMENT else "words.few",
                   least=f"{LEAST_N:,}")
    if row["decision"] == "passed":
        said = SAY(lang, "words.passed", **limits)
        return _joined(said, SAY(lang, "words.passed_order", **share) if share else "", lang)
    if row["loss_points"] > LOSS_POINTS:
        return SAY(lang, "words.refused_loss", **limits)
    if row["high"] >= HIGH_POINTS:
        return SAY(lang, "words.refused_interval", **limits)
    # Nothing else is left to refuse by; a rule that this page does not know says it itself.
    return SAY(lang, "words.refused_order", **share) if share else str(row["reason"])


def _joined(first: str, second: str, lang: str) -> str:
    return first + ("" if lang == "zh" or not second else " ") + second


def change(points: float, lang: str) -> str:
    """``0.27 points lost`` or ``0.12 points gained``; a gain is no negative loss."""
    key = "points.gained" if points < -0.005 else "points.lost"
    return SAY(lang, key, points=f"{abs(points):.2f}")


def metric(name: str, lang: str) -> str:
    """A metric in the page's language, where the texts have it."""
    key = f"metric.{name}"
    return SAY(lang, key) if key in SAY else name


def _little(row: Row, lang: str) -> str:
    """Said of a step that gains less than 5 %; the engine's own sentence where it has one."""
    if row.get("gain") and lang == "en":
        return str(row["gain"])
    if row.get("gain"):
        return SAY(lang, "words.little", times=three(row.get("speedup")), gain=little())
    return (SAY(lang, "words.slow", times=three(row["speedup"]), gain=little())
            if gains_little(row) else "")


def _published(row: Row, lang: str) -> str:
    """Said of a model that is published quantised: its own file is what sizes compare with."""
    facts = row.get("detail") or {}
    if not facts.get("published_precision") or not facts.get("published_bytes"):
        return ""
    return SAY(lang, "words.published", precision=facts["published_precision"],
               size=size(facts["published_bytes"]), original=size(row["original_size_bytes"]))


def _fewer(row: Row, lang: str) -> str:
    """Said where one stream of a language model is faster, and many together are slower."""
    times = many_times(row)
    if row["unit"] != "token" or times is None or times >= 1:
        return ""
    return SAY(lang, "words.fewer", now=three(row["texts_per_second"]),
               before=three(row["original_texts_per_second"]), streams=STREAMS)


def _earlier(row: Row, lang: str) -> str:
    return SAY(lang, "words.earlier", decision=SAY(lang, f"verdict.{row['decision']}"),
               n=f"{row['n']:,}", change=change(row["loss_points"], lang), date=row["date"],
               times=three(row["speedup"]))


def table_rows(payload: Payload) -> list[dict[str, Any]]:
    """Every column of every row, numbers as numbers, sizes in megabytes."""
    return [{**row, "number": number,
             "size_mb": _mb(row.get("size_bytes")), "memory_mb": _mb(row.get("memory_bytes")),
             "original_size_mb": _mb(row.get("original_size_bytes"))}
            for number, row in enumerate(payload["rows"], 1)]


def _mb(count: Any) -> float | None:
    return count / 1e6 if count else None


def table(payload: Payload, lang: str) -> dict[str, Any]:
    """The columns that fit a screen, three significant digits."""
    return {"headers": [SAY(lang, f"column.{name}") for name in SHOWN],
            "data": [[_cell(name, row, lang) for name in SHOWN] for row in table_rows(payload)]}


def _cell(name: str, row: Row, lang: str) -> Any:
    value = row.get(name)
    if name == "decision":
        return SAY(lang, f"verdict.{value}")
    if name == "reason":
        return words(row, lang)
    if name in ("number", "recipe"):
        return value
    if name == "n":
        return f"{value:,}" if value else "–"
    return three(value)


def table_file(payload: Payload, lang: str) -> str:
    """All columns as a CSV file, under English names that do not change."""
    return csv_file(f"engine-lab-{payload['name']}", table_rows(payload), COLUMNS)


def steps_html(payload: Payload, lang: str) -> str:
    """What each step of each recipe did to the model."""
    parts = [_steps(row, lang) for row in payload["rows"] if row.get("steps")]
    if not parts:
        return f'<p class="lp-quiet">{escape(SAY(lang, "steps.none"))}</p>'
    return f'<div class="lp-lab-steps">{"".join(parts)}</div>'


def _steps(row: Row, lang: str) -> str:
    head = "".join(f"<th>{escape(SAY(lang, f'steps.{key}'))}</th>"
                   for key in ("step", "parameters", "changed", "time"))
    body = "".join(_step(step, lang) for step in row["steps"])
    return (f'<h4><code>{escape(row["recipe"])}</code></h4><div class="lp-lab-scroll" '
            f'tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
            '</div>')


def _step(step: Mapping[str, Any], lang: str) -> str:
    before, after = step["parameters_before"], step["parameters_after"]
    share = f" (−{100 * (before - after) / before:.1f} %)" if before and after < before else ""
    left = step["skipped"]
    skipped = ""
    if left:
        items = "".join(f"<li>{escape(text)}</li>" for text in left[:40])
        skipped = (f'<details><summary>{escape(SAY(lang, "steps.skipped", n=len(left)))}'
                   f"</summary><ul>{items}</ul></details>")
    changed = escape(SAY(lang, "steps.parts", n=len(step["changed"])))
    return (f'<tr><td><code>{escape(step["step"])}</code><div class="lp-quiet">'
            f'{escape(step["detail"])}</div></td>'
            f"<td>{before / 1e6:,.2f} → {after / 1e6:,.2f} M{share}</td>"
            f"<td>{changed}{skipped}</td><td>{three(step['seconds'], 's')}</td></tr>")


def kinds_html(lang: str) -> str:
    """Every step that there is, how it is written and what it does."""
    rows = "".join(f"<li><code>{escape(kind.usage)}</code> {escape(SAY(lang, f'step.{name}'))}</li>"
                   for name, kind in STEPS.items())
    return f'<ul class="lp-lab-kinds">{rows}</ul>'


def numbered(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    """Rows with the number that list, table and picture share."""
    return list(enumerate(rows, 1))
