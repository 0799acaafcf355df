"""One message on its way through the service: what is known of it, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domains.base import Decision
from domains.customer_service.conversation import Conversation
from domains.customer_service.outcome import Emotion, Turn
from domains.shared.texts import Texts
from lepton_engine.errors import LeptonError
from lepton_engine.results import Stamp

HEAD = "bank-intent"


@dataclass(frozen=True)
class Intent:
    """``name`` is None where no intent is defined; ``note`` says why.

    ``probabilities`` are those of all intents, empty where the head was not asked.
    """

    name: str | None = None
    confidence: float | None = None
    note: str = ""
    stamp: Stamp | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Request:
    """Local to one call. ``stamps`` are the steps so far, in order; ``opening`` stands before
    the text of every turn."""

    message: str
    language: str
    conversation: Conversation
    say: Texts
    attempt: int = 0
    intent: Intent = field(default_factory=Intent)
    emotion: Emotion | None = None
    opening: str = ""
    stamps: list[Stamp] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def turn(self, decision: Decision, reason: str, **fields: Any) -> Turn:
        """A turn with what is common to all turns of this request. ``reason`` is a sentence."""
        latency = (time.perf_counter() - self.started) * 1000
        stamp = Stamp.combined(self.stamps, latency) if self.stamps else None
        return Turn(decision=decision, reason=reason, stamp=stamp, message=self.message,
                    language=self.language, intent=self.intent.name,
                    intent_confidence=self.intent.confidence, intent_note=self.intent.note,
                    emotion=self.emotion, opening=self.opening,
                    session_id=self.conversation.session_id, attempt=self.attempt, **fields)

    def text(self, key: str, **values: object) -> str:
        return self.say(self.language, key, **values)


def read_intent(engine: Any, request: Request) -> Intent:
    """The intent of an English message; a head that cannot be had costs only the intent."""
    if request.language != "en":
        return Intent(note=request.text("intent.other_language"))
    try:
        found = engine.classify([request.message], HEAD)[0]
    except LeptonError as error:
        return Intent(note=request.text("intent.unavailable", reason=error.message))
    confidence = round(float(found.confidence), 4)
    name = found.label if found.accepted else None
    note = "" if found.accepted else request.text("intent.not_accepted")
    return Intent(name, confidence, note, found.stamp, found.probabilities)
