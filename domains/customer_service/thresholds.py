"""From a retrieval score to a decision and a probability; numbers measured, not guessed.

assets/customer_service.toml says on which data, when and with which command they were found.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

from domains.base import Decision

FILE = Path(__file__).parents[2] / "assets" / "customer_service.toml"


@dataclass(frozen=True)
class Curve:
    """P(the first article is the right one) = logistic(slope * logit(score) + intercept).

    At ``answer`` and above the service answers, at ``clarify`` and above it asks back.
    Both are scores of ``KnowledgeBase.search``, 0..1.
    """

    slope: float
    intercept: float
    answer: float
    clarify: float


@dataclass(frozen=True)
class Verdict:
    decision: Decision
    confidence: float


@dataclass(frozen=True)
class Thresholds:
    """One curve a language."""

    curves: dict[str, Curve]

    @classmethod
    def load(cls, path: Path = FILE) -> Thresholds:
        with path.open("rb") as file:
            table = tomllib.load(file)["retrieval"]
        return cls({language: Curve(row["slope"], row["intercept"], row["answer"], row["clarify"])
                    for language, row in table.items()})

    def verdict(self, score: float, language: str) -> Verdict:
        """What to do with a best hit of ``score``; confidence is rounded to 4 digits."""
        curve = self.curves[language]
        bounded = min(max(score, 1e-6), 1 - 1e-6)
        odds = curve.slope * math.log(bounded / (1 - bounded)) + curve.intercept
        confidence = round(1 / (1 + math.exp(-max(-30.0, min(30.0, odds)))), 4)
        if score >= curve.answer:
            return Verdict(Decision.ANSWERED, confidence)
        decision = Decision.CLARIFY if score >= curve.clarify else Decision.ABSTAINED
        return Verdict(decision, confidence)
