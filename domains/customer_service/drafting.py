"""Turns a stream of model text into sentences that are kept, dropped, or still a draft."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from domains.customer_service.grounding import Support, Window
from domains.customer_service.knowledge import numbered
from domains.customer_service.wording import wording
from lepton_engine import sentences
from lepton_engine.results import Evidence

MAX_KEPT = 4  # sentences of an answer; more is no longer short
MAX_DROPPED_FIRST = 3  # unsupported sentences before any good one: the model has lost it
_MARKS = re.compile(r"^(?:[-*•#>]+|\(?\d{1,2}[.)、])\s*")
_OPENINGS = re.compile(
    r"^(?:(?:according to|based on) (?:the|these) (?:facts|articles?),?|"
    r"根据(?:以上)?(?:资料|文章)，?)\s*",
    re.IGNORECASE)
_INLINE = re.compile(r"\*\*|__|`|\[\d+\]|\[(?=[^\]]*$)")
_CLOSED = re.compile(r"[。！？｡][\"'”’»)]*$|\n\s*$")


@dataclass
class Draft:
    """``add`` text as it comes and ``finish``; read ``text``, ``open``, ``dropped``.

    ``check`` gives the support of a sentence or None; ``declines`` recognises a sentence in
    which the model says that it has no answer.
    """

    check: Callable[[str], Support | None]
    declines: re.Pattern[str]
    language: str
    kept: list[tuple[str, Support]] = field(default_factory=list)
    steps: tuple[tuple[str, ...], Support] | None = None
    dropped: int = 0
    declined: bool = False
    open: str = ""

    def lead(self, steps: tuple[str, ...], support: Support) -> None:
        """Begin the text with the steps of an article, quoted as they stand."""
        self.steps = steps, support

    def quoting(self, kept: list[tuple[str, Support]]) -> Draft:
        """The same beginning with other sentences behind it."""
        return Draft(self.check, self.declines, self.language, kept, self.steps)

    def add(self, piece: str) -> bool:
        """Take a piece; True when a sentence was finished by it."""
        self.open += piece
        spans = sentences.split(self.open)
        whole = spans if _CLOSED.search(self.open) else spans[:-1]
        if not whole:
            return False
        self.open = self.open[whole[-1].end:].lstrip()
        for span in whole:
            self._judge(span.text)
        return True

    def quote(self, sentence: str, support: Support) -> bool:
        """Add a sentence as it stands in its article; False when it is said already."""
        if self._repeats(sentence):
            return False
        self.kept.append((sentence, support))
        return True

    def finish(self) -> None:
        """The model has ended by itself: what is open is its last sentence."""
        rest, self.open = self.open, ""
        for span in sentences.split(rest):
            self._judge(span.text)

    def abandon(self) -> None:
        """The text was cut off (length, deadline): half a sentence is no sentence."""
        if self.open.strip():
            self.dropped += 1
        self.open = ""

    @property
    def full(self) -> bool:
        """Whether there is nothing to wait for any more."""
        lost = not self.kept and self.dropped >= MAX_DROPPED_FIRST
        return self.declined or lost or len(self.kept) >= MAX_KEPT

    def _judge(self, raw: str) -> None:
        sentence = tidy(raw)
        if not sentence or self.full:
            return
        if not self.kept and self.declines.search(sentence):
            self.declined = True
        elif self._repeats(sentence):
            return
        elif (support := self.check(sentence)) is None:
            self.dropped += 1
        elif all(_key(support.window) != _key(old.window) for _, old in self.kept):
            # The article's own words are shown, not the model's: a paraphrase that passes
            # every check can still turn "then unlinks" into "unlinked" or lose a condition.
            self.kept.append((" ".join(support.window.text.split()), support))

    def _repeats(self, sentence: str) -> bool:
        words = wording(sentence, self.language).kinds
        said = [old for old, _ in self.kept] + list(self.steps[0] if self.steps else ())
        return any(words <= wording(old, self.language).kinds for old in said if words)

    @property
    def draft(self) -> str:
        return tidy(self.open)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return tuple(support.evidence() for support in self._distinct().values())

    @property
    def text(self) -> str:
        """Steps, then the kept sentences, each with the number of its evidence."""
        places = {key: n for n, key in enumerate(self._distinct(), 1)}
        glue = "" if self.language == "zh" else " "
        said = glue.join(f"{sentence}{glue}[{places[_key(support.window)]}]"
                         for sentence, support in self.kept)
        if self.steps is None:
            return said
        return f"{numbered(self.steps[0])} [1]\n\n{said}".rstrip()

    def _distinct(self) -> dict[tuple[str, int, int], Support]:
        """The supports in the order of their numbers, each place once."""
        found: dict[tuple[str, int, int], Support] = {}
        for support in [*([self.steps[1]] if self.steps else []), *(s for _, s in self.kept)]:
            found.setdefault(_key(support.window), support)
        return found


def tidy(text: str) -> str:
    """A sentence without list marks, emphasis, "According to the facts" and [3]."""
    plain = " ".join(_INLINE.sub("", _MARKS.sub("", text.strip())).split())
    bare = _OPENINGS.sub("", plain)
    return bare[:1].upper() + bare[1:] if bare != plain else plain


def _key(window: Window) -> tuple[str, int, int]:
    return window.passage.id, window.start, window.end

