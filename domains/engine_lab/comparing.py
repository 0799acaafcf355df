"""Section “Compare”: what was measured before, and recipes measured now, row by row."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from domains.base import Decision
from domains.engine_lab.models import LabModel
from domains.engine_lab.outcome import LabOutcome, Stage
from domains.engine_lab.reading import Examples
from domains.engine_lab.rows import AGREEMENT, gains_little, little, many_times, row_of, timed
from domains.engine_lab.views import change
from domains.shared.markup import three
from domains.shared.texts import Texts
from lepton_engine.compression.decoder_questions import load_questions
from lepton_engine.compression.gate import LEAST_N
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.rows import CompareProgress, with_gains
from lepton_engine.language import detect, is_english
from lepton_engine.profiles import BALANCED, chosen_verdict
from lepton_engine.results import Evidence, Stamp

SAY = Texts("engine_lab")
Row = Mapping[str, Any]


def stored(engine: Any, model: LabModel, lang: str) -> LabOutcome:
    """The verdicts on a model as they lie in the project and on this machine."""
    verdicts = engine.verdicts(model.name)
    rows = [row_of(verdict) for verdict in verdicts]
    shown = _served(verdicts) or max(timed(rows), key=lambda row: row["speedup"], default=None)
    return LabOutcome(
        decision=Decision.ANSWERED if rows else Decision.ABSTAINED, name=model.name,
        reason=_stored_reason(verdicts, rows, lang), kind=model.kind, stored=True, rows=tuple(rows),
        known={}, evidence=_evidence(rows, lang), texts=_most(rows), labelled=True,
        stamp=_measured_stamp([shown], lang) if shown else None)


def measured(engine: Any, model: LabModel, recipes: Sequence[Recipe], examples: Examples,
             lang: str, *, anew: bool = False) -> Generator[LabOutcome | Stage, None, None]:
    """Stages, and after every measured recipe the outcome so far; the last one is complete.

    Closing it stops the engine; what was measured until then has been yielded. Rows of an
    earlier run on the same texts are taken up again, unless ``anew``.
    """
    known = {verdict.recipe: row_of(verdict) for verdict in engine.verdicts(model.name)}
    refused = _foreign(model, examples, known, lang)
    if refused:
        yield refused
        return
    if model.kind == "decoder":
        yield Stage(SAY(lang, "compare.long", n=len(load_questions())))
    started = time.perf_counter()
    found: list[Any] = []
    asked = [str(recipe) for recipe in recipes]
    with closing(engine.stream_compare(model.name, asked, *_given(model, examples),
                                       resume=not anew)) as steps:
        for step in steps:
            if isinstance(step, CompareProgress):
                yield _stage(step, lang)
                continue
            found.append(step)
            if len(found) < len(asked):
                yield _so_far(model, found, examples, known, len(asked), lang, started)
    yield _so_far(model, found, examples, known, len(asked), lang, started, complete=True)


def _given(model: LabModel, examples: Examples) -> tuple[list[str] | None, list[str] | None]:
    """Texts and labels for the engine; a language model brings its own questions, and says so
    where a person gave others."""
    if model.kind == "decoder" and examples.source == "bundled":
        return None, None
    return (list(examples.texts),
            list(examples.labels) if examples.labels is not None else None)


def _stage(step: CompareProgress, lang: str) -> Stage:
    """The bar runs over all recipes: the share within one moves it by one part of the whole."""
    text = SAY(lang, "compare.stage", index=step.index, total=step.total, recipe=step.recipe,
               what=step.what)
    done = (step.index - 1 + (step.share or 0.0)) / max(1, step.total)
    return Stage(text, min(1.0, done))


def _so_far(model: LabModel, found: Sequence[Any], examples: Examples, known: Mapping[str, Row],
            planned: int, lang: str, started: float, *, complete: bool = False) -> LabOutcome:
    rows = [row_of(row) for row in with_gains(found)]
    stamp = _measured_stamp(timed(rows), lang, (time.perf_counter() - started) * 1000)
    return LabOutcome(
        decision=Decision.ANSWERED if timed(rows) else Decision.ABSTAINED, name=model.name,
        kind=model.kind, stored=False, rows=tuple(rows), known=known, source=examples.source,
        reason=_measured_reason(found, rows, len(examples.texts), lang), texts=len(examples.texts),
        evidence=_evidence(rows, lang), labelled=examples.labels is not None, planned=planned,
        complete=complete, stamp=stamp)


def _foreign(model: LabModel, examples: Examples, known: Mapping[str, Row],
             lang: str) -> LabOutcome | None:
    """Texts in a language that the model does not read are refused, not measured."""
    language = detect(" ".join(examples.texts)[:2_000])
    code = "en" if is_english(language) else language
    if code in model.languages:
        return None
    key = f"language.{code}"
    name = SAY(lang, key) if key in SAY else code
    return LabOutcome(
        decision=Decision.ABSTAINED, name=model.name, kind=model.kind, stored=False, known=known,
        reason=SAY(lang, "reason.language", language=name, model=model.name),
        source=examples.source, texts=len(examples.texts))


def _stored_reason(verdicts: Sequence[Any], rows: Sequence[Row], lang: str) -> str:
    if not rows:
        return SAY(lang, "reason.nothing_stored")
    latest = max(rows, key=lambda row: row.get("date") or "")
    said = [SAY(lang, "reason.stored", n=f"{_most(rows):,}", date=latest["date"],
                host=latest["host"]), _winner(verdicts, lang)]
    return _joined(said, lang)


def _measured_reason(found: Sequence[Any], rows: Sequence[Row], texts: int, lang: str) -> str:
    good = timed(rows)
    if not good:
        return SAY(lang, "reason.all_failed")
    key = "reason.measured_one" if len(good) == 1 else "reason.measured"
    count = f"{_most(good) or texts:,}"
    said = [SAY(lang, key, n=count, rows=len(good))]
    if good[0]["unit"] != "token" and _most(good) < LEAST_N:
        said.append(SAY(lang, "reason.few", n=f"{_most(good):,}", least=f"{LEAST_N:,}"))
    elif good[0]["metric"] in AGREEMENT:
        said.append(SAY(lang, "reason.unlabelled"))
    else:
        said.append(_winner(found, lang))
    slow = [row["recipe"] for row in good if gains_little(row)]
    if slow:
        said.append(SAY(lang, "reason.slow", gain=little(), recipes=", ".join(slow)))
    return _joined(said, lang)


def _served(measured: Sequence[Any]) -> Row | None:
    """The row by which the page's own profile runs the model; None where the original stays."""
    best = chosen_verdict(BALANCED, measured)
    return None if best is None else row_of(best)


