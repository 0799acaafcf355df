"""Which words move a headline's score: each is left out once, and the rest is scored again.

Occlusion (Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks)
with words for patches. It says what the model reacts to, not what caused the news.
"""

from __future__ import annotations

import re
from typing import Any

from domains.base import Decision
from domains.financial_sentiment.outcome import Explanation, Influence
from domains.financial_sentiment.rows import ADAPTER, Card, score_of, signed
from domains.shared.markup import three
from domains.shared.texts import Texts
from lepton_engine.results import Evidence

MOST_WORDS = 20
SHOWN = 3
# Smaller changes are not worth a sentence: the labels do not turn on them.
SMALLEST = 0.05
_WORD = re.compile(r"\S+")
_EDGES = "\"'“”‘’.,:;!?()[]…"


def explain(engine: Any, say: Texts, text: str) -> Explanation:
    """The change of the score by each of the first 20 words, in one batch."""
    spans = [match.span() for match in _WORD.finditer(text)]
    tried = spans[:MOST_WORDS] if len(spans) > 1 else []
    result = engine.classify([text, *(_without(text, *span) for span in tried)], ADAPTER)
    whole = result[0]
    common: dict[str, Any] = {"headline": text, "confidence": float(whole.confidence),
                              "stamp": result.stamp, "word_count": len(spans)}
    if not whole.accepted:
        card = Card.of(engine.adapter_card(ADAPTER))
        return Explanation(decision=Decision.ABSTAINED, reason=card.refusal(say, "en", whole),
                           **common)
    score = score_of(whole)
    words = tuple(_influence(text, span, score - score_of(without))
                  for span, without in zip(tried, result[1:], strict=True))
    return Explanation(decision=Decision.ANSWERED, label=whole.label, score=score, words=words,
                       reason=_reason(say, score, words, len(spans)),
                       evidence=_evidence(say, text, words), **common)


def strongest(words: tuple[Influence, ...]) -> list[Influence]:
    """The words whose removal changes the score most, the strongest first."""
    loud = [word for word in words if abs(word.change) >= SMALLEST]
    return sorted(loud, key=lambda word: -abs(word.change))[:SHOWN]


def _without(text: str, start: int, end: int) -> str:
    return " ".join((text[:start] + text[end:]).split())


def _influence(text: str, span: tuple[int, int], change: float) -> Influence:
    """The word without the punctuation at its edges, unless it is nothing else."""
    start, end = span
    bare = text[start:end].strip(_EDGES)
    if bare:
        start += text[start:end].index(bare)
        end = start + len(bare)
    return Influence(word=text[start:end], start=start, end=end, change=change)


def _reason(say: Texts, score: float, words: tuple[Influence, ...], count: int) -> str:
    top = strongest(words)
    if top:
        parts = [say("en", "reason.explained", word=top[0].word, score=signed(score),
                     without=signed(score - top[0].change), change=signed(top[0].change),
                     n=len(words))]
    else:
        parts = [say("en", "reason.explained_none", n=len(words), limit=SMALLEST)]
    if count > MOST_WORDS:
        parts.append(say("en", "reason.explained_first", n=len(words), all=count))
    return " ".join(parts)


def _evidence(say: Texts, text: str, words: tuple[Influence, ...]) -> tuple[Evidence, ...]:
    """The score of each is the size of the change, at most 1; its sign stands in the title."""
    return tuple(
        Evidence(source=say("en", "evidence.headline"), address="", quote=word.word,
                 title=say("en", "evidence.raises" if word.change > 0 else "evidence.lowers",
                           word=word.word, change=three(abs(word.change))),
                 score=min(1.0, abs(word.change)), passage=text, start=word.start, end=word.end)
        for word in strongest(words))
