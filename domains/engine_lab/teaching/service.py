"""Section “Teach your own”: from rows to a classifier, and one own text by it. No Gradio."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from domains.base import Decision, Outcome
from domains.engine_lab.outcome import Stage
from domains.engine_lab.teaching.reading import examples
from domains.shared.texts import Texts
from lepton_engine.errors import InputError
from lepton_engine.language import detect, is_english

SAY = Texts("engine_lab")
#: One at a time: two would only take twice as long each. What waits says so and may be stopped.
_TURN = threading.Semaphore(1)
_SECONDS = 0.3
DEFAULT_NAME = "my-labels"


@dataclass(frozen=True, kw_only=True)
class TaughtOutcome(Outcome):
    """A taught classifier. ``file`` are the bytes of its zip, ``mistakes`` rows with row, text,
    label, predicted and confidence, ``facts`` the counts of its card."""

    name: str
    labels: tuple[str, ...]
    trunk: str
    recipe: str
    scores: Mapping[str, Any]
    confusion: list[list[int]]
    better: bool
    mistakes: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]
    file: bytes


@dataclass(frozen=True, kw_only=True)
class OwnOutcome(Outcome):
    """One text by a taught classifier: ``items`` are labels with their probabilities."""

    name: str
    items: tuple[Mapping[str, Any], ...] = ()


class _StoppedError(Exception):
    """The person who waited has gone."""


class _Work:
    """A job on a thread of its own that can be looked at and stopped between its steps."""

    def __init__(self, job: Callable[[Callable[[str, float | None], None]], Any]) -> None:
        self.said: tuple[str, float | None] = ("waiting", None)
        self.result: Any = None
        self.error: BaseException | None = None
        self._job, self._stop = job, threading.Event()
        # The profile of the visitor is a variable of the context, and goes along.
        context = contextvars.copy_context()
        self.thread = threading.Thread(target=context.run, args=(self._run,), daemon=True,
                                       name="lepton-teach")

    def _tell(self, what: str, share: float | None) -> None:
        if self._stop.is_set():
            raise _StoppedError
        self.said = (what, share)

    def _run(self) -> None:
        try:
            while not _TURN.acquire(timeout=_SECONDS):
                self._tell("waiting", None)
            try:
                self.result = self._job(self._tell)
            finally:
                _TURN.release()
        except BaseException as error:  # raised again where it is waited for
            self.error = error

    def stop(self) -> None:
        self._stop.set()


def taught(engine: Any, name: str, source: str, pasted: str, data: bytes | None, lang: str,
           ) -> Generator[Stage | TaughtOutcome, None, None]:
    """Stages, then the classifier. Closing it stops the work; nothing is kept in the engine.

    Raises:
        InputError, LimitError: rows that nothing can be taught from.
    """
    texts, labels = examples(source, pasted, data)
    wanted = (name or "").strip() or DEFAULT_NAME
    work = _Work(lambda tell: engine.fit(wanted, texts, labels, tell=tell, keep=False))
    started = time.monotonic()
    work.thread.start()
    try:
        while work.thread.is_alive():
            yield _stage(engine, *work.said, time.monotonic() - started, lang)
            work.thread.join(_SECONDS)
    finally:
        work.stop()
    if work.error is not None:
        raise work.error
    yield _outcome(work.result, lang)


def _stage(engine: Any, what: str, share: float | None, seconds: float, lang: str) -> Stage:
    if what.startswith("fold "):
        _, number, _, count = what.split()
        said = SAY(lang, "teach.stage.fold", number=number, count=count)
    else:
        said = SAY(lang, f"teach.stage.{what}")
        loading = next((m for m in engine.status().models if m.state == "loading"), None)
        if what == "vectors" and loading is not None:
            said = SAY(lang, "teach.stage.loading", model=loading.name)
    return Stage(f"{said} · {seconds:.0f} s", share)


def _outcome(fitted: Any, lang: str) -> TaughtOutcome:
    scores, examples_ = fitted.scores, fitted.card["examples"]
    accuracy = scores["accuracy"]
    key = "teach.reason" if fitted.better_than_commonest else "teach.reason_no_better"
    reason = SAY(lang, key, right=percent(accuracy["value"]), low=percent(accuracy["low"]),
                 high=percent(accuracy["high"]), n=f"{scores['n']:,}",
                 label=scores["commonest"]["label"], share=percent(scores["commonest"]["share"]))
    mistakes = tuple({"row": m.row, "text": m.text, "label": m.label, "predicted": m.predicted,
                      "confidence": m.confidence} for m in fitted.mistakes)
    return TaughtOutcome(
        decision=Decision.ANSWERED, reason=reason, confidence=accuracy["value"],
        stamp=fitted.stamp, name=fitted.name, labels=tuple(fitted.head.labels),
        trunk=fitted.head.trunk, recipe=fitted.card["recipe"], scores=dict(scores),
        confusion=fitted.card["confusion"], better=fitted.better_than_commonest,
        mistakes=mistakes, facts=dict(examples_), file=fitted.to_bytes())


def percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"  # the sign never alone on a line


def own_text(engine: Any, taught_payload: Mapping[str, Any] | None, text: str, lang: str,
             ) -> OwnOutcome:
    """One text by the classifier that was taught in this session.

    Raises:
        InputError: nothing taught yet, or no text.
    """
    if taught_payload is None:
        raise InputError("There is no classifier yet. Teach one first.")
    line = " ".join((text or "").split())
    if not line:
        raise InputError("There is no text. Write one.")
    fitted = engine.open_fitted(taught_payload["file"])
    spoken = detect(line)
    code = "en" if is_english(spoken) else spoken
    if code not in fitted.card["languages"]:
        return OwnOutcome(decision=Decision.ABSTAINED, name=fitted.name,
                          reason=SAY(lang, "teach.own_language", language=code,
                                     trunk=fitted.head.trunk))
    found = fitted.classify([line])[0]
    items = sorted(found.probabilities.items(), key=lambda pair: -pair[1])
    key = "teach.own_reason" if found.accepted else "teach.own_unsure"
    return OwnOutcome(
        decision=Decision.ANSWERED if found.accepted else Decision.ABSTAINED,
        reason=SAY(lang, key, label=found.label, sure=percent(found.confidence),
                   least=percent(fitted.head.threshold)),
        confidence=found.confidence, stamp=found.stamp, name=fitted.name,
        items=tuple({"label": label, "value": float(value)} for label, value in items))
