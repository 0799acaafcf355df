"""What is felt in a message: it changes how an answer begins, never what it says.

The heads read the vectors that retrieval has computed of the same message, so that asking them
after the search costs no pass through a model.
"""

from __future__ import annotations

from typing import Any

from domains.base import Decision
from domains.customer_service.outcome import Emotion
from domains.customer_service.request import Request
from lepton_engine.errors import LeptonError

HEADS = {"en": "emotion", "zh": "emotion-zh"}
#: Whoever is so is offered a person at once, unless the text does it anyway.
WANTS_A_PERSON = ("upset", "urgent")
CONFUSED = "confused"


def read_emotion(engine: Any, request: Request) -> Emotion | None:
    """Of the message; None where no head reads its language or none can be had."""
    head = HEADS.get(request.language)
    if head is None:
        return None
    try:
        found = engine.classify([request.message], head)[0]
    except LeptonError:
        return None
    request.stamps.append(found.stamp)
    return Emotion(found.label, round(float(found.confidence), 4), bool(found.accepted))


def opening(request: Request, decision: Decision) -> str:
    """Fixed sentences to put before an answer; empty for a calm message or an unsure head."""
    felt = request.emotion.felt if request.emotion else ""
    if felt == CONFUSED and decision is Decision.ANSWERED:
        return request.text("opening.confused")
    if felt not in WANTS_A_PERSON:
        return ""
    said = [request.text(f"opening.{felt}")]
    if decision is not Decision.ABSTAINED:  # its text names the way to a person
        said.append(request.text("opening.person"))
    return ("" if request.language == "zh" else " ").join(said)


def said_of(request: Request, emotion: Emotion | None) -> str:
    """For the summary: the label and its probability, or that it is not clear."""
    if emotion is None:
        return request.text("summary.no_intent")
    if not emotion.accepted:
        return request.text("emotion.unsure")
    return f"{request.text(f'emotion.{emotion.label}')} ({emotion.confidence:.2f})"
