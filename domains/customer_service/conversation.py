"""A conversation: a value that is handed on, so that no two callers can share one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from domains.customer_service.outcome import Emotion, Turn
from lepton_engine.errors import LimitError

MAX_TURNS = 50
SHOWN_TO_MODEL = 1  # exchanges that the language model sees; retrieval reads more
READ_BY_RETRIEVAL = 3


@dataclass(frozen=True)
class Exchange:
    """One question with its answer, as far as it came."""

    message: str
    text: str
    decision: str
    language: str
    intent: str | None = None
    titles: tuple[str, ...] = ()
    attempt: int = 0
    emotion: Emotion | None = None
    opening: str = ""

    @classmethod
    def of(cls, turn: Turn) -> Exchange:
        titles = tuple(dict.fromkeys(e.title for e in turn.evidence))
        return cls(turn.message, turn.text, turn.decision.value, turn.language, turn.intent,
                   titles, turn.attempt, turn.emotion, turn.opening)

    @property
    def grounded(self) -> bool:
        """Whether the answer quoted an article; small talk is answered without one."""
        return self.decision == "answered" and bool(self.titles)

    def to_json(self) -> dict[str, Any]:
        return {"message": self.message, "text": self.text, "decision": self.decision,
                "opening": self.opening}


@dataclass(frozen=True)
class Conversation:
    """The exchanges so far, oldest first; ``session_id`` is empty on the page."""

    exchanges: tuple[Exchange, ...] = ()
    session_id: str = ""

    def plus(self, turn: Turn) -> Conversation:
        return replace(self, exchanges=(*self.exchanges, Exchange.of(turn)))

    def without_last(self) -> Conversation:
        return replace(self, exchanges=self.exchanges[:-1])

    def messages(self) -> tuple[str, ...]:
        """What the person asked lately, oldest first: what completes a follow-up.

        Small talk and what the articles do not cover say nothing about the next question.
        """
        asked = [e.message for e in self.exchanges
                 if e.decision in ("clarify", "handed_off") or e.grounded]
        return tuple(asked[-READ_BY_RETRIEVAL:])

    def shown_to_model(self) -> tuple[Exchange, ...]:
        grounded = [e for e in self.exchanges if e.grounded]
        return tuple(grounded[-SHOWN_TO_MODEL:])

    @property
    def hidden_turns(self) -> int:
        """How many exchanges the language model is not shown."""
        return len(self.exchanges) - len(self.shown_to_model())

    def check_room(self) -> None:
        """Raises LimitError when this conversation has its 50 turns."""
        if len(self.exchanges) >= MAX_TURNS:
            raise LimitError(f"A conversation has at most {MAX_TURNS} turns, and this one has "
                             f"them. Start a new conversation.")