def _winner(measured: Sequence[Any], lang: str) -> str:
    best = _served(measured)
    if best is None:
        return SAY(lang, "reason.none_passed", gain=little())
    key = "reason.winner_token" if best["unit"] == "token" else "reason.winner"
    return SAY(lang, key, recipe=best["recipe"], speedup=three(best["speedup"]),
               many=three(many_times(best)), change=change(best["loss_points"], lang))


def _joined(parts: Sequence[str], lang: str) -> str:
    return ("" if lang == "zh" else " ").join(part for part in parts if part)


def _measured_stamp(rows: Sequence[Row], lang: str, took_ms: float | None = None) -> Stamp | None:
    """What one text costs each variant; the whole is the time that measuring took, or for
    verdicts of before the latency that was measured."""
    parts = [Stamp(row["variant"], row["variant"].rpartition(":")[2],
                   Recipe.parse(row["recipe"]).number_format, row["latency_ms"],
                   note=SAY(lang, "evidence.measured", host=row["host"], date=row["date"]))
             for row in rows]
    if not parts:
        return None
    return parts[0] if took_ms is None else Stamp.combined(parts, took_ms)


def _most(rows: Sequence[Row]) -> int:
    return max((int(row.get("n") or 0) for row in rows), default=0)


def _evidence(rows: Sequence[Row], lang: str) -> tuple[Evidence, ...]:
    """The gate's own sentences on the variants that matter most: the fastest three."""
    good = sorted(timed(rows), key=lambda row: row["latency_ms"])[:3]
    return tuple(Evidence(
        source=SAY(lang, "evidence.measured", host=row.get("host") or "–",
                   date=row.get("date") or "–"),
        title=row["recipe"], address="", quote=str(row["reason"]),
        score=max(0.0, min(1.0, row["value"] / row["original"])) if row.get("original") else 0.0)
        for row in good)
