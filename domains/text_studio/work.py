"""The three kinds of work, each a generator of a growing `Work`."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from domains.text_studio.pieces import Piece, cut, halves
from domains.text_studio.prompts import messages
from domains.text_studio.support import LEAST_MEANING, Supporter, meaning, numbers
from lepton_engine.errors import DeadlineError
from lepton_engine.language import detect, is_english
from lepton_engine.results import ChatChunk, Evidence, Stamp
from lepton_engine.sentences import split

_HAN = re.compile(r"[\u3400-\u9fff]")
# How a model says no; such a reply is a refusal, not a text.
_DECLINES = re.compile(
    r"^(?:(?:i['’]?m sorry|sorry|i apologi[sz]e)[^.]{0,12}\bi (?:can(?:no|['’])t|am unable)|"
    r"as an ai\b|i can(?:no|['’])t (?:assist|help)|"
    r"(?:很|非常)?抱歉，?(?:但)?我?(?:无法|不能))", re.I)
QUOTED = 3
MIN_SECONDS = 1.0  # with less than this left, no new piece is begun
WRITING_TEMPERATURE = 0.6


@dataclass(frozen=True)
class Job:
    """What is to be made. ``ends_at`` is on the monotonic clock, in seconds."""

    task: str
    text: str
    source_language: str
    target_language: str
    ends_at: float
    source_name: str = ""

    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()


@dataclass
class Work:
    """What is made so far: ``text`` is checked, ``draft`` is being written."""

    text: str = ""
    draft: str = ""
    done: int = 0
    complete: bool = True
    dropped: int = 0
    confidence: float | None = None
    wrong: str = ""
    evidence: list[Evidence] = field(default_factory=list)
    stamps: list[Stamp] = field(default_factory=list)
    finish_reason: str = ""
    left_over: int = 0
    missing: list[str] = field(default_factory=list)
    quoted: bool = False


def worker_of(engine: Any, job: Job) -> Generator[Work, None, None]:
    """The generator of the job's task."""
    return {"summarize": _summarise, "translate": _translate, "generate": _generate}[job.task](
        engine, job)


def _write(engine: Any, job: Job, work: Work, text: str, *, sentences: int = 0,
           temperature: float = 0.0) -> Generator[Work, None, None]:
    """Stream one reply into ``work.draft``; closing it closes the engine's stream.

    With ``sentences`` it ends after that many: a small model does not stop by itself.
    """
    prompt = messages(job.task, job.target_language, text, sentences)
    before, work.finish_reason = work.draft, ""
    stream = engine.stream_chat(prompt, temperature=temperature,
                                timeout_s=min(60.0, max(MIN_SECONDS, job.seconds_left())))
    chunk: ChatChunk
    try:
        with closing(stream):
            for chunk in stream:
                work.draft += chunk.text
                if chunk.stamp is not None:
                    work.stamps.append(chunk.stamp)
                work.finish_reason = chunk.finish_reason or work.finish_reason
                if chunk.text:
                    yield work
                if sentences and len(split(work.draft)) > sentences:
                    work.draft = _first(work.draft, sentences)
                    work.finish_reason = "stop"
                    break
    except DeadlineError:
        work.draft, work.finish_reason = before, "deadline"


def _first(text: str, sentences: int) -> str:
    return text[: split(text)[sentences - 1].end]


def _generate(engine: Any, job: Job) -> Generator[Work, None, None]:
    work = Work()
    yield from _write(engine, job, work, job.text, temperature=WRITING_TEMPERATURE)
    work.text, work.draft, work.done = work.draft.strip(), "", len(job.text)
    work.complete = work.finish_reason == "stop"
    if _DECLINES.match(work.text):
        work.wrong = "declined"
    yield work


def _summarise(engine: Any, job: Job) -> Generator[Work, None, None]:
    work = Work()
    pieces = cut(job.text, job.task, job.source_language)
    supporter = Supporter(engine, job.text, job.source_language)
    scores: list[float] = []
    for number, piece in enumerate(pieces):
        if number and job.seconds_left() < MIN_SECONDS:
            break
        yield from _write(engine, job, work, piece.text, sentences=3 if len(pieces) == 1 else 2)
        scores += _keep_supported(work, supporter, job)
        if work.finish_reason == "deadline":
            break
        work.done = piece.end
        yield work
    work.complete = work.done >= pieces[-1].end
    if work.dropped and not work.text:
        _quote_instead(work, supporter, job)
    work.stamps += supporter.stamps
    work.confidence = sum(scores) / len(scores) if scores else None
    yield work


