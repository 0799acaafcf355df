"""Splits text into sentences with exact character offsets, in English and Chinese.

A scanner of its own rather than spaCy's blank sentencizer: that one, tried on 2026-11-23,
ends a sentence after "Dr." and finds no end inside unspaced Chinese text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lepton_engine.text import word_set


@dataclass(frozen=True)
class Span:
    """``text`` is ``source[start:end]``: characters, no white space at either end."""

    start: int
    end: int
    text: str


_TERMINATORS = ".!?…。！？｡"
_CHINESE_TERMINATORS = "。！？｡"
_CLOSERS = "\"'”’»)]}）】」』》〉"
_ENDINGS = re.compile(f"[{_TERMINATORS}]+[{re.escape(_CLOSERS)}]*")
_WORD_BEFORE = re.compile(r"[^\s(\[{\"“‘'（「『]+$")
_NEXT_WORD = re.compile(r"\s*[\"'“‘(\[（「『]*([^\W_]+)?")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff（「『《“]")
_LIST_MARK = re.compile(r"(?:[-*•·]|\(?\d{1,3}[.)、]|[a-zA-Z][.)])\s")

# After these the sentence goes on, whatever follows.
_GOES_ON = word_set(
    "dr mr mrs ms mx prof mt gen gov sen rep rev hon messrs capt col sgt lt vs v.s e.g i.e "
    "cf viz approx ca incl excl esp resp dept est max min avg"
)
# After these it goes on when a number follows: "No. 7", "Fig. 2", "Dec. 24".
_BEFORE_NUMBER = word_set(
    "no nos fig figs p pp art sec ch vol nr eq jan feb mar apr jun jul aug sep sept oct nov "
    "dec"
)
# These may end one; they do when a word follows that often begins a sentence.
_MAY_END = word_set("inc ltd corp co plc jr sr st etc al bros llc ph.d b.a m.d a.m p.m")
_DOTTED = re.compile(r"^(?:[^\W\d_]\.)*[^\W\d_]$")  # initials: J, U.S, e.g
_STARTERS = word_set(
    "a an and as at after although another any because before both but by each even every few "
    "first for from he her here his how however i if in is it its last later many more most my "
    "no not now of on once one only our she since so some still such that the their then there "
    "these they this those though to under until we what when where while who why with yes you "
    "your"
)
_PRONOUNS = ("i",)
_EXCLAIMED_NAMES = frozenset(("yahoo!", "jeopardy!", "yum!"))


def split(text: str) -> list[Span]:
    """The sentences of ``text`` in order; ``text[s.start:s.end] == s.text`` for each.

    Ends are . ! ? … 。 ！ ？ with the quotes and brackets that close after them, blank
    lines, and line ends before a list mark or a capital or Chinese character. Decimals,
    web addresses, abbreviations, initials and the numbers of a list end nothing. All
    that is not white space lies in exactly one sentence.
    """
    spans: list[Span] = []
    start = 0
    for end in _ends(text):
        piece = text[start:end]
        bare = piece.strip()
        if bare:
            left = start + len(piece) - len(piece.lstrip())
            spans.append(Span(left, left + len(bare), bare))
        start = end
    return spans


def _ends(text: str) -> list[int]:
    """Offsets behind each sentence, the last one being the end of the text."""
    ends = {match.end() for match in _ENDINGS.finditer(text) if _is_end(text, match)}
    ends.update(match.end() for match in re.finditer(r"\s*\n\s*", text) if _breaks(text, match))
    return sorted(ends | {len(text)})


def _breaks(text: str, gap: re.Match[str]) -> bool:
    """Whether a line end separates sentences, or only wraps a line."""
    if gap.group().count("\n") > 1:
        return True
    following = text[gap.end():gap.end() + 8]
    if not following or _LIST_MARK.match(following):
        return True
    return not (following[0].islower() or following[0].isdigit())


def _is_end(text: str, match: re.Match[str]) -> bool:
    marks = match.group().rstrip(_CLOSERS)
    after = text[match.end():match.end() + 1]
    if any(mark in _CHINESE_TERMINATORS for mark in marks):
        return True
    if after and not after.isspace() and not _HAN.match(after):
        return False  # 3.5, lepton.bank, ?page=2
    following = _NEXT_WORD.match(text, match.end())
    word = (following.group(1) or "") if following else ""
    if marks in ("…", "...", "……") or (set(marks) <= {".", "…"} and len(marks) > 1):
        return not word[:1].islower()
    before = _WORD_BEFORE.search(text[max(0, match.start() - 30):match.start()])
    token = before.group().lower() if before else ""
    if marks == "!" and token + "!" in _EXCLAIMED_NAMES:
        return False
    return marks != "." or not _is_abbreviation(text, match.start(), token, word)


def _is_abbreviation(text: str, dot: int, token: str, following: str) -> bool:
    """Whether the full stop behind ``token`` belongs to it and ends no sentence."""
    if not following:
        return False
    if token in _GOES_ON:
        return True
    if token in _BEFORE_NUMBER:
        return following[0].isdigit()
    if token.isdigit() and len(token) <= 3:  # "2. Open the app", at the start of a line
        return not text[text.rfind("\n", 0, dot) + 1:dot - len(token)].strip()
    if token in _MAY_END or (_DOTTED.match(token) and token not in _PRONOUNS):
        return following[0].islower() or following.lower() not in _STARTERS
    return False
