"""Whether a passage says what a sentence says: the check that every sentence must pass.

Copied words are supported by the place they were copied from. Anything else is supported
by one sentence of a passage when

- all of its content words but one, or nine tenths of them, stand there,
- every number stands there, followed by the same word, and numbers that the sentence joins
  stand in one clause ("sending 100 costs 1.00, sending 1,000 costs 5.00" does not support
  "sending 100 costs 5.00", nor "5 to 7 working days" "5 working days"),
- both deny or neither does, as far as the clauses go that the sentence uses,
- it does not join what the passage contrasts ("Debit cards are free, while credit cards
  cost 1 %" does not support "Debit cards cost 1 %"),
- both mean much the same to the sentence encoder of the language.

A sentence of several clauses may be supported clause by clause from one passage. This is
strict on purpose: a true sentence in free words is dropped rather than a false one kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domains.customer_service.wording import (
    Wording,
    clauses,
    contrast_sides,
    has_contrast,
    joined_parts,
    wording,
)
from lepton_engine import sentences
from lepton_engine.results import Evidence, Stamp
from lepton_engine.retrieval import Passage

MIN_WORDS = 3  # a paraphrase of fewer content words says too little to be checked
MIN_COPIED = 2
MAX_REACH = 3  # neighbouring sentences that may support the parts of one sentence
CONTAINMENT = 0.9
FEW_WORDS = 5  # a claim of so many content words may have one of its own, shorter ones none
SIMILARITY = {"en": 0.6, "zh": 0.55}
ENCODERS = {"en": "minilm-l6", "zh": "use-multilingual"}


@dataclass(frozen=True)
class Window:
    """One sentence of a passage, or a run of neighbouring ones."""

    passage: Passage
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.passage.text[self.start:self.end]


@dataclass(frozen=True)
class Support:
    """A window that supports a sentence; ``score`` 0..1 is the weaker of both measures."""

    window: Window
    containment: float
    similarity: float

    @property
    def score(self) -> float:
        return max(0.0, min(1.0, self.containment, self.similarity))

    def evidence(self) -> Evidence:
        passage, window = self.window.passage, self.window
        return Evidence(source=passage.source, title=passage.title, address=passage.address,
                        quote=window.text, score=round(self.score, 4), passage=passage.text,
                        start=window.start, end=window.end)


class Grounding:
    """Checks sentences against a few passages of one language."""

    def __init__(self, engine: Any, passages: Sequence[Passage], language: str) -> None:
        self._engine = engine
        self._language = "zh" if language == "zh" else "en"
        self._rows = [single_sentences(passage) for passage in passages]
        self._stamps: list[Stamp] = []

    def support(self, sentence: str) -> Support | None:
        """The place that supports ``sentence``, or None. Raises what ``engine.embed`` does."""
        claim = wording(sentence, self._language)
        if not claim.words or sentence.rstrip("\"'”’」 ").endswith(("?", "？")):
            return None
        copied = self._copied(claim)
        if copied is not None:
            return Support(copied, 1.0, 1.0)
        found = self._by_words(sentence, claim)
        if found is None:
            return None
        window, share = found
        similarity = self._similarity(sentence, window.text)
        if similarity < SIMILARITY[self._language]:
            return None
        return Support(window, share, similarity)

    def _copied(self, claim: Wording) -> Window | None:
        """The sentence that has all words of the claim in its order, side by side."""
        if len(claim.words) < MIN_COPIED:
            return None
        for row in self._rows:
            for window in row:
                if is_copy(claim, wording(window.text, self._language)):
                    return window
        return None

    def _by_words(self, sentence: str, claim: Wording) -> tuple[Window, float] | None:
        if len(claim.words) < MIN_WORDS:
            return None
        windows = [window for row in self._rows for window in row]
        best = self._best(sentence, windows)
        if best is not None:
            return best
        parts = joined_parts(sentence, self._language)
        if len(parts) < 2:
            return None
        for row in self._rows:
            found = [self._best(part, row) for part in parts]
            whole = [rest for rest in found if rest is not None]
            if len(whole) == len(parts) and _reach(row, [w for w, _ in whole]) <= MAX_REACH:
                window = Window(row[0].passage, min(w.start for w, _ in whole),
                                max(w.end for w, _ in whole))
                return window, min(share for _, share in whole)
        return None

    def _best(self, sentence: str, windows: Sequence[Window]) -> tuple[Window, float] | None:
        found = [(window, share) for window in windows
                 if (share := lexical_support(sentence, window.text, self._language)) is not None]
        return max(found, key=lambda row: (round(row[1], 2), -len(row[0].text)), default=None)

    def _similarity(self, left: str, right: str) -> float:
        found = self._engine.embed([left, right], ENCODERS[self._language])
        self._stamps.append(found.stamp)
        return float(found.vectors[0] @ found.vectors[1])

    def cost(self) -> list[Stamp]:
        """One stamp for all vectors of the checks, or none when nothing was embedded."""
        if not self._stamps:
            return []
        first = self._stamps[0]
        return [Stamp(variant=first.variant, device=first.device, precision=first.precision,
                      latency_ms=sum(s.latency_ms for s in self._stamps),
                      tokens=sum(s.tokens for s in self._stamps))]


def single_sentences(passage: Passage) -> list[Window]:
    return [Window(passage, span.start, span.end) for span in sentences.split(passage.text)]


def is_copy(claim: Wording, given: Wording) -> bool:
    """Whether the claim's words stand side by side in ``given``, and both deny or neither."""
    size = len(claim.words)
    if claim.negated != given.negated:
        return False
    return any(given.words[at:at + size] == claim.words
               for at in range(len(given.words) - size + 1))


