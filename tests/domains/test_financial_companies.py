"""Each company of a headline is asked about by itself."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.base import Decision
from domains.financial_sentiment import views
from domains.financial_sentiment.companies import MOST_ASKED, mentions, readings
from domains.financial_sentiment.outcome import Row
from domains.financial_sentiment.service import FinancialSentiment
from domains.financial_sentiment.tickers import TickerTable
from lepton_engine.marking import OTHER, TARGET
from lepton_engine.results import Entity
from tests.domains.financial import UnsureEngine
from tests.fakes import FakeEngine

TABLE = TickerTable.load()
RIVALS = "Ford gains market share from GM"


@pytest.fixture
def service() -> FinancialSentiment:
    return FinancialSentiment(FakeEngine(), TABLE)


def read(headline: str, *named: Entity) -> list[str]:
    return list(readings(headline, mentions(TABLE, headline, named)))


def organisation(headline: str, text: str) -> Entity:
    start = headline.index(text)
    return Entity(text, "ORG", start, start + len(text))


def by_ticker(rows: tuple[Row, ...]) -> dict[str | None, Row]:
    return {row.ticker: row for row in rows}


def test_each_company_of_a_headline_has_its_own_label(service: FinancialSentiment) -> None:
    outcome = service.api([RIVALS])
    ford, gm = outcome.rows
    assert (ford.label, gm.label) == ("positive", "negative")
    assert ford.read_as == "this company gains market share from another company"
    assert gm.read_as == "another company gains market share from this company"
    assert outcome.index == pytest.approx({"F": 0.85, "GM": -0.85})
    assert outcome.confidence is None


def test_the_reason_names_the_company_and_the_evidence_is_the_headline(
        service: FinancialSentiment) -> None:
    for row in service.api([RIVALS]).rows:
        assert f"This is about {row.entity} only" in row.reason
        assert row.evidence[0].quote == row.evidence[0].passage == RIVALS
        assert str(row.entity) in row.evidence[0].title
        assert TARGET not in row.evidence[0].passage


def test_one_company_keeps_the_headline_as_it_is(service: FinancialSentiment) -> None:
    row = service.api(["Tesla falls as $TSLA recall costs mount"]).rows[0]
    assert row.read_as is None
    assert "Tesla is the only company" in row.reason
    assert service.api(["stocks rise in quiet trade"]).rows[0].read_as is None


def test_a_batch_is_one_call_with_the_headlines_and_the_readings() -> None:
    engine = FakeEngine()
    outcome = FinancialSentiment(engine, TABLE).api(
        [RIVALS, "Boeing falls", "oil slides", "福特与通用汽车上涨"])
    assert engine.calls["classify"] == engine.calls["entities"] == 1
    assert [row.label for row in outcome.rows] == [
        "positive", "negative", "negative", "negative", None, None]


def test_a_refusal_is_the_companys_own() -> None:
    engine = UnsureEngine(["another company gains market share from this company"])
    outcome = FinancialSentiment(engine, TABLE).api([RIVALS])
    ford, gm = outcome.rows
    assert ford.decision is outcome.decision is Decision.ANSWERED
    assert gm.decision is Decision.ABSTAINED
    assert (gm.label, gm.score, gm.probabilities) == (None, None, None)
    assert "answers from 0.500 on" in gm.reason
    assert "This is about GM only" in gm.reason
    assert outcome.index == pytest.approx({"F": 0.85})
    assert outcome.reason.startswith("1 headline, 2 rows: 1 labelled. 1 below")


def test_three_companies_each_hide_the_two_others(service: FinancialSentiment) -> None:
    rows = by_ticker(service.api(["Nvidia climbs, Intel falls, Boeing waits"]).rows)
    assert {ticker: row.label for ticker, row in rows.items()} == {
        "NVDA": "positive", "INTC": "negative", "BA": "neutral"}
    assert rows["INTC"].read_as == (
        "another company climbs, this company falls, another company waits")


@pytest.mark.parametrize(("headline", "expected"), [
    ("Tesla falls, Ford gains; $TSLA recall",
     ["this company falls, another company gains; this company recall",
      "another company falls, this company gains; another company recall"]),
    ("Tesla Inc. (NASDAQ: TSLA) tops Ford ($F)",
     ["this company tops another company", "another company tops this company"]),
    ("$F and Ford Motor fall", ["$F and Ford Motor fall"]),
    ("Boeing and Boeing sue Nvidia Corp", [
        "this company and this company sue another company",
        "another company and another company sue this company"]),
])
def test_all_names_of_a_company_are_its_own(headline: str, expected: list[str]) -> None:
    assert read(headline) == expected


def test_a_name_without_ticker_is_the_same_without_its_legal_form() -> None:
    headline = "Bexley Holdings sues Nvidia, Bexley says; BEXLEY silent"
    found = mentions(TABLE, headline, [organisation(headline, "Bexley Holdings"),
                                       organisation(headline, "BEXLEY")])
    assert [m.text for m in found] == ["Bexley Holdings", "Nvidia"]
    assert readings(headline, found)[0] == (
        "this company sues another company, this company says; this company silent")


def test_of_overlapping_names_one_counts() -> None:
    headline = "GE Vernova beats GE and Delta Air Lines"
    named = [organisation(headline, "GE Vernova beats"), organisation(headline, "Lines")]
    assert read(headline, *named) == [
        "this company beats another company and another company",
        "another company beats this company and another company",
        "another company beats another company and this company"]


@pytest.mark.parametrize("headline", [
    "<b>Ford</b> gains on &amp; from <img src=x> GM", "🚀🚀 Ford gains from GM 📉",
    "Ford\u200b gains\tfrom\x07 GM", "Ford gains from GM {entity} %s", "“Ford” gains—from ‘GM’",
])
def test_markup_emoji_and_control_characters_stay_text(service: FinancialSentiment,
                                                       headline: str) -> None:
    payload = service.api([headline]).to_json()
    assert [row["label"] for row in payload["rows"]] == ["positive", "negative"]
    row = payload["rows"][1]
    chosen = views.with_selected(
        payload, row, service.explain(row["headline"], row["entity_start"]).to_json())
    shown = views.words_html(chosen, "en")
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "Words behind the score of GM in headline 1" in shown
    assert "The model read: " in shown


def test_a_long_list_of_companies_bears_the_score_of_the_whole() -> None:
    tickers = ["$AAPL", "$MSFT", "$NVDA", "$TSLA", "$GM", "$BA", "$PFE", "$WMT", "$KO", "$PEP",
               "$DIS", "$NKE", "$IBM"]
    engine = FakeEngine()
    assert len(tickers) == MOST_ASKED + 1
    rows = FinancialSentiment(engine, TABLE).api([" ".join(tickers) + " climb"]).rows
    assert {(row.label, row.read_as) for row in rows} == {("positive", None)}
    assert all(f"more than {MOST_ASKED} companies" in row.reason for row in rows)


def test_the_explanation_is_about_the_company_of_the_row(service: FinancialSentiment) -> None:
    for row in service.api([RIVALS]).rows:
        found = service.explain(row.headline, row.entity_start)
        assert (found.entity, found.read_as) == (row.entity, row.read_as)
        assert (found.label, found.score) == (row.label, row.score)
        changes = {word.word: word.change for word in found.words}
        assert set(changes) == {"gains", "market", "share", "from"}
        assert changes["gains"] == pytest.approx(row.score)
    whole = service.explain(RIVALS)
    assert (whole.entity, whole.read_as, whole.label) == (None, None, "positive")
    assert "Ford" in {word.word for word in whole.words}


def test_a_place_without_a_company_explains_the_headline(service: FinancialSentiment) -> None:
    assert service.explain(RIVALS, 5).entity is None
    assert service.explain("Boeing falls", 0).entity is None
    assert service.explain("福特与通用汽车上涨", 0).decision is Decision.ABSTAINED


def test_the_csv_has_each_companys_score(service: FinancialSentiment) -> None:
    rows = views.csv_rows(service.api([RIVALS]).to_json())
    at = views.CSV_COLUMNS.index
    assert [(row[at("ticker")], row[at("score")]) for row in rows] == [("F", 0.85), ("GM", -0.85)]


NAMES = ("Ford", "GM", "$TSLA", "Boeing", "Nvidia", "Pfizer Inc", "Delta Air Lines")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True),
       st.randoms(use_true_random=False))
def test_the_order_of_the_entities_does_not_matter(names: list[str], rng: random.Random) -> None:
    headline = " gains from ".join(names)
    named = [organisation(headline, name) for name in names]
    found = mentions(TABLE, headline, named)
    assert mentions(TABLE, headline, rng.sample(named, len(named))) == found
    own = dict(zip([m.start for m in found], readings(headline, found), strict=True))
    mixed = rng.sample(found, len(found))
    assert dict(zip([m.start for m in mixed], readings(headline, mixed), strict=True)) == own
    for text in own.values():
        assert text.count(TARGET) == 1
        assert text.count(OTHER) == len(names) - 1
        assert not any(name in text for name in names)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)),
                                      max_size=5))
def test_any_entities_give_spans_inside_that_do_not_overlap(
        text: str, places: list[tuple[int, int]]) -> None:
    headline = f"Ford {text} GM"
    named = [Entity(headline[s:e], "ORG", s, e) for s, e in places if s < e <= len(headline)]
    found = mentions(TABLE, headline, named)
    spans = sorted(span for m in found for span in m.spans)
    assert all(0 <= s < e <= len(headline) for s, e in spans)
    for mention in found:
        own = sorted(mention.spans)
        assert all(a[1] <= b[0] for a, b in pairwise(own))
        assert any(s <= mention.start < e for s, e in own)
