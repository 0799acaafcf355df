"""What the person who takes over reads first; made from the conversation, not by a model."""

from __future__ import annotations

import re
from datetime import datetime

from domains.customer_service.emotion import said_of
from domains.customer_service.handoff import Handoff
from domains.customer_service.outcome import Emotion
from domains.customer_service.request import Request
from domains.customer_service.smalltalk import kind_of

MAX_LINE = 500
_CARD = re.compile(r"\b(?:\d[ -]?){8,15}(\d{4})\b")
_SECRET = re.compile(
    r"(?i)\b(pin|passcode|password|cvv|cvc|code)\b(\W{0,3}(?:is|was|number)?\W{0,3})\d{3,8}\b"
    r"|(密码|验证码|安全码)([是为：: ]{0,3})\d{3,8}")


def summary(request: Request, handoff: Handoff, when: datetime) -> str:
    """Plain text to copy: what happened, what was tried, intent, emotion, language, time."""
    earlier = request.conversation.exchanges
    lines = [request.text("summary.title", category=request.text(f"category.{handoff.category}"))]
    lines += [request.text("summary.happened")]
    lines += [f"- {masked(e.message)}{_felt(request, e.emotion)}" for e in earlier
              if kind_of(e.message) is None]
    lines += [f"- {masked(request.message)}{_felt(request, request.emotion)}"]
    tried = [f"- {' / '.join(e.titles)}" for e in earlier if e.grounded]
    lines += [request.text("summary.tried"), *(tried or [f"- {request.text('summary.nothing')}"])]
    intent = request.intent
    said = intent.name or request.text("summary.no_intent")
    if intent.name and intent.confidence is not None:
        said = f"{intent.name} ({intent.confidence:.2f})"
    lines.append(request.text("summary.facts", intent=said,
                              emotion=said_of(request, request.emotion),
                              language=request.text(f"language.{request.language}"),
                              time=when.strftime("%Y-%m-%d %H:%M UTC")))
    return "\n".join(lines)


def _felt(request: Request, emotion: Emotion | None) -> str:
    """Behind a line of the customer: how it sounds, where that is clear and not calm."""
    felt = emotion.felt if emotion else ""
    return f" [{request.text(f'emotion.{felt}')}]" if felt not in ("", "calm") else ""


def masked(text: str) -> str:
    """A line with card numbers and codes hidden: a summary is copied to other places."""
    text = _CARD.sub(r"•••• \1", " ".join(text.split()))
    text = _SECRET.sub(lambda m: (m[1] or m[3]) + (m[2] or m[4] or "") + "•••", text)
    return text if len(text) <= MAX_LINE else text[:MAX_LINE - 1] + "…"
