"""Does a name that is also an ordinary word mean the company here? Rules over a table of words.

The words stand in ``assets/ticker_words.toml``; this module only knows in which order they
speak: what the word's own neighbours say, then a company's, then what makes any word an
ordinary one, then the capital letter, then spaCy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lepton_engine.results import Entity

_ORGANISATION = ("ORG", "PRODUCT")
_NEXT = re.compile(r"\s*(['’]s\b|-\w+|[(]|[\w&.]+)(?:\s+([\w-]+))?")
_PREVIOUS = re.compile(r"(?:([\w'’-]+)\s+)?([\w'’-]+)\s+$")
_SENTENCE_END = re.compile(r"(?:^|[.!?:;|–—-])\s*[\"'“‘(\[]*\s*$")
_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_AND = re.compile(r"\s*(?:,|&|and|or|,\s*and)\s+$", re.IGNORECASE)


@dataclass(frozen=True)
class Neighbours:
    """The lower-case words around a span: one and two words to each side."""

    after: tuple[str, ...]
    before: tuple[str, ...]

    @classmethod
    def of(cls, text: str, start: int, end: int) -> Neighbours:
        ahead, behind = _NEXT.match(text, end), _PREVIOUS.search(text[:start])
        after = [g.lower().rstrip(".") for g in ahead.groups() if g] if ahead else []
        before = [g.lower() for g in behind.groups() if g] if behind else []
        return cls((after[0], " ".join(after)) if after else (),
                   (before[-1], " ".join(before)) if before else ())

    def any(self, words: Mapping[str, Any]) -> bool:
        """Whether a side has one of the words of ``{"after": [...], "before": [...]}``."""
        return (not set(self.after).isdisjoint(words.get("after", ()))
                or not set(self.before).isdisjoint(words.get("before", ())))


@dataclass(frozen=True)
class Words:
    """The table of words; see the file."""

    ordinary: frozenset[str]
    surnames: frozenset[str]
    symbols: frozenset[str]
    places: frozenset[str]
    not_names: frozenset[str]
    company: Mapping[str, frozenset[str]]
    other: Mapping[str, frozenset[str]]
    word: Mapping[str, Mapping[str, frozenset[str]]]
    chinese: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Words:
        sets = {name: {side: frozenset(w) for side, w in table[name].items()}
                for name in ("company", "other")}
        own = {alias: {side: frozenset(w) for side, w in sides.items()}
               for alias, sides in table["word"].items()}
        chinese = {alias: {side: tuple(w) for side, w in sides.items()}
                   for alias, sides in table["chinese"].items()}
        return cls(frozenset(table["ordinary"]), frozenset(table["surnames"]),
                   frozenset(table["symbols"]), frozenset(table["places"]),
                   frozenset(table["not_names"]), sets["company"], sets["other"],
                   own, chinese)


def capitals_say_nothing(text: str) -> bool:
    """Title Case and ALL CAPITALS: a capital letter marks no name there."""
    words = _LONG_WORD.findall(text)
    return len(words) >= 3 and sum(w[0].isupper() for w in words) > 0.7 * len(words)


def starts_sentence(text: str, start: int) -> bool:
    return _SENTENCE_END.search(text[:start]) is not None


def is_company(
    words: Words, text: str, start: int, end: int, named: Sequence[Entity], known: Sequence[int]
) -> bool:
    """Whether the ordinary word at ``text[start:end]`` is a company.

    ``named`` are spaCy's entities; ``known`` the places where other companies start.
    """
    around = Neighbours.of(text, start, end)
    if around.any(words.other) or _after_number(around):
        return False
    begins, shouted = starts_sentence(text, start), capitals_say_nothing(text)
    if _company_context(words, around, begins or not shouted):
        return True
    if _listed_with_another(text, start, end, known):
        return True
    if _after_article(words, around) or _inside_other_name(text, start, end, named):
        return False
    if around.after and around.after[0].startswith("-"):
        return around.after[0][1:] in words.company["compound"]
    return not (begins or shouted) or _spacy_says_so(start, end, named)


def is_person(text: str, start: int, end: int, named: Sequence[Entity]) -> bool:
    """A surname, or a given name: spaCy's person has more to the name."""
    return any(e.label == "PERSON" and e.start <= start and e.end >= end
               and len(e.text.split()) > len(text[start:end].split()) for e in named)


def is_other_thing(words: Words, text: str, start: int, end: int) -> bool:
    """"Apple pie", "Nikola Tesla", "Barclays Center": what the neighbours of this name make it."""
    around = Neighbours.of(text, start, end)
    return around.any(words.word.get(text[start:end], {})) or _is_place(words, text, end)


def _is_place(words: Words, text: str, end: int) -> bool:
    following = re.match(r"\s+([A-Z]\w+)", text[end:])
    return following is not None and following[1].lower() in words.places


def is_chinese_word(words: Words, text: str, start: int, end: int) -> bool:
    """Whether the characters around make it another word: 高通 in 高通胀."""
    sides = words.chinese.get(text[start:end], {})
    return (text.startswith(tuple(sides.get("after", ())), end)
            or text[:start].endswith(tuple(sides.get("before", ()))))


def _company_context(words: Words, around: Neighbours, verbs_count: bool) -> bool:
    """A company's noun after it, or, where a verb can follow a subject, a company's verb."""
    if not set(around.before).isdisjoint(words.company["before"]):
        return True
    if not around.after:
        return False
    if around.after[0] in words.company["nouns"]:
        return True
    return (verbs_count and not _after_article(words, around)
            and around.after[0] in words.company["after"])


def _after_article(words: Words, around: Neighbours) -> bool:
    return bool(around.before) and around.before[0] in words.other["articles"]


def _after_number(around: Neighbours) -> bool:
    return bool(around.before) and around.before[0].isdigit()


def _listed_with_another(text: str, start: int, end: int, known: Sequence[int]) -> bool:
    """"Visa and Mastercard": joined with a name that is surely a company."""
    return any(
        _AND.fullmatch(text[end:other]) is not None for other in known if other >= end
    ) or (bool(_AND.search(text[:start])) and any(other < start for other in known))


def _inside_other_name(text: str, start: int, end: int, named: Sequence[Entity]) -> bool:
    """Part of a longer name that is no organisation: "Paris Hilton", "Nikola Tesla"."""
    return any(e.start <= start and end <= e.end and e.end - e.start > end - start
               and e.label not in _ORGANISATION and text[e.start].isupper()
               and text[e.start:e.end].strip("'’s ") != text[start:end] for e in named)


def _spacy_says_so(start: int, end: int, named: Sequence[Entity]) -> bool:
    return any(e.start <= start < e.end and e.start >= start - 4 and e.label in _ORGANISATION
               for e in named)
