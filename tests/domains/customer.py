"""What the tests of the customer service share: a service on the fake engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from domains.customer_service.conversation import Conversation
from domains.customer_service.outcome import Turn
from domains.customer_service.service import Service
from domains.customer_service.thresholds import Curve, Thresholds
from tests.fakes import FakeEngine

# Scores of the fake engine are shares of words, so it has thresholds of its own.
CURVE = Curve(slope=1.0, intercept=0.0, answer=0.3, clarify=0.005)
THRESHOLDS = Thresholds({"en": CURVE, "zh": CURVE})
# Answers whatever comes: for what happens after the search.
ALWAYS = Thresholds({language: Curve(1.0, 0.0, answer=0.0, clarify=0.0)
                     for language in ("en", "zh")})
NEW_CARD = "How do I activate my new card?"
SEPA = "How long does a SEPA transfer in euros take?"
SEPA_FACT = "A SEPA transfer in euros reaches the other bank within 1 working day."


def service(engine: Any = None, **options: Any) -> Service:
    options.setdefault("thresholds", THRESHOLDS)
    return Service(engine if engine is not None else FakeEngine(),
                   now=lambda: datetime(2026, 11, 23, 9, 30, tzinfo=UTC), **options)


def ask(made: Service, message: str, conversation: Conversation | None = None,
        attempt: int = 0) -> Turn:
    return list(made.stream(conversation or Conversation(), message, attempt=attempt))[-1]


def talk(made: Service, messages: Iterable[str]) -> Conversation:
    conversation = Conversation()
    for message in messages:
        conversation = conversation.plus(ask(made, message, conversation))
    return conversation