def _quote_instead(work: Work, supporter: Supporter, job: Job) -> None:
    """The text's own most central sentences, where none of the model's held."""
    quoted = supporter.central(QUOTED)
    work.text = ("" if job.target_language == "zh" else " ").join(q.sentence for q in quoted)
    work.evidence = [supporter.evidence(q, job.source_name) for q in quoted]
    work.quoted = True


def _keep_supported(work: Work, supporter: Supporter, job: Job) -> list[float]:
    """Move the supported sentences of the draft into the text; returns their scores."""
    draft, work.draft = work.draft, ""
    whole = split(draft)
    if work.finish_reason in ("length", "deadline") and whole:
        whole = whole[:-1]  # it was cut in the middle
    seen = {span.text for span in split(work.text)}
    scores = []
    for support in supporter.check(draft[: whole[-1].end] if whole else ""):
        if support.sentence in seen:
            continue  # a small model repeats itself; once is enough
        if not support.kept:
            work.dropped += 1
            continue
        seen.add(support.sentence)
        gap = "" if not work.text or job.target_language == "zh" else " "
        work.text += gap + support.sentence
        work.evidence.append(supporter.evidence(support, job.source_name))
        scores.append(support.score)
    return scores


def _translate(engine: Any, job: Job) -> Generator[Work, None, None]:
    work = Work()
    todo = cut(job.text, job.task, job.source_language)
    last = todo[-1].end
    scores: list[tuple[float, int]] = []
    while todo:
        piece = todo.pop(0)
        if work.done and job.seconds_left() < MIN_SECONDS:
            break
        work.draft = _gap(work, piece, job)
        yield from _write(engine, job, work, piece.text)
        if _unfinished(work, job) and len(piece.sentences) > 1:
            work.draft = ""
            todo = halves(job.text, piece) + todo  # fewer sentences at once go better
            continue
        if work.finish_reason == "deadline":
            work.draft = ""
            break
        scores.append((_accept(engine, job, work, piece), len(piece.text)))
        yield work
    work.complete = work.done >= last
    if scores:
        work.confidence = sum(s * n for s, n in scores) / sum(n for _, n in scores)
        work.wrong = _what_is_wrong(work, job)
    work.missing = sorted(numbers(job.text[: work.done]) - numbers(work.text))
    work.left_over = len(_HAN.findall(work.text)) if job.target_language == "en" else 0
    yield work


def _unfinished(work: Work, job: Job) -> bool:
    """Whether the reply was cut at 256 tokens or left characters untranslated."""
    leftover = job.target_language == "en" and _HAN.search(work.draft) is not None
    return work.finish_reason == "length" or leftover


def _gap(work: Work, piece: Piece, job: Job) -> str:
    if not work.text:
        return ""
    if piece.new_paragraph:
        return "\n\n"
    return "" if job.target_language == "zh" else " "


def _accept(engine: Any, job: Job, work: Work, piece: Piece) -> float:
    """Take the draft over; returns how near its meaning is to the piece's."""
    made = work.draft.strip()
    work.text += work.draft.rstrip()
    work.draft, work.done = "", piece.end
    if not made:
        return 0.0
    score, stamp = meaning(engine, piece.text, made)
    work.stamps.append(stamp)
    work.evidence.append(Evidence(
        source=job.source_name, title=made if len(made) <= 120 else made[:119] + "…", address="",
        quote=piece.text, score=score, passage=piece.text, start=0, end=len(piece.text)))
    return score


def _what_is_wrong(work: Work, job: Job) -> str:
    """The reason not to show it: another language than asked for, or another meaning."""
    found = detect(work.text)
    right = is_english(found) if job.target_language == "en" else found == job.target_language
    if not right:
        return "wrong_language"
    if work.confidence is not None and work.confidence < LEAST_MEANING:
        return "wrong_meaning"
    return ""
