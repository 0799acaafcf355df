"""Finds listed companies in a headline by a table of their names; the table wins over spaCy.

A name is matched with its capitals, the longest first, at word boundaries; a symbol as
``$AAPL``, ``(NASDAQ: AAPL)``, ``(AAPL)`` or bare where it is no other word. Names that are
ordinary words too (Target, Visa, Apple, 苹果) need context: see :mod:`context`.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domains.financial_sentiment.context import (
    Words,
    is_chinese_word,
    is_company,
    is_other_thing,
    is_person,
)
from domains.financial_sentiment.names import NameWords
from lepton_engine.marking import Span
from lepton_engine.results import Entity

ASSETS = Path(__file__).resolve().parents[2] / "assets"
_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z]{1,5}(?:[./-][A-Za-z])?)(?![\w$])")
_EXCHANGE = re.compile(
    r"\b(?:NASDAQ|Nasdaq|NYSE|NYSEAMERICAN|AMEX)\s*:\s*([A-Z]{1,5}(?:\.[A-Z])?)\b")
_BRACKETED = re.compile(r"(?<=\()\$?([A-Z]{1,5}(?:\.[A-Z])?)(?=\))")
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Mention:
    """A name in a headline: ``text`` is ``headline[start:end]``; ``ticker`` "" where unknown.

    ``spans`` are all places of the company, this one among them; see :mod:`companies`.
    """

    text: str
    start: int
    end: int
    ticker: str = ""
    company: str = ""
    spans: tuple[Span, ...] = ()


class TickerTable:
    """The companies of ``tickers.csv`` and the words of ``ticker_words.toml``; immutable."""

    def __init__(self, rows: Sequence[Mapping[str, str]], words: Words,
                 name_words: NameWords) -> None:
        self.words, self.name_words = words, name_words
        self.companies = {row["ticker"]: row["name"] for row in rows}
        self._by_alias = {alias: row["ticker"] for row in rows
                          for alias in row["aliases"].split("|") if alias}
        self._by_symbol = {t.upper(): t for t in self.companies}
        self._by_symbol |= {a: t for a, t in self._by_alias.items()
                            if a not in self._by_symbol and re.fullmatch(r"[A-Z]+(\.[A-Z])?", a)}
        bare = {t: t for t in self.companies if len(t) >= 3 and t not in words.symbols}
        self._latin = bare | {a: t for a, t in self._by_alias.items() if not _HAN.search(a)}
        self._han = {a: t for a, t in self._by_alias.items() if _HAN.search(a)}
        self._pattern = _any_of(self._latin, r"(?<![\w$.&])", r"(?![\w]|&\w)")
        capitals = {alias.upper(): ticker for alias, ticker in self._latin.items()}
        self._capitals = capitals
        self._capital_pattern = _any_of(capitals, r"(?<![\w$.&])", r"(?![\w]|&\w)")
        self._han_pattern = _any_of(self._han, "", "")
        self._ordinary_capitals = {alias.upper(): alias for alias in words.ordinary}

    @classmethod
    def load(cls, folder: Path = ASSETS) -> TickerTable:
        """Read the two files of ``assets``."""
        with (folder / "tickers.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        words = tomllib.loads((folder / "ticker_words.toml").read_text(encoding="utf-8"))
        return cls(rows, Words.of(words), NameWords.load(folder))

    def find(self, headline: str, named: Sequence[Entity] = ()) -> list[Mention]:
        """The listed companies in order of place, each place once; ``named`` are spaCy's."""
        sure = list(self._symbols(headline)) + list(self._chinese(headline))
        doubtful: list[Mention] = []
        for mention in self._names(headline):
            if any(m.start < mention.end and mention.start < m.end for m in sure):
                continue
            if mention.text in self.words.surnames and is_person(
                    headline, mention.start, mention.end, named):
                continue
            (doubtful if self._is_ordinary(mention.text) else sure).append(mention)
        known = [m.start for m in sure]
        sure += [m for m in doubtful
                 if is_company(self.words, headline, m.start, m.end, named, known)]
        return sorted(sure, key=lambda m: m.start)

    def claims(self, headline: str) -> list[tuple[int, int]]:
        """All spans that look like a name of the table, also those that context rejected."""
        found = [*self._symbols(headline), *self._chinese(headline), *self._all_names(headline)]
        return [(m.start, m.end) for m in found]

    def _is_ordinary(self, text: str) -> bool:
        return text in self.words.ordinary or text in self._ordinary_capitals

    def _symbols(self, headline: str) -> Iterator[Mention]:
        """Symbols that are written as such; ``$BYND`` is a ticker although the table lacks it."""
        taken: set[int] = set()
        for pattern in (_CASHTAG, _EXCHANGE, _BRACKETED):
            for match in pattern.finditer(headline):
                symbol = re.sub(r"[/-]", ".", match[1].upper())
                ticker = self._by_symbol.get(symbol, "")
                if not ticker and pattern is not _BRACKETED and match[1].isupper():
                    ticker = symbol
                if ticker and match.start(1) not in taken:
                    taken.add(match.start(1))
                    start = match.start() if pattern is _CASHTAG else match.start(1)
                    yield self._mention(headline, start, match.end(1), ticker)

    def _names(self, headline: str) -> Iterator[Mention]:
        for mention in self._all_names(headline):
            if not is_other_thing(self.words, headline, mention.start, mention.end):
                yield mention

    def _all_names(self, headline: str) -> Iterator[Mention]:
        shouted = headline.isupper() and len(headline.split()) >= 3
        pattern, table = ((self._capital_pattern, self._capitals) if shouted
                          else (self._pattern, self._latin))
        for match in pattern.finditer(headline):
            yield self._mention(headline, *match.span(), table[match[0]])

    def _chinese(self, headline: str) -> Iterator[Mention]:
        for match in self._han_pattern.finditer(headline):
            if not is_chinese_word(self.words, headline, *match.span()):
                yield self._mention(headline, *match.span(), self._han[match[0]])

    def _mention(self, headline: str, start: int, end: int, ticker: str) -> Mention:
        return Mention(headline[start:end], start, end, ticker, self.companies.get(ticker, ""))


def _any_of(names: Mapping[str, str], before: str, after: str) -> re.Pattern[str]:
    """Any of the names, the longest first, between two conditions."""
    ordered = sorted(names, key=len, reverse=True)
    return re.compile(before + "(?:" + "|".join(map(re.escape, ordered)) + ")" + after)
