"""What the medical service hands back, as data and as plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domains.base import Outcome
from domains.medical_qa.knowledge import Source
from domains.medical_qa.red_flags import RedFlag
from lepton_engine.results import Evidence


@dataclass(frozen=True)
class AnswerSentence:
    """One sentence of the base, word for word, with where it stands and what it rests on.

    ``sources`` is empty for a section that is not checked against a source; ``nearest``
    marks the sentences nearest to the question.
    """

    sentence: str
    condition: str
    section: str
    evidence: Evidence
    sources: tuple[Source, ...]
    nearest: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"sentence": self.sentence, "condition": self.condition, "section": self.section,
                "evidence": self.evidence.to_dict(), "nearest": self.nearest,
                "checked": bool(self.sources),
                "sources": [source.to_json() for source in self.sources]}


@dataclass(frozen=True)
class Topic:
    """A condition of the base that the answer is about, or that could be meant."""

    id: str
    name: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name}


@dataclass(frozen=True, kw_only=True)
class MedicalOutcome(Outcome):
    """``text`` is the whole answer as plain text (the fixed text of an emergency);
    ``notice`` says that none of it is medical advice; ``language`` is "en" or "zh"."""

    language: str
    notice: str
    text: str = ""
    answer: tuple[AnswerSentence, ...] = ()
    red_flags: tuple[RedFlag, ...] = ()
    topics: tuple[Topic, ...] = ()
