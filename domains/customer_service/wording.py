"""Content words, numbers and negation of a sentence, in English and in Chinese.

English words are stemmed (Snowball); Chinese is read as pairs of neighbouring characters,
which needs no dictionary. Numbers are tokens of their own: they may never be paraphrased.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

_STOP = frozenset(re.findall(r"\w+", """
    a about also an and any are as at be been being by can could do does for from had has have
    he her his i if in into is it its just may me might must my of on or our please shall she
    should so some such than that the their them then there these they this those to too us
    was we were what when where which who will with would you your yours according simply
    lepton bank article articles customer customers one s
"""))
_NEGATIONS = frozenset(re.findall(r"[\w']+", """
    not no never cannot nor neither nobody nothing none without n't impossible unless except
"""))
_NUMBER_WORDS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "twenty": "20", "thirty": "30",
    "once": "1x", "twice": "2x", "half": "0.5",
}
_ZH_FUNCTION = re.compile(
    r"[的了着过吗呢吧啊呀您你我请在是和与及或就都也还会要把被让给到从以于之其此这那该个可能里中上下来去后"
    r"前时为]")
_ZH_NEGATION = re.compile(r"不|没|无法|无需|无|未|非(?!常)|勿|别(?!的|人|处)|免(?!费)|拒")
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*\s?%?|[a-z]+(?:'[a-z]+)?|[\u3400-\u9fff]+")
_CONTRAST = {
    "en": re.compile(r"\b(?:while|whereas|but|although|though|unless|except|instead|however|"
                     r"rather than)\b"),
    "zh": re.compile(r"但|而(?!且)|却|则|除非|除外|否则|虽然|尽管"),
}
_CLAUSE = {
    "en": re.compile(r"[;()]|[,:](?!\d)|\b(?:while|whereas|but|although|though|unless|except|"
                     r"because|instead|however|rather than|so|and|which|or)\b"),
    "zh": re.compile(r"[，；：、（）]|但|而(?!且)|却|则|除非|否则|因为|所以|因此|并且?"),
}
_LEANING = {
    "en": re.compile(r"\b(?:therefore|for (?:instance|example)|such an?|however|instead)\b"),
    "zh": re.compile(r"因此|例如|比如|此类|这样的"),
}
_JOINT = {"en": re.compile(r",? and (?=\w)|;|,(?!\d)"), "zh": re.compile(r"[，；]|并且?|然后")}
_lock = threading.Lock()  # a stemmer keeps a cache of its own and is not safe to share


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    with _lock:
        return str(_stemmer().stemWord(word))


@dataclass(frozen=True)
class Wording:
    """``words``: content tokens in order, numbers among them; ``numbers``: those alone."""

    words: tuple[str, ...]
    numbers: frozenset[str]
    negated: bool

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.words)

    def after(self, number: str) -> frozenset[str]:
        """The tokens that stand right behind ``number``; "" where nothing does."""
        last = len(self.words) - 1
        return frozenset(self.words[i + 1] if i < last else ""
                         for i, word in enumerate(self.words) if word == number)


@lru_cache(maxsize=8_000)
def wording(text: str, language: str) -> Wording:
    """Read ``text`` as ``language`` ("zh", anything else is English)."""
    words: list[str] = []
    numbers: set[str] = set()
    negated = False
    for token in _TOKEN.findall(text.lower().replace("’", "'")):
        if token[0].isdigit() or token in _NUMBER_WORDS:
            number = _NUMBER_WORDS.get(token) or _number(token)
            numbers.add(number)
            words.append(number)
        elif token[0].isascii():
            if token in _NEGATIONS or token.endswith("n't"):
                negated = True
            elif token.split("'")[0] not in _STOP:
                words.append(stem(token.removesuffix("'s")))
        else:
            words += _pairs(token)
    if language == "zh":
        negated = bool(_ZH_NEGATION.search(text))
    return Wording(tuple(words), frozenset(numbers), negated)


def clauses(text: str, language: str) -> list[Wording]:
    """The wordings of the parts between commas and joining words, none empty."""
    parts = _CLAUSE[_code(language)].split(text.lower())
    return [w for w in (wording(part, language) for part in parts) if w.words]


def joined_parts(text: str, language: str) -> list[str]:
    """The parts of a sentence that "and", a semicolon or a comma joins."""
    parts = _JOINT[_code(language)].split(text)
    return [part.strip() for part in parts if wording(part, language).words]


def contrast_sides(text: str, language: str) -> list[Wording]:
    """The sides of "while", "but" and the like; one side when there is none."""
    parts = _CONTRAST[_code(language)].split(text.lower())
    return [w for w in (wording(part, language) for part in parts) if w.words]


def has_contrast(text: str, language: str) -> bool:
    return bool(_CONTRAST[_code(language)].search(text.lower()))


def leans(text: str, language: str) -> bool:
    """Whether a sentence is an example or a consequence of the one before it."""
    return bool(_LEANING[_code(language)].search(text.lower()))


def _code(language: str) -> str:
    return "zh" if language == "zh" else "en"


def _number(token: str) -> str:
    """5,000 and 5000 are one number, 1 % and 1% too; 16:00 and 2.1 stay as they are."""
    percent = "%" if token.endswith("%") else ""
    digits = token.rstrip("% ")
    return re.sub(r",(?=\d{3}\b)", "", digits).rstrip(".,:") + percent


def _pairs(run: str) -> list[str]:
    """Pairs of neighbours inside what function characters leave; a lone character alone."""
    found: list[str] = []
    for part in _ZH_FUNCTION.split(run):
        if len(part) == 1:
            found.append(part)
        found += [part[i:i + 2] for i in range(len(part) - 1)]
    return found
