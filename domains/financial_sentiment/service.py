"""Headlines in, one scored row for every entity out. No Gradio, no state."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from domains.base import Decision
from domains.financial_sentiment import headlines as incoming
from domains.financial_sentiment.companies import mentions, readings
from domains.financial_sentiment.explanation import explain
from domains.financial_sentiment.headlines import Headline, Input
from domains.financial_sentiment.index import means
from domains.financial_sentiment.outcome import Explanation, Row, SentimentOutcome
from domains.financial_sentiment.rows import ADAPTER, Card, rows_of, summary
from domains.financial_sentiment.tickers import Mention, TickerTable
from domains.shared.texts import Texts
from lepton_engine.language import is_english
from lepton_engine.results import Classification, Evidence, Stamp

# The arguments of ``api`` for the recorded example of the page.
RECORDED_INPUT = {"headlines": [
    "Nvidia hits record high on booming data centre orders",
    "Pfizer cuts full-year outlook on weak vaccine sales",
    "$AAPL and $MSFT lead rally as tech shares rebound",
    "$TSLA drops as rival price cuts squeeze margins",
    "Exxon Mobil to keep capital spending unchanged next year",
    "Boeing loses jet order to Airbus",
    "Nvidia slips as export rule concerns resurface",
    "JPMorgan beats profit estimates as dealmaking rebounds",
    "苹果与英伟达股价同创新高",
]}
BATCH = 64
REPLAY_STEP = 4
REPLAY_PAUSE_S = 0.7
# What no model does: telling the language and looking names up in the ticker table.
RULES = "language-and-tickers/original@rules:cpu"
Outcomes = Generator[SentimentOutcome, None, None]


class FinancialSentiment:
    """Everything that the tab does, over an engine; safe to share between callers."""

    def __init__(self, engine: Any, table: TickerTable | None = None) -> None:
        self._engine = engine
        self._table = table or TickerTable.load()
        self._say = Texts("financial_sentiment")

    def api(self, headlines: list[str]) -> SentimentOutcome:
        """Score headlines: one row per headline and entity, in input order.

        Args:
            headlines: 1 to 1,000 texts of at most 4,000 characters; English is scored,
                another language is refused in its row.

        Raises:
            InputError, LimitError: with the number of the headline that is wrong.
        """
        return self.score(incoming.checked(headlines))

    def score(self, given: Input) -> SentimentOutcome:
        """The last of :meth:`stream`."""
        *_, last = self.stream(given)
        return last

    def stream(self, given: Input, *, batch: int = BATCH) -> Outcomes:
        """The outcome so far after every ``batch`` headlines; the last one is whole."""
        rows: list[Row] = []
        stamps: list[Stamp] = []
        elapsed_ms = 0.0  # without the time that the reader of the stream takes
        for first in range(0, len(given.headlines), batch):
            started = time.perf_counter()
            part = given.headlines[first:first + batch]
            new, cost = self._rows(part, first + 1)
            rows += new
            stamps += cost
            elapsed_ms += _since(started)
            yield self._outcome(given, rows, first + len(part), summed(stamps, elapsed_ms))

    def replay(self, *, step: int = REPLAY_STEP, pause_s: float = REPLAY_PAUSE_S,
               wait: Callable[[float], None] = time.sleep) -> Outcomes:
        """The bundled sample, ``step`` headlines at a time; closing the iterator stops it."""
        for outcome in self.stream(incoming.sample(), batch=step):
            yield outcome
            if outcome.headlines < outcome.total:
                wait(pause_s)

    def explain(self, headline: str, at: int | None = None) -> Explanation:
        """Which words of a headline change a score most when they are left out.

        ``at`` is where the entity of the chosen row starts: of several companies, the score of
        that one is explained; without it, the score of the whole headline.

        Raises:
            InputError, LimitError: as for :meth:`api`.
        """
        text = incoming.checked([headline]).headlines[0].text
        language = incoming.language(text)
        if not is_english(language):
            row = self._rows([Headline(text)], 1)[0][0]
            return Explanation(decision=row.decision, reason=row.reason, headline=text,
                               stamp=row.stamp)
        found: list[Mention] = []
        if at is not None:
            found = mentions(self._table, text, self._engine.entities([text])[0])
        asked = next((m for m in found if m.start == at), None)
        return explain(self._engine, self._say, text, found, asked)

    def _rows(self, part: Sequence[Headline], first: int) -> tuple[list[Row], list[Stamp]]:
        """The rows of a few headlines; English ones alone meet the English models."""
        started = time.perf_counter()
        languages = [incoming.language(headline.text) for headline in part]
        rules_ms = _since(started)
        english = [i for i, language in enumerate(languages) if is_english(language)]
        named: dict[int, Any] = {}
        stamps: list[Stamp] = []
        if english:
            entities = self._engine.entities([part[i].text for i in english])
            named = dict(zip(english, entities, strict=True))
            stamps = [entities.stamp]
        started = time.perf_counter()
        found = [mentions(self._table, headline.text, named.get(i))
                 for i, headline in enumerate(part)]
        rules = Stamp(RULES, "cpu", "none", rules_ms + _since(started))
        labels: dict[int, list[Classification]] = {}
        if english:
            labels, stamp = self._labels({i: readings(part[i].text, found[i]) for i in english})
            stamps.insert(0, stamp)
        card = self._card(label for own in labels.values() for label in own)
        rows = [row for i, headline in enumerate(part)
                for row in rows_of(self._say, first + i, headline, found[i], languages[i],
                                   labels.get(i, ()), card, rules)]
        return rows, [*stamps, rules]

    def _labels(self, texts: Mapping[int, Sequence[str]],
                ) -> tuple[dict[int, list[Classification]], Stamp]:
        """The labels of every headline's readings, from one call."""
        classified = self._engine.classify([t for own in texts.values() for t in own], ADAPTER)
        rest = iter(classified)
        return {i: [next(rest) for _ in own] for i, own in texts.items()}, classified.stamp

    def _card(self, labels: Iterable[Classification]) -> Card | None:
        """The head's card, read only when a refusal has to quote it."""
        if all(label.accepted for label in labels):
            return None
        return Card.of(self._engine.adapter_card(ADAPTER))

    def _outcome(self, given: Input, rows: Sequence[Row], done: int,
                 stamp: Stamp) -> SentimentOutcome:
        answered = any(row.decision is Decision.ANSWERED for row in rows)
        lang = "zh" if all(row.language == "zh" for row in rows) else "en"
        return SentimentOutcome(
            decision=Decision.ANSWERED if answered else Decision.ABSTAINED,
            reason=summary(self._say, lang, [vars(row) for row in rows]), stamp=stamp,
            rows=tuple(rows),
            confidence=rows[0].confidence if len(rows) == 1 else None,
            evidence=self._held_out(lang) if answered else (),
            index=means((row.ticker, row.score) for row in rows), headlines=done,
            total=len(given.headlines), sample=given.sample, ignored=given.ignored)

    def _held_out(self, lang: str) -> tuple[Evidence, ...]:
        """Why the labels may be believed: the head's score on held-out headlines."""
        return Card.of(self._engine.adapter_card(ADAPTER)).evidence(self._say, lang)


def summed(stamps: Sequence[Stamp], latency_ms: float) -> Stamp:
    """One stamp over many batches: times and tokens added up by variant."""
    flat = [part for stamp in stamps for part in (stamp.parts or (stamp,))]
    groups: dict[str, list[Stamp]] = {}
    for part in flat:
        groups.setdefault(part.variant, []).append(part)
    merged = [_merged(group) for group in groups.values()]
    return Stamp.combined(merged, latency_ms)


def _merged(group: Sequence[Stamp]) -> Stamp:
    return replace(group[-1], latency_ms=sum(s.latency_ms for s in group),
                   tokens=sum(s.tokens for s in group),
                   queue_wait_ms=sum(s.queue_wait_ms for s in group))


def _since(started: float) -> float:
    """Milliseconds since a reading of the clock."""
    return (time.perf_counter() - started) * 1000


def build(engine: Any) -> FinancialSentiment:
    """The service of the domain."""
    return FinancialSentiment(engine)
