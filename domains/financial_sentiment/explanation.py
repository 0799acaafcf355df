"""Which words move a headline's score: each is left out once, and the rest is scored again.

Occlusion (Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks)
with words for patches. It says what the model reacts to, not what caused the news.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from domains.base import Decision
from domains.financial_sentiment.companies import others, reading, readings
from domains.financial_sentiment.outcome import Explanation, Influence
from domains.financial_sentiment.rows import ADAPTER, Card, score_of, signed
from domains.financial_sentiment.tickers import Mention
from domains.shared.markup import three
from domains.shared.texts import Texts
from lepton_engine.marking import Span, marked
from lepton_engine.results import Evidence

MOST_WORDS = 20
SHOWN = 3
# Smaller changes are not worth a sentence: the labels do not turn on them.
SMALLEST = 0.05
_WORD = re.compile(r"\S+")
_EDGES = "\"'“”‘’.,:;!?()[]…"


def explain(engine: Any, say: Texts, text: str, found: Sequence[Mention] = (),
            asked: Mention | None = None) -> Explanation:
    """The change of the score by each of the first 20 words, in one batch.

    The score is that of the company ``asked`` about where ``found`` are several, else that of
    the whole headline.
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    own = asked if len(readings(text, found)) > 1 else None
    if own is None:
        found, whole_text = (), text
    else:
        whole_text = reading(text, found, own)
        spans = [span for span in spans if not _is_name(span, found)]
    tried = spans[:MOST_WORDS] if len(spans) > 1 else []
    left_out = [_without(text, span, found, own) for span in tried]
    result = engine.classify([whole_text, *left_out], ADAPTER)
    whole = result[0]
    common: dict[str, Any] = {
        "headline": text, "confidence": float(whole.confidence), "stamp": result.stamp,
        "word_count": len(spans), "entity": own and own.text, "read_as": own and whole_text}
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


def _is_name(span: Span, found: Sequence[Mention]) -> bool:
    """Whether a word touches a company's name, which the model does not see."""
    return any(start < span[1] and span[0] < end for m in found for start, end in m.spans)


def _without(text: str, span: Span, found: Sequence[Mention], own: Mention | None) -> str:
    """The text that the model reads, without one word, which is no part of a name."""
    def side(start: int, end: int) -> str:
        def inside(spans: Iterable[Span]) -> list[Span]:
            return [(s - start, e - start) for s, e in spans if start <= s and e <= end]
        if own is None:
            return text[start:end]
        return marked(text[start:end], inside(own.spans), inside(others(found, own)))

    return " ".join((side(0, span[0]) + side(span[1], len(text))).split())


def _influence(text: str, span: Span, change: float) -> Influence:
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
