"""Whether a question leans on the one before it, and what it means in full.

"And how long does that take?" names no topic. Cues of such questions are words: pronouns
without anything they could point to inside the question, openings such as "and" or "what
about", and questions of hardly any content. A question with a cue is searched for
together with the last question that stood on its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum

from lepton_engine.text import word_set

MOST_BACK = 4  # how many questions back a topic may lie
MOST_CONTENT = 6  # content words; a longer question explains itself
SHORT = {"en": 2, "zh": 3}  # fewer content words (Chinese: characters of content) name no topic
RESOLVED = {"en": 2, "zh": 4}  # so many before a pronoun may be what it points at

_OPENING = re.compile(
    r"^\W*(?:and|or|but|so|then|also|what about|how about|what if|which ones?|why not|same for|"
    r"in that case|is that|are they|does (?:it|that)|(?:can|will|should|could) (?:i|it|he|she|they)"
    r" (?:still|also|then))\b", re.I)
_POINTING = re.compile(
    r"\b(?:it|its|that|this|these|those|they|them|their|he|him|she|there|then|one|ones|either|"
    r"instead|same|such)\b", re.I)
# "it is raining", "is there", "that is why", "I think that ...": words that point at nothing.
_EMPTY = re.compile(
    r"\b(?:is there|are there|there(?:'s|’s| is| are| was| were)|it(?:'s|’s|s| is| has)? been|"
    r"(?:says?|said|told|think|thought|know|sure|saying) (?:that|it|there)|one of|"
    r"at (?:that|this|the) (?:time|moment)|this (?:week|month|year|morning|time)|"
    r"one (?:day|more))\b", re.I)
_FUNCTION = word_set(
    "a about after again all also am an and any are as at be because been before being but by can "
    "could did do does doing don for from get gets getting go goes got had has have having he her "
    "here him his how i if in instead into is it its just ll long many me mine more much my need "
    "next no not now of off on one or our out over please possible re same she should so some "
    "such take takes tell than that the their them then there these they thing this those till to "
    "too up us use ve want was way we were what when where which while who why will with without "
    "work works would yes you your"
)
_LATIN_WORD = re.compile(r"[a-z][a-z'’]*", re.I)
_HAN = re.compile(r"[\u3400-\u9fff]")
_CHINESE_OPENING = re.compile(r"^\W*(?:那|这|它|其|还有|另外|然后|如果是|要是|他|她|此)")
_CHINESE_POINTING = re.compile(
    r"(?:那个|这个|这种|那种|那样|这样|它|那里|那边|前者|后者|同样|呢\W*$)")
_CHINESE_FUNCTION = re.compile(
    r"请问|可以|能不能|是不是|有没有|为什么|怎么办|怎么样|怎样|怎么|什么|多少|多久|几天|几次|"
    r"需要|应该|还能|会不会|能|会|要|吗|呢|啊|的|了|我|你|您|是|在|有|和|就|都|还|也|不|吧|那|这")


class Lean(IntEnum):
    """How much a question depends on those before it."""

    NONE = 0  # it explains itself
    SOME = 1  # a pronoun that may point inside the question as well
    FULL = 2  # without the questions before it, it has no topic


def lean(question: str, language: str = "en") -> Lean:
    """How much ``question`` needs the questions before it; by its words alone."""
    if language == "zh" or not _LATIN_WORD.search(question):
        return _lean_chinese(question)
    content = content_words(question)
    if len(content) > MOST_CONTENT:
        return Lean.NONE
    if len(content) < SHORT["en"] or _OPENING.search(question):
        return Lean.FULL
    bare = _EMPTY.sub(" ", question)
    pointing = _POINTING.search(bare)
    if pointing is None:
        return Lean.NONE
    before = content_words(bare[:pointing.start()])
    return Lean.SOME if len(before) >= RESOLVED["en"] else Lean.FULL


def _lean_chinese(question: str) -> Lean:
    content = _HAN.findall(_CHINESE_FUNCTION.sub("", question))
    if len(content) > 2 * MOST_CONTENT:
        return Lean.NONE
    if len(content) < SHORT["zh"] or _CHINESE_OPENING.search(question):
        return Lean.FULL
    pointing = _CHINESE_POINTING.search(question)
    if pointing is None:
        return Lean.NONE
    return Lean.SOME if len(_HAN.findall(question[:pointing.start()])) >= RESOLVED["zh"] \
        else Lean.FULL


def content_words(question: str) -> list[str]:
    """The words that carry a topic, lower-cased."""
    words = (word.lower().replace("’", "'").split("'")[0] for word in _LATIN_WORD.findall(question))
    return [word for word in words if word not in _FUNCTION]


def topic(history: Sequence[str], language: str = "en") -> str:
    """The last question of ``history`` (newest last) that stands on its own, or ``""``.

    Where none does, the oldest that is looked at, which began the conversation. Follow-ups
    in between are not added: two of them would outweigh the new question.
    """
    recent = [question.strip() for question in history[-MOST_BACK:] if question.strip()]
    for question in reversed(recent):
        if lean(question, language) is not Lean.FULL:
            return question
    return recent[0] if recent else ""


def completed(question: str, history: Sequence[str], language: str = "en") -> str:
    """``question`` with its topic before it, or as it is when there is none to add."""
    before = topic(history, language)
    if not before or before == question:
        return question
    joint = "" if language == "zh" else " "
    closed = before if before[-1] in ".!?。！？" else before + ("。" if language == "zh" else ".")
    return f"{closed}{joint}{question}"