def lexical_support(sentence: str, source: str, language: str) -> float | None:
    """The share of the sentence's content words that ``source`` has; None when it fails."""
    claim, given = wording(sentence, language), wording(source, language)
    if len(claim.words) < 2:
        return None
    share = len(claim.kinds & given.kinds) / len(claim.kinds)
    allowed = 1 if len(claim.kinds) >= FEW_WORDS else 0
    if len(claim.kinds - given.kinds) > allowed and share < CONTAINMENT:
        return None
    if not _numbers_agree(claim, given):
        return None
    if not _joined_numbers(sentence, source, language):
        return None
    if not _negation_agrees(claim, source, language):
        return None
    return None if _joins_contrast(claim, sentence, source, language) else share


def _numbers_agree(claim: Wording, given: Wording) -> bool:
    if not claim.numbers <= given.numbers:
        return False
    for number in claim.numbers:
        wanted, there = claim.after(number) - {""}, given.after(number)
        if not wanted <= there:
            return False
        if not wanted and there and all(word[:1].isdigit() for word in there):
            return False  # "... within 5" of "5 to 7 working days"
    return True


def _joined_numbers(sentence: str, source: str, language: str) -> bool:
    """Numbers of one clause of the sentence stand in one clause of the source."""
    parts = clauses(source, language)
    return all(any(clause.numbers <= part.numbers for part in parts)
               for clause in clauses(sentence, language) if clause.numbers)


def _negation_agrees(claim: Wording, source: str, language: str) -> bool:
    """Compare only with the clauses of ``source`` that the claim uses."""
    left = set(claim.kinds)
    used: list[Wording] = []
    parts = clauses(source, language)
    while left and parts:
        best = max(parts, key=lambda part: len(left & part.kinds))
        if not left & best.kinds:
            break
        used.append(best)
        left -= best.kinds
        parts.remove(best)
    return claim.negated == any(part.negated for part in used)


def _joins_contrast(claim: Wording, sentence: str, source: str, language: str) -> bool:
    """Whether the claim takes words from both sides of a contrast without contrasting."""
    sides = contrast_sides(source, language)
    if len(sides) < 2 or has_contrast(sentence, language):
        return False
    best = max(sides, key=lambda side: len(claim.kinds & side.kinds))
    missing = claim.kinds - best.kinds
    return any(missing & side.kinds for side in sides if side is not best)


def _reach(row: Sequence[Window], used: Sequence[Window]) -> int:
    """How many neighbouring sentences the used ones span."""
    places = [row.index(window) for window in used]
    return max(places) - min(places) + 1
