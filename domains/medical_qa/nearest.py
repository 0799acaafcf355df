"""Which sentences of a condition come nearest to the question, and whether any does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domains.medical_qa.knowledge import SECTIONS, Condition
from lepton_engine.errors import ModelUnavailableError
from lepton_engine.results import Stamp
from lepton_engine.retrieval import Hit

CLEAR = 0.3  # the cross-encoder's score from which a sentence speaks to the question
FAINT = 0.03  # below this not even the best one does
MOST = 3


@dataclass(frozen=True)
class Near:
    """``sections[section].text[start:end]`` and how well it answers, 0..1."""

    section: str
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class Nearest:
    """``rows``: best first, at most three; ``scores``: of every sentence that was read, by
    its text; ``exact`` is False where the cross-encoder found none that answers, and None
    where it does not know the language."""

    rows: tuple[Near, ...]
    scores: dict[str, float]
    exact: bool | None
    stamp: Stamp | None = None


def nearest(engine: Any, query: str, condition: Condition, hits: Sequence[Hit]) -> Nearest:
    """By the cross-encoder over all sentences of the condition (English); otherwise, or
    without the cross-encoder, the quotes of the search."""
    if condition.language == "en":
        try:
            return _reranked(engine, query, condition)
        except ModelUnavailableError:
            pass  # the answer stands without it; the search has said what is missing
    rows = tuple(Near(h.passage.section, h.start, h.end, h.quote, h.score) for h in hits[:MOST])
    return Nearest(rows, {row.text: row.score for row in rows}, None)


def _reranked(engine: Any, query: str, condition: Condition) -> Nearest:
    spans = [(name, span) for name in SECTIONS for span in condition.sections[name].sentences]
    ranking = engine.rerank(query, [span.text for _, span in spans])
    rows = []
    for place in ranking.order[:MOST]:
        name, span = spans[place]
        rows.append(Near(name, span.start, span.end, span.text, ranking.scores[place]))
    clear = [row for row in rows if row.score >= CLEAR]
    kept = clear or [row for row in rows[:1] if row.score >= FAINT]
    scores = {span.text: score for (_, span), score in zip(spans, ranking.scores, strict=True)}
    return Nearest(tuple(kept), scores, bool(kept), ranking.stamp)
