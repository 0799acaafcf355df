"""The companies of a headline: each one once, with every place where its name stands.

Two names are one company when the ticker table gives them one ticker, or when they are the
same words without capitals, article and legal form ("Bexley Holdings" and "Bexley").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from domains.financial_sentiment.context import Words
from domains.financial_sentiment.tickers import Mention, TickerTable
from lepton_engine.marking import Span, marked
from lepton_engine.results import Entity

# More names than this make a list of stocks and no story about each.
MOST_ASKED = 12
_TRIMMED = re.compile(r"(?!(?:the|a|an)\s)\b\w.*?(?=(?:['’]s?)?\s*$)", re.IGNORECASE)
_MOST_WORDS = 5
_FORM = re.compile(
    r",? (?:Inc|Corp|Corporation|Co|Company|Ltd|Limited|LLC|LP|plc|AG|SE|SA|NV|AB|ASA|AS|Oyj|SpA|"
    r"Group|Holdings?)\b\.?", re.IGNORECASE)
_OPENS = re.compile(r"\s*\(\s*(?:[A-Za-z ]+:\s*)?")
_CLOSES = re.compile(r"\s*\)")


def mentions(table: TickerTable, headline: str, named: Sequence[Entity]) -> list[Mention]:
    """One mention for every company of a headline, in order of place.

    The table first, then spaCy's organisations and products that touch none of its names.
    """
    found = table.find(headline, named)
    claimed = table.claims(headline)
    for entity in named:
        if entity.label in ("ORG", "PRODUCT") and not _touches(entity.start, entity.end, claimed):
            found += _named(headline, entity, table.words)
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
    for mention in sorted(found, key=lambda m: (m.start, -m.end)):
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


def _repeats(headline: str, name: str, taken: Sequence[Span]) -> list[Span]:
    """Where the name stands again, also without its legal form."""
    short = _FORM.sub("", name)
    either = "|".join(re.escape(text) for text in dict.fromkeys((name, short)) if text)
    return [match.span() for match in re.finditer(rf"(?<!\w)(?:{either})(?!\w)", headline)
            if not _touches(*match.span(), taken)]


def _whole_names(headline: str, places: Sequence[Span]) -> tuple[Span, ...]:
    """Spans with their legal form; a symbol in brackets after the name is part of it."""
    whole: list[Span] = []
    for start, end in places:
        form = _FORM.match(headline, end)
        end = form.end() if form else end
        if whole and start < whole[-1][1]:
            continue
        closed = _CLOSES.match(headline, end)
        if whole and closed and _OPENS.fullmatch(headline, whole[-1][1], start):
            start, end = whole.pop()[0], closed.end()
        whole.append((start, end))
    return tuple(whole)


def _bare(name: str) -> str:
    """Without capitals, dollar sign and legal form: what tells one company from another."""
    return _FORM.sub("", name.removeprefix("$")).casefold() or name.casefold()


def _touches(start: int, end: int, spans: Sequence[Span]) -> bool:
    return any(first < end and start < last for first, last in spans)


def _named(headline: str, entity: Entity, words: Words) -> list[Mention]:
    """spaCy's entity without article and possessive, or nothing where it is no name.

    In a headline in Title Case the small pipeline takes half a sentence for one name, so
    more than five words are none.
    """
    span = _TRIMMED.search(headline, entity.start, entity.end)
    if span is None or not any(c.isupper() for c in span[0]) or "(" in span[0]:
        return []
    parts = span[0].split()
    if len(parts) > _MOST_WORDS or all(p.lower().strip(".") in words.not_names or not
                                       any(c.isalpha() for c in p) for p in parts):
        return []
    return [Mention(span[0], *span.span())]
