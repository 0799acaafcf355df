"""Names of companies that no table has, by their capitals; spaCy's entities are a hint only.

The small pipeline calls half of the companies it does not know people or places. So every run
of capitalised words is a name here, unless a table of words (``assets/name_words.toml``) says
what else it is: a place, a person, a date, a public body, an index, a product. The first word
of a sentence, and every word of a headline in Title Case, counts only if it is no word that
people write small (``assets/common_words.txt``).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from domains.financial_sentiment.context import starts_sentence
from lepton_engine.marking import Span
from lepton_engine.results import Entity


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TOKEN = re.compile(r"[^\s,;:!?()\[\]{}<>\"“”‘…/|–—*]+")
_PREFIX = re.compile(r"(?:[a-z]+|Ex|Non|Pre|Anti|Pro)-(?=[A-Z\d])")
_TAIL = re.compile(r"-[a-z][\w'’-]*$")
_POSSESSIVE = re.compile(r"(?:['’][sS]?)$")
_CAPITAL = re.compile(r"(?:[A-ZÀ-ÖØ-ÞĀ-Ž]|[a-z]{1,4}[A-Z]|\d+[A-Z&]).*")
_LINKS = _set("& + de du des del della la le van von der di da do og och und et y e")
_MODEL = re.compile(r"[A-Z]{1,3}-?\d+[a-z]?|\d+[A-Z]?|[A-Z]\.?")
_ENDINGS = ("s", "es", "d", "ed", "ing")
_LONG = re.compile(r"(?<![\w'’-])[A-Za-z]{4,}")
_SMALL = _set("about after against amid before between from into over since than that under upon "
              "while with without")
# Addresses, tags and what a stock exchange calls a company: no names, or told by the table.
_HIDDEN = re.compile(r"(?:https?://|www\.)\S+|(?<!\w)[@#$]\w+|\((?:[A-Za-z]+:\s*)?\$?[A-Z.]{1,6}\)")
_BEFORE_WORD = _set("a an the its his her their our my your")
_ARTICLES = ("The", "A", "An")
_NAMED = ("ORG", "PERSON", "PRODUCT")
_MOST_WORDS = 5


@dataclass(frozen=True)
class Token:
    """A word: ``core`` is its name part, ``headline[start:end]``; ``closed``: no name goes on."""

    core: str
    start: int
    end: int
    closed: bool = False
    possessive: bool = False

    @property
    def is_capital(self) -> bool:
        return "$" not in self.core and _CAPITAL.fullmatch(self.core) is not None


@dataclass(frozen=True)
class NameWords:
    """The two tables of words."""

    common: frozenset[str]
    nowhere: frozenset[str]
    institutions: frozenset[str]
    people: frozenset[str]
    given_names: frozenset[str]
    titles: frozenset[str]
    roles: frozenset[str]
    firm_words: frozenset[str]
    with_s: frozenset[str]
    parts: frozenset[str]
    dates: frozenset[str]
    places: frozenset[str]
    trailing: frozenset[str]

    @classmethod
    def load(cls, folder: Path) -> NameWords:
        table = tomllib.loads((folder / "name_words.toml").read_text(encoding="utf-8"))
        sets = {name: frozenset(words.split()) for name, words in table.items()}
        lines = (folder / "common_words.txt").read_text(encoding="utf-8").splitlines()
        common = frozenset(w for line in lines if not line.startswith("#") for w in line.split())
        places = sets["places"] | sets["parts"] | sets["nationalities"]
        trailing = sets["dates"] | sets["indices"] | sets["things"] | (
            sets["abbreviations"] - sets["firm_words"])
        nowhere = places | trailing | sets["abbreviations"]
        return cls(common, nowhere, places=places, trailing=trailing, **{
            name: sets[name] for name in ("institutions", "people", "given_names", "titles",
                                          "roles", "firm_words", "with_s", "parts", "dates")})

    def is_common(self, word: str) -> bool:
        """Whether people write it small, also with another ending; "GT", "ResMed" they do not."""
        if len(word) > 1 and any(c.isupper() for c in word[1:]):
            return False
        low = word.lower()
        return low in self.common or self.is_role(word) or any(
            low.endswith(end) and not {stem, stem + "e", _undoubled(stem)}.isdisjoint(self.common)
            for end in _ENDINGS if len(stem := low[:len(low) - len(end)]) > 2)

    def is_role(self, word: str) -> bool:
        """Whether it stands before a name and is no part of it: "Insurer", "Despite"."""
        return word.lower() in self.roles or word.lower().endswith(("maker", "makers"))


def names(words: NameWords, headline: str, named: Sequence[Entity],
          claimed: Collection[Span]) -> list[Span]:
    """Where companies are named, apart from the places ``claimed`` by the ticker table."""
    text = _HIDDEN.sub(lambda match: " " * len(match[0]), headline)
    title = _is_title(text)
    found = []
    for before, run in _runs(words, text, title):
        first = run[0]
        run = _inner(words, text, run, title)
        if not run or any(s < run[-1].end and run[0].start < e for s, e in claimed):
            continue
        label = _label(named, run)
        if not ((title and not label) or _is_ordinary(words, text, before, first, run, label)
                or _follows_owner(words, before, run) or _is_person(words, before, run, label)
                or _is_other(words, run, label)):
            found.append((run[0].start, run[-1].end))
    return found


def _undoubled(stem: str) -> str:
    """"planned" is of "plan"."""
    return stem[:-1] if stem[-1] == stem[-2] else stem


def _is_title(headline: str) -> bool:
    """Title Case or capitals: no long word but a preposition is written small."""
    long = _LONG.findall(headline)
    return len(long) >= 3 and not any(w[0].islower() and w not in _SMALL for w in long)


def _tokens(words: NameWords, headline: str) -> Iterator[Token]:
    """The words without possessive, "ex-" and "-backed"."""
    for match in _TOKEN.finditer(headline):
        start, text = match.start(), match[0]
        prefix = _PREFIX.match(text)
        if prefix:
            start, text = start + prefix.end(), text[prefix.end():]
        bare = text.rstrip(".'’")
        own = _POSSESSIVE.search(text)
        if own and text.replace("’", "'") in words.with_s:
            own = None
        core = text[:own.start()] if own else text
        tail = _TAIL.search(core)
        if tail:
            core = core[:tail.start()]
        full_stop = core.endswith(".") and "." not in core[:-1]
        core = core.rstrip(".'’") if full_stop or core == bare else core
        if core:
            yield Token(core, start, start + len(core), bool(own or tail or full_stop), bool(own))


def _runs(words: NameWords, headline: str, title: bool) -> Iterator[
        tuple[Token | None, list[Token]]]:
    """Capitalised words in a row, each with the token before."""
    before: Token | None = None
    last: Token | None = None
    run: list[Token] = []
    for token in _tokens(words, headline):
        goes_on = bool(run) and last is not None and not last.closed and (
            headline[last.end:token.start] == " ")
        fits = token.is_capital and not _breaks(words, token, run if goes_on else [], title)
        if run and not (goes_on and (fits or token.core in _LINKS)):
            yield before, run
            run = []
        if fits or (run and token.core in _LINKS):
            before = before if run else last
            run.append(token)
        last = token
    if run:
        yield before, run


def _breaks(words: NameWords, token: Token, run: list[Token], title: bool) -> bool:
    """A capital that is part of no name: a title, and in Title Case an ordinary word."""
    if token.core.lower() in words.titles or (run and token.core in words.dates):
        return True
    if not title or (run and token.core.capitalize() in words.firm_words):
        return False
    return words.is_common(token.core.capitalize())


def _inner(words: NameWords, text: str, run: list[Token], title: bool) -> list[Token]:
    """The run without what only stands beside the name: roles, dates, links at its ends."""
    while run and (run[-1].core in _LINKS or (len(run) > 1 and run[-1].core in words.trailing)):
        run = run[:-1]
    starts = not title and bool(run) and _starts(text, run[0])
    while len(run) > 1 and (run[0].core in _ARTICLES or run[0].core in _LINKS
                            or (starts and words.is_role(run[0].core)
                                and run[1].core not in words.firm_words)):
        run = run[1:]
    return run


def _starts(text: str, token: Token) -> bool:
    """Whether a sentence starts here; hidden symbols and marks before it do not count."""
    return not text[:token.start].strip(" -:'") or starts_sentence(text, token.start)


def _is_ordinary(words: NameWords, text: str, before: Token | None, first: Token,
                 run: Sequence[Token], label: str) -> bool:
    """No word of it is a name: "Market Update", "Profit falls", "a Buy", "NEW: ..."."""
    if not all(words.is_common(token.core) or token.core in _LINKS for token in run):
        return (len(run) == 1 and _starts(text, run[0]) and words.is_common(run[0].core.lower())
                and text[run[0].end:run[0].end + 1] == ":")
    if len(run) > 1:
        return label not in _NAMED
    return _starts(text, first) or (before is not None and before.core in _BEFORE_WORD)


def _label(named: Sequence[Entity], run: Sequence[Token]) -> str:
    """What spaCy calls the run or a part of it."""
    start, end = run[0].start, run[-1].end
    touching = [e for e in named if e.start < end and start < e.end]
    whole = [e for e in touching if e.start <= start and end <= e.end]
    return next((e.label for e in whole or touching), "")


def _follows_owner(words: NameWords, before: Token | None, run: Sequence[Token]) -> bool:
    """ "Anheuser-Busch's Bud Light", but not "Italy's Enel"."""
    return (before is not None and before.possessive and before.is_capital
            and before.core not in words.places and run[0].start - before.end <= 3)


def _is_person(words: NameWords, before: Token | None, run: Sequence[Token], label: str) -> bool:
    if label == "ORG" or run[-1].core.capitalize() in words.firm_words:
        return False
    if before is not None and before.core.lower() in words.titles:
        return True
    if all(token.core in words.people for token in run[-1:]) and len(run) <= 2:
        return True
    return 2 <= len(run) <= 3 and run[0].core in words.given_names


def _is_other(words: NameWords, run: Sequence[Token], label: str) -> bool:
    """A place, a date, an index, a product, a public body, or half a sentence."""
    cores = [token.core for token in run]
    if len(run) > _MOST_WORDS or all(
            c in words.nowhere or c.removesuffix("s") in words.places or c in _LINKS
            or c.isdigit() for c in cores):
        return not (label == "ORG" and 1 < len(run) <= _MOST_WORDS
                    and words.trailing.isdisjoint(cores) and cores[-1] not in words.parts)
    if not words.institutions.isdisjoint(map("_".join, pairwise(cores))):
        return True
    if not words.institutions.isdisjoint(cores) and cores[-1] not in words.firm_words:
        return True
    return len(run) == 1 and (_MODEL.fullmatch(cores[0]) is not None or label == "LAW")
