"""What a phrase is said of: a fact now, or denied, past, general, told, or a pet's.

All cues are rows of ``assets/red_flags.toml``; this module only knows how far they reach.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domains.medical_qa.patterns import compiled, expand

# No cue is looked for further away than this: a long text costs in proportion to its length.
_NEAR = 400

_SENTENCE_END = re.compile(r"\.(?!\d)|[!?;\n。！？；]")


class Scope:
    """The cues of one language, and whether they reach a phrase."""

    def __init__(self, negation: Mapping[str, Any], context: Mapping[str, Any],
                 macros: Mapping[str, str], language: str, reach: int) -> None:
        def of(table: Mapping[str, Any], name: str) -> re.Pattern[str]:
            return compiled([expand(p, macros, language) for p in table[name]], language)

        self._language, self._reach = language, reach
        self._before, self._ends = of(negation, "before"), of(negation, "ends")
        self._list = of(negation, "list")
        after = "|".join(expand(p, macros, language) for p in negation["after"])
        self._after = re.compile(rf"\s*(?:{after})")
        self._past, self._past_lead = of(context, "past"), of(context, "past_lead")
        self._present, self._clause = of(context, "present"), of(context, "clause")
        self._knowledge, self._fiction = of(context, "knowledge"), of(context, "fiction")
        self._framing, self._personal = of(context, "framing"), of(context, "personal")
        self._pet, self._people = of(context, "pet"), of(context, "people")

    def is_live(self, text: str, start: int, end: int) -> bool:
        """Whether ``text[start:end]`` is said as a fact of someone, now."""
        return not (self._denied(text, start, end) or self._past_at(text, start, end)
                    or self._general(text, start, end))

    def far_from_now(self, text: str) -> bool:
        """Whether the text as a whole is of the past, told, or a general question."""
        if self._knowledge.search(text) and not self._personal.search(
                self._framing.sub(" ", text)):
            return True
        told = (self._past, self._past_lead, self._fiction)
        return any(cue.search(text) for cue in told) and not self._present.search(text)

    def about_a_pet(self, text: str) -> bool:
        """Whether the whole text is of an animal and of no hurt person."""
        return bool(self._pet.search(text)) and not self._people.search(text)

    def _denied(self, text: str, start: int, end: int) -> bool:
        if self._after.match(text, end):
            return True
        left = _last_end(self._ends, text, start)
        # Not bounded by ``start``: a cue's own condition may read on behind it.
        for cue in self._before.finditer(text, left, start + _NEAR):
            if cue.end() > start:
                return False
            if self._reaches(text, cue.end(), start, end):
                return True
        return False

    def _reaches(self, text: str, cue_end: int, start: int, end: int) -> bool:
        between = text[cue_end:start]
        if self._language == "zh":
            return len(between) <= self._reach
        if "," in between:
            stop = self._ends.search(text, end, end + _NEAR)
            rest = text[end:stop.start() if stop else end + _NEAR]
            if not self._list.search(between + " " + rest):
                return False
            return len(between.split()) <= 3 * self._reach
        return len(between.split()) <= self._reach

    def _past_at(self, text: str, start: int, end: int) -> bool:
        left = _last_end(self._clause, text, start)
        stop = self._clause.search(text, end, end + _NEAR)
        right = stop.start() if stop else min(len(text), end + _NEAR)
        if self._present.search(text, left, right):
            return False
        if any(start - cue.end() <= 30 for cue in self._past_lead.finditer(text, left, end)):
            return True
        if self._past.search(text, end, right) or self._past.search(text, start, right):
            return True
        lead = self._past.search(text, left, start)
        # A Chinese time word stands before its verb; an English one opens the clause.
        if lead and (self._language == "zh" or not text[left:lead.start()].strip()):
            return True
        return self._time_stands_beside(text, left, right)

    def _time_stands_beside(self, text: str, left: int, right: int) -> bool:
        """A clause that is only a time ("Two years ago, ...") belongs to its neighbour."""
        before = text[max(0, left - _NEAR):left].rstrip(" ,，")
        lead = before[_last_end(self._clause, before, len(before)):]
        after = self._clause.split(text[right:right + _NEAR].lstrip(" ,，"), maxsplit=1)[0]
        return any(
            (cue := self._past.search(part)) and len(part.strip()) - len(cue.group()) <= 6
            for part in (lead, after or "") if part.strip()
        )

    def _general(self, text: str, start: int, end: int) -> bool:
        left = _last_end(_SENTENCE_END, text, start)
        stop = _SENTENCE_END.search(text, end, end + _NEAR)
        sentence = text[left:stop.start() if stop else end + _NEAR].strip(" ,，:：")
        if self._fiction.search(sentence):
            return True
        if not self._knowledge.search(sentence):
            return False
        return not self._personal.search(self._framing.sub(" ", sentence))


def _last_end(pattern: re.Pattern[str], text: str, right: int) -> int:
    """The end of the last match that lies wholly before ``right``, and near it."""
    last = left = max(0, right - _NEAR)
    for match in pattern.finditer(text, left, right):
        last = match.end()
    return last
