"""The small pattern language of the medical tables, and the text form that it reads.

``~`` is an apostrophe that may be missing, ``<3>`` up to three words (English) or characters
(Chinese) in between, none of them a negation, and ``<name>`` a macro of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NOT_EN = (r"(?:no|not|without|never|nor|neither|cannot|(?:do|does|did|is|are|was|were|have|has|"
           r"had|ca|wo|would|could|should|ai)nt)")
_NOT_ZH = "不没无未"
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
    text, last = "", 0
    index: list[int] = []
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

    opened = re.sub(r"(?<!\?P)<(\w+)>", piece, pattern)
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
