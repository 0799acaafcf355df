"""What one message to the customer service becomes; every step of a stream is one `Turn`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from domains.base import Outcome


@dataclass(frozen=True)
class Topic:
    """An article that a question may be about; ``question`` is what its button asks."""

    id: str
    title: str
    question: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Emotion:
    """What a message sounds like: calm, confused, upset or urgent, with its probability.

    ``accepted`` is false where the head is not sure enough; such a label changes nothing.
    """

    label: str
    confidence: float
    accepted: bool

    @property
    def felt(self) -> str:
        """The label where it counts, else ""."""
        return self.label if self.accepted else ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Turn(Outcome):
    """One message and its answer so far.

    ``text`` holds only finished, supported sentences, with [n] for the n-th evidence.
    ``opening`` are fixed sentences that stand before it, chosen by the ``emotion`` of the
    message, which is null where none was read. ``draft`` is the sentence being written: not
    checked yet, gone when it is not supported. ``stage``: searching, writing or done.
    ``intent`` is null where it is not defined, and ``intent_note`` says why.
    ``dropped_sentences`` were written but not supported by any passage; ``dropped_turns`` are
    older turns that the language model was not shown. ``attempt`` counts retries. ``summary``
    is for the person who takes over.
    """

    message: str
    language: str
    text: str = ""
    intent: str | None = None
    intent_confidence: float | None = None
    intent_note: str = ""
    emotion: Emotion | None = None
    opening: str = ""
    session_id: str = ""
    stage: str = "done"
    draft: str = ""
    topics: tuple[Topic, ...] = ()
    generated: bool = False
    dropped_sentences: int = 0
    dropped_turns: int = 0
    attempt: int = 0
    category: str = ""
    summary: str = ""
