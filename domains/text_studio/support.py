"""What a made text rests on in its source: sentence by sentence, with numbers held exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lepton_engine.results import Evidence, Stamp
from lepton_engine.retrieval_conversation import content_words
from lepton_engine.sentences import Span, split

if TYPE_CHECKING:
    import numpy as np

# A summary sentence whose nearest source sentence is less alike than this is dropped. The
# encoders differ in scale: unrelated sentences score at most about 0.15 in both.
LEAST_SUPPORT = {"en": 0.42, "zh": 0.30}
# Likeness does not see who did what: a sentence that mixes two of the source can be near to
# both and true of neither. So this share of its words must stand in the one it is nearest to.
LEAST_SHARED = {"en": 0.6, "zh": 0.6}
# A translation whose meaning is less near to its source than this is not shown as one.
LEAST_MEANING = 0.40
ENCODER = {"en": "minilm-l6", "zh": "use-multilingual"}
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Support:
    """The nearest source sentence of one made sentence; ``kept`` False: it was dropped."""

    sentence: str
    source: Span
    score: float
    kept: bool


def numbers(text: str) -> set[str]:
    """The numbers of a text without thousands separators: ``{"48", "1.2"}``."""
    return {re.sub(r",(?=\d{3})", "", n) for n in _NUMBER.findall(text)}


def _words(text: str, language: str) -> set[str]:
    """Stemmed content words in English, pairs of neighbouring characters in Chinese."""
    if language == "zh":
        letters = "".join(c for c in text if c.isalnum())
        return {letters[i:i + 2] for i in range(len(letters) - 1)}
    import Stemmer

    return set(Stemmer.Stemmer("english").stemWords(sorted(content_words(text))))


def shared_words(sentence: str, source: str, language: str) -> float:
    """The share of the sentence's content words that the source sentence has, 0..1."""
    words = _words(sentence, language)
    return len(words & _words(source, language)) / len(words) if words else 0.0


class Supporter:
    """Finds the source of each summary sentence. Made once for a source text."""

    def __init__(self, engine: Any, source: str, language: str) -> None:
        self._engine = engine
        self._language = language
        self._source = source
        self._spans = split(source)
        self._vectors: np.ndarray | None = None
        self.stamps: list[Stamp] = []

    def _embed(self, texts: list[str]) -> np.ndarray:
        result = self._engine.embed(texts, ENCODER[self._language])
        self.stamps.append(result.stamp)
        vectors: np.ndarray = result.vectors
        return vectors

    def check(self, made: str) -> list[Support]:
        """Each sentence of ``made`` with its nearest source sentence.

        A sentence is kept when that one is near enough and the source has all its numbers.
        """
        sentences = [span.text for span in split(made)]
        if not sentences or not self._spans:
            return []
        if self._vectors is None:
            self._vectors = self._embed([span.text for span in self._spans])
        scores = self._embed(sentences) @ self._vectors.T
        known = numbers(self._source)
        rows = []
        for sentence, row in zip(sentences, scores, strict=True):
            best = int(row.argmax())
            score = max(0.0, min(1.0, float(row[best])))
            shared = shared_words(sentence, self._spans[best].text, self._language)
            kept = (score >= LEAST_SUPPORT[self._language] and numbers(sentence) <= known
                    and shared >= LEAST_SHARED[self._language])
            rows.append(Support(sentence, self._spans[best], score, kept))
        return rows

    def central(self, count: int) -> list[Support]:
        """The source's own sentences that are nearest to its mean vector, in its order."""
        if self._vectors is None:
            self._vectors = self._embed([span.text for span in self._spans])
        scores = self._vectors @ self._vectors.mean(axis=0)
        best = sorted(scores.argsort()[::-1][:count].tolist())
        return [Support(self._spans[i].text, self._spans[i], 1.0, True) for i in best]

    def evidence(self, support: Support, title: str) -> Evidence:
        """The source sentence, marked in the sentences around it."""
        at = self._spans.index(support.source)
        start = self._spans[max(0, at - 1)].start
        end = self._spans[min(len(self._spans) - 1, at + 1)].end
        return Evidence(source=title, title=support.sentence, address="",
                        quote=support.source.text, score=support.score,
                        passage=self._source[start:end], start=support.source.start - start,
                        end=support.source.end - start)


def meaning(engine: Any, source: str, made: str) -> tuple[float, Stamp]:
    """Cosine of the two texts' multilingual vectors, cut to 0..1, and what it cost."""
    result = engine.embed([source, made], "use-multilingual")
    score = float(result.vectors[0] @ result.vectors[1])
    return max(0.0, min(1.0, score)), result.stamp
