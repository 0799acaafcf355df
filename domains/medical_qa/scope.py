"""What a phrase is said of: a fact now, or denied, past, general, told, or a pet's.

All cues are rows of ``assets/red_flags.toml``; this module only knows how far they reach.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NOT_EN = (r"(?:no|not|without|never|nor|neither|cannot|(?:do|does|did|is|are|was|were|have|has|"
           r"had|ca|wo|would|could|should|ai)nt)")
_NOT_ZH = "不没无未"
_SENTENCE_END = re.compile(r"\.(?!\d)|[!?;\n。！？；]")
_WORD = re.compile(r"[a-z]+")
_APOSTROPHES = "'’‘`´ʼ＇"


@dataclass(frozen=True)
class Normal:
    """``text`` as the patterns read it; ``index[i]`` is the place of its character i."""

    text: str
    index: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The same stretch in the text as it was typed."""
        return self.index[start], self.index[end - 1] + 1


def normalise(text: str, traditional: Mapping[str, str],
              spelling: Mapping[str, str] | None = None) -> Normal:
    """Lower case, no apostrophes inside words, single spaces, half-width letters and
    punctuation, simplified characters, misspellings mended; with the way back to the typed
    places."""
    out: list[str] = []
    index: list[int] = []
    for place, char in enumerate(text):
        if char in _APOSTROPHES:
            if _joins(text, place):
                continue
            char = " "
        if 0xFF01 <= ord(char) <= 0xFF5E and char not in "，！？；：（）":
            char = chr(ord(char) - 0xFEE0)
        if char != "\n" and char.isspace():
            char = " "
            if out and out[-1] == " ":
                continue
        low = char.lower()
        out.append(traditional.get(char, low if len(low) == 1 else char))
        index.append(place)
    return _mended(Normal("".join(out), tuple(index)), spelling or {})


def _joins(text: str, place: int) -> bool:
    """Whether an apostrophe is dropped ("can't"); that of "dad's" parts the two words."""
    before, after = text[place - 1:place] if place else "", text[place + 1:place + 3]
    if not before.isalpha() or not after[:1].isalpha():
        return False
    return not (after[0] in "sS" and not after[1:].isalpha())


def _mended(normal: Normal, spelling: Mapping[str, str]) -> Normal:
    """Known misspellings replaced; each new character points into the word it stands for."""
    text, index, last = "", [], 0
    for match in _WORD.finditer(normal.text):
        right = spelling.get(match.group())
        if right is None:
            continue
        places = normal.index[match.start():match.end()]
        text += normal.text[last:match.start()] + right
        index += normal.index[last:match.start()]
        index += [places[min(i, len(places) - 1)] for i in range(len(right) - 1)] + [places[-1]]
        last = match.end()
    return Normal(text + normal.text[last:], (*index, *normal.index[last:]))


def expand(pattern: str, macros: Mapping[str, str], language: str) -> str:
    """A pattern of the table as a regular expression; see the table's head."""
    def piece(match: re.Match[str]) -> str:
        name = match.group(1)
        if not name.isdigit():
            return expand(macros[name], macros, language)
        if language == "zh":
            return rf"(?:[^，。！？；,.!?;\s{_NOT_ZH}]{{0,{name}}}?)"
        return (rf"(?:[^\w.!?;\n]+(?:(?!{_NOT_EN}\b)\w+[^\w.!?;\n]+){{0,{name}}}?)")

    opened = re.sub(r"<(\w+)>", piece, pattern)
    return re.sub(r"~\??s\b", "(?: s|s)", opened).replace("~", "")


def compiled(patterns: Sequence[str], language: str) -> re.Pattern[str]:
    """One expression for all. English words match whole; patterns of punctuation, which
    start with ``[`` or a backslash and a full stop, match anywhere."""
    marks = [p for p in patterns if language == "zh" or p.startswith(("[", r"\."))]
    words = [p for p in patterns if p not in marks]
    pieces = [f"(?:{pattern})" for pattern in marks]
    if words:
        joined = "|".join(f"(?:{pattern})" for pattern in words)
        pieces.append(rf"(?<![a-z0-9_])(?:{joined})(?![a-z0-9_])")
    return re.compile("|".join(pieces), 0 if language == "zh" else re.ASCII)


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

    def about_a_pet(self, text: str) -> bool:
        """Whether the whole text is of an animal and of no hurt person."""
        return bool(self._pet.search(text)) and not self._people.search(text)

    def _denied(self, text: str, start: int, end: int) -> bool:
        if self._after.match(text, end):
            return True
        left = _last_end(self._ends, text, 0, start)
        # Not bounded by ``start``: a cue's own condition may read on behind it.
        for cue in self._before.finditer(text, left):
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
            stop = self._ends.search(text, end)
            rest = text[end:stop.start() if stop else len(text)]
            if not self._list.search(between + " " + rest):
                return False
            return len(between.split()) <= 3 * self._reach
        return len(between.split()) <= self._reach

    def _past_at(self, text: str, start: int, end: int) -> bool:
        left = _last_end(self._clause, text, 0, start)
        stop = self._clause.search(text, end)
        right = stop.start() if stop else len(text)
        if self._present.search(text, left, right):
            return False
        if any(start - cue.end() <= 30 for cue in self._past_lead.finditer(text, left, start)):
            return True
        if self._past.search(text, end, right) or self._past.search(text, start, right):
            return True
        lead = self._past.search(text, left, start)
        if lead and not text[left:lead.start()].strip(" 我他她在"):
            return True
        return self._time_stands_beside(text, left, right)

    def _time_stands_beside(self, text: str, left: int, right: int) -> bool:
        """A clause that is only a time ("Two years ago, ...") belongs to its neighbour."""
        before = text[:left].rstrip(" ,，")
        lead = before[_last_end(self._clause, before, 0, len(before)):]
        after = self._clause.split(text[right:].lstrip(" ,，"), maxsplit=1)[0]
        return any(
            (cue := self._past.search(part)) and len(part.strip()) - len(cue.group()) <= 6
            for part in (lead, after or "") if part.strip()
        )

    def _general(self, text: str, start: int, end: int) -> bool:
        left = _last_end(_SENTENCE_END, text, 0, start)
        stop = _SENTENCE_END.search(text, end)
        sentence = text[left:stop.start() if stop else len(text)].strip(" ,，:：")
        if self._fiction.search(sentence):
            return True
        if not self._knowledge.search(sentence):
            return False
        return not self._personal.search(self._framing.sub(" ", sentence))


def _last_end(pattern: re.Pattern[str], text: str, left: int, right: int) -> int:
    """The end of the last match that lies wholly before ``right``."""
    last = left
    for match in pattern.finditer(text, left, right):
        last = match.end()
    return last
