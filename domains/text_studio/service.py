"""The studio: summaries, translation and generation, streamed, each with what it rests on."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any, Literal

from domains.base import Decision
from domains.shared.texts import Texts
from domains.text_studio.outcome import LANGUAGES, TASKS, StudioOutcome
from domains.text_studio.work import Job, Work, worker_of
from lepton_engine.errors import InputError, LimitError
from lepton_engine.language import detect, is_english
from lepton_engine.results import Stamp
from lepton_engine.text import clean

MAX_CHARACTERS = {"summarize": 20_000, "translate": 20_000, "generate": 4_000}
MAX_SECONDS = 60.0
RECORDED_INPUT = {
    "task": "translate", "target_language": "en", "text": "请在出发前两小时到达机场，并带好护照。",
}


def build(engine: Any) -> Service:
    return Service(engine)


class Service:
    """Makes a text from a text. Stateless: what a person typed stays with the caller."""

    max_characters = max(MAX_CHARACTERS.values())

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._texts = Texts("text_studio")

    def api(self, task: Literal["summarize", "translate", "generate"], text: str,
            target_language: str = "en") -> StudioOutcome:
        """Summarise, translate or generate; the last outcome of `stream`.

        Raises:
            InputError, LimitError: the text, task or language is broken or past a limit.
        """
        *_, last = self.stream(task, text, target_language)
        return last

    def stream(self, task: str, text: str, target_language: str = "en",
               ) -> Generator[StudioOutcome, None, None]:
        """Outcomes that grow; the last one has the decision, evidence and stamp."""
        text = self._checked(task, text, target_language)
        job = self._job(task, text, target_language)
        if refused := self._refusal(job):
            return (outcome for outcome in (refused,))
        return self._run(job)

    def _checked(self, task: str, text: str, target_language: str) -> str:
        if task not in TASKS:
            raise InputError(f"`task` must be one of {', '.join(TASKS)}.")
        if not isinstance(text, str):
            raise InputError("`text` must be a text.")
        if target_language not in LANGUAGES:
            raise InputError("`target_language` must be en or zh: the model translates between "
                             "English and Chinese only.")
        text = clean(text).strip()
        if not text:
            raise InputError("The text is empty. Please write or paste something.")
        limit = MAX_CHARACTERS[task]
        if len(text) > limit:
            raise LimitError(f"For this task a text has at most {limit:,} characters; this one "
                             f"has {len(text):,}. Please shorten it.")
        return text

    def _job(self, task: str, text: str, target: str) -> Job:
        found = detect(text)
        source = "en" if is_english(found) else found
        return Job(task, text, source, target if task == "translate" else source,
                   time.monotonic() + MAX_SECONDS, self._texts(source, "evidence.source"))

    def _said(self, job: Job, key: str, **values: object) -> str:
        return self._texts(job.source_language, key, **values)

    def _refusal(self, job: Job) -> StudioOutcome | None:
        """Another language, or nothing to translate: a decision, with its reason."""
        if job.source_language not in LANGUAGES:
            key = f"language.{job.source_language}"
            name = self._texts("en", key) if key in self._texts else job.source_language
            return self._outcome(job, Decision.ABSTAINED,
                                 self._texts("en", "reason.language", language=name))
        if job.task == "translate" and job.source_language == job.target_language:
            return self._outcome(job, Decision.CLARIFY, self._said(job, "reason.same_language"))
        return None

    def _outcome(self, job: Job, decision: Decision, reason: str, **values: Any) -> StudioOutcome:
        return StudioOutcome(decision=decision, reason=reason, task=job.task,
                             **{"text": "", "total": len(job.text),
                                "source_language": job.source_language,
                                "target_language": job.target_language, **values})

    def _run(self, job: Job) -> Generator[StudioOutcome, None, None]:
        start = time.perf_counter()
        work = Work()
        growing = self._outcome(job, Decision.ANSWERED, "", complete=False)
        with closing(worker_of(self._engine, job)) as steps:
            for work in steps:
                yield replace(growing, text=work.text, draft=work.draft, done=work.done,
                              dropped=work.dropped)
        elapsed_ms = (time.perf_counter() - start) * 1000
        stamp = Stamp.combined(work.stamps, elapsed_ms) if work.stamps else None
        yield self._final(job, work, stamp)

    def _final(self, job: Job, work: Work, stamp: Stamp | None) -> StudioOutcome:
        if not work.text.strip():
            return self._outcome(job, Decision.ABSTAINED, self._said(job, "reason.no_output"),
                                 stamp=stamp, done=work.done, complete=False)
        if work.wrong:
            return self._outcome(job, Decision.ABSTAINED,
                                 self._said(job, f"reason.{work.wrong}"), stamp=stamp,
                                 done=work.done, confidence=work.confidence, complete=False)
        key = "reason.quoted" if work.quoted else f"reason.{job.task}"
        reasons = [self._said(job, key)]
        if work.dropped:
            reasons.append(self._said(job, "reason.dropped", n=work.dropped))
        if work.missing:
            reasons.append(self._said(job, "reason.missing", numbers=", ".join(work.missing)))
        if work.left_over:
            reasons.append(self._said(job, "reason.left_over", n=work.left_over))
        if not work.complete:
            share = round(100 * work.done / max(1, len(job.text)))
            key = "reason.cut" if job.task == "generate" else "reason.incomplete"
            reasons.append(self._said(job, key, done=work.done, total=len(job.text),
                                      percent=share))
        return self._outcome(job, Decision.ANSWERED, " ".join(reasons), text=work.text,
                             confidence=work.confidence, evidence=tuple(work.evidence),
                             stamp=stamp, done=work.done, dropped=work.dropped,
                             complete=work.complete)
