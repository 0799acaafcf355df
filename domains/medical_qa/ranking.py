"""From passages found to conditions: which is meant, is it near enough, is another as near?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lepton_engine.retrieval import Hit

MOST_RIVALS = 3
MOST_SURE = 0.99  # of about a hundred questions a language


@dataclass(frozen=True)
class Limits:
    """Measured on ``benchmarks/medical_dev.json`` by ``python -m benchmarks.medical``.

    All are log odds of the retrieval's score: ``named`` is what a condition's own name in
    the question adds; below ``answer`` nothing is near enough, and below ``topic`` where the
    question names a topic that is no condition of the base; a second condition within
    ``clarify`` of the first asks back, or within ``vague`` where the question says hardly
    more than one symptom. ``slope`` and ``middle`` turn the log odds into the
    share of right answers at that value.
    """

    named: float
    answer: float
    topic: float
    clarify: float
    vague: float
    slope: float
    middle: float

    def least(self, *, topic: bool) -> float:
        """What the first condition must reach."""
        return self.topic if topic else self.answer

    def confidence(self, score: float) -> float:
        """The calibrated chance, 0..1, that a condition of this score is the right one; never
        more than the number of questions behind it can show."""
        return min(MOST_SURE, 1.0 / (1.0 + math.exp(-self.slope * (score - self.middle))))


@dataclass(frozen=True)
class Candidate:
    """A condition with its best passages, best first; ``score`` in log odds."""

    condition: str
    score: float
    named: bool
    hits: tuple[Hit, ...]


def log_odds(score: float) -> float:
    """Of a probability 0..1; kept finite at both ends."""
    inside = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(inside / (1 - inside))


def candidates(hits: Sequence[Hit], named: Sequence[str], limits: Limits) -> list[Candidate]:
    """The conditions of the hits, best first. A condition is as near as its best passage;
    its name in the question adds to that, but does not decide alone, because a question may
    name one illness and be about another ("earache after a cold")."""
    by_condition: dict[str, list[Hit]] = {}
    for hit in hits:
        by_condition.setdefault(hit.passage.document, []).append(hit)
    found = [
        Candidate(name, log_odds(rows[0].score) + limits.named * (name in named), name in named,
                  tuple(rows))
        for name, rows in by_condition.items()
    ]
    return sorted(found, key=lambda c: -c.score)


def rivals(found: Sequence[Candidate], limits: Limits, *, vague: bool = False,
           either: bool = False) -> list[Candidate]:
    """The best condition, and with it those that are about as near.

    A name settles it: a rival must be named as well when the best is. ``vague``: the
    question says little, so more conditions count as near; ``either``: it asks which of
    the conditions that it names.
    """
    best, margin = found[0], limits.vague if vague else limits.clarify
    near = [
        c for c in found[1:] if c.named == best.named and
        ((either and c.named) or (best.score - c.score <= margin and c.score >= limits.answer))
    ]
    return [best, *near[:MOST_RIVALS]]


def read_limits(table: Mapping[str, Mapping[str, float]], language: str) -> Limits:
    row = table[language]
    return Limits(**{name: float(row[name]) for name in Limits.__dataclass_fields__})
