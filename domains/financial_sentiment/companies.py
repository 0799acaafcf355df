"""The companies of a headline: each one once, with every place where its name stands.

Two names are one company when the ticker table gives them one ticker, or when they are the
same words without capitals, article and legal form ("Bexley Holdings" and "Bexley").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from domains.financial_sentiment.names import names
from domains.financial_sentiment.tickers import Mention, TickerTable
from lepton_engine.marking import Span, marked
from lepton_engine.results import Entity

# More names than this make a list of stocks and no story about each.
MOST_ASKED = 12
_FORM = re.compile(
    r",? (?:Inc|Corp|Corporation|Co|Company|Ltd|Limited|LLC|LP|plc|AG|SE|SA|NV|AB|ASA|AS|Oyj|SpA|"
    r"Group|Holdings?)\b\.?", re.IGNORECASE)
_SYMBOL = re.compile(r"\s*\((?:[A-Za-z ]+:\s*)?\$?[A-Z]{1,5}(?:\.[A-Z])?\)")
_TAGGED = re.compile(r"\$[A-Za-z.]+\s*[-–—:]\s+$")


def mentions(table: TickerTable, headline: str, named: Sequence[Entity] | None,
             ) -> list[Mention]:
    """One mention for every company of a headline, in order of place.

    The ticker table first, then the names that touch none of its places. ``named`` are
    spaCy's entities; None for a text that is not English, where the table alone speaks.
    """
    found = table.find(headline, named or ())
    if named is not None:
        found += [Mention(headline[start:end], start, end) for start, end in
                  names(table.name_words, headline, named, table.claims(headline))]
    return _companies(headline, found)


def readings(headline: str, found: Sequence[Mention]) -> tuple[str, ...]:
    """What the model reads: the headline once for each of several companies, or as it is."""
    if not 1 < len(found) <= MOST_ASKED:
        return (headline,)
    return tuple(reading(headline, found, mention) for mention in found)


def reading(headline: str, found: Sequence[Mention], asked: Mention) -> str:
    """The headline with the company ``asked`` about and the others marked."""
    return marked(headline, asked.spans, others(found, asked))


def others(found: Sequence[Mention], asked: Mention) -> list[Span]:
    """Where the other companies stand."""
    return [span for mention in found if mention is not asked for span in mention.spans]


def _companies(headline: str, found: Sequence[Mention]) -> list[Mention]:
    """The first mention of each company, with all its spans; none lies in another's."""
    groups: dict[str, list[Mention]] = {}
    for mention in sorted(_with_symbols(headline, found), key=lambda m: (m.start, -m.end)):
        groups.setdefault(mention.ticker or _bare(mention.text), []).append(mention)
    taken = [(m.start, m.end) for m in found]
    companies = []
    for group in groups.values():
        places = [(m.start, m.end) for m in group]
        if not group[0].ticker:
            more = _repeats(headline, group[0].text, taken)
            places += more
            taken += more
        companies.append(replace(group[0], spans=_whole_names(headline, sorted(places))))
    return companies


def _with_symbols(headline: str, found: Sequence[Mention]) -> Iterator[Mention]:
    """Names take the ticker beside them: "Cintas (NASDAQ: CTAS)", "$GTX - Garrett Motion"."""
    for mention in found:
        symbol, tag = _SYMBOL.match(headline, mention.end), _TAGGED.search(
            headline[:mention.start])
        beside = [match.span() for match in (symbol, tag) if match]
        ticker = next((m for m in found if m.ticker and m is not mention
                       and _touches(m.start, m.end, beside)), None)
        if ticker is None or mention.ticker:
            yield mention
        else:
            yield replace(mention, ticker=ticker.ticker, company=ticker.company)


def _repeats(headline: str, name: str, taken: Sequence[Span]) -> list[Span]:
    """Where the name stands again, also without its legal form."""
    short = _FORM.sub("", name)
    either = "|".join(re.escape(text) for text in dict.fromkeys((name, short)) if text)
    return [match.span() for match in re.finditer(rf"(?<!\w)(?:{either})(?!\w)", headline)
            if not _touches(*match.span(), taken)]


def _whole_names(headline: str, places: Sequence[Span]) -> tuple[Span, ...]:
    """Spans with the legal form, and with the symbol in brackets, after the name."""
    whole: list[Span] = []
    for start, end in places:
        for more in (_FORM, _SYMBOL):
            after = more.match(headline, end)
            end = after.end() if after else end
        if not whole or start >= whole[-1][1]:
            whole.append((start, end))
    return tuple(whole)


def _bare(name: str) -> str:
    """Without capitals, dollar sign and legal form: what tells one company from another."""
    return _FORM.sub("", name.removeprefix("$")).casefold() or name.casefold()


def _touches(start: int, end: int, spans: Sequence[Span]) -> bool:
    return any(first < end and start < last for first, last in spans)
