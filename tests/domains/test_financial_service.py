from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.base import Decision
from domains.financial_sentiment.headlines import Headline, Input, pasted, sample
from domains.financial_sentiment.service import RECORDED_INPUT, FinancialSentiment, build
from domains.financial_sentiment.tickers import TickerTable
from lepton_engine.errors import InputError, LimitError, RuntimeFailure
from tests.domains.financial import UnsureEngine
from tests.fakes import FakeEngine

TABLE = TickerTable.load()
HEADLINES = [
    "Nvidia and Microsoft climb on strong orders",
    "Pfizer falls after trial fails",
    "苹果与英伟达股价同创新高",
    "markets closed for a public holiday",
    "$TSLA drops",
]


@pytest.fixture
def service() -> FinancialSentiment:
    return FinancialSentiment(FakeEngine(), TABLE)


def test_one_row_per_headline_and_entity_in_input_order(service: FinancialSentiment) -> None:
    outcome = service.api(HEADLINES)
    assert [(row.number, row.ticker, row.label) for row in outcome.rows] == [
        (1, "NVDA", "positive"), (1, "MSFT", "positive"), (2, "PFE", "negative"),
        (3, "AAPL", None), (3, "NVDA", None), (4, None, "neutral"), (5, "TSLA", "negative")]


def test_score_is_positive_minus_negative(service: FinancialSentiment) -> None:
    row = service.api(["Nvidia climbs"]).rows[0]
    assert row.probabilities is not None
    assert row.score == pytest.approx(row.probabilities["positive"] - row.probabilities["negative"])
    assert row.score == pytest.approx(0.85)
    assert row.confidence == pytest.approx(0.9)


def test_index_is_the_mean_of_labelled_rows(service: FinancialSentiment) -> None:
    outcome = service.api(["Nvidia climbs", "Nvidia falls", "Nvidia and Boeing rise",
                           "英伟达股价上涨"])
    assert outcome.index == pytest.approx({"NVDA": 0.85 / 3, "BA": 0.85})


def test_no_entity_gives_one_row_of_nulls(service: FinancialSentiment) -> None:
    rows = service.api(["stocks rise in quiet trade"]).rows
    assert len(rows) == 1
    assert (rows[0].entity, rows[0].ticker, rows[0].company) == (None, None, None)
    assert rows[0].label == "positive"


@pytest.mark.parametrize(("headline", "word"), [
    ("苹果股价上涨", "中文"),
    ("Nvidia steigt nach starken Zahlen auf ein neues Rekordhoch", "German"),
    ("日経平均が上昇しました", "Japanese"),
])
def test_another_language_is_refused_and_meets_no_english_model(headline: str, word: str) -> None:
    engine = FakeEngine()
    outcome = FinancialSentiment(engine, TABLE).api([headline])
    row = outcome.rows[0]
    assert row.decision is outcome.decision is Decision.ABSTAINED
    assert word in row.reason
    assert (row.label, row.score, row.confidence) == (None, None, None)
    assert engine.calls["classify"] == engine.calls["entities"] == 0
    assert outcome.index == {}
    assert row.stamp is not None
    assert row.stamp.variant.endswith("@rules:cpu")


@pytest.mark.parametrize("headline", [
    "Maxeon bests Aiko Solar in Mannheim", "Berenberg starts Beiersdorf at hold",
    "Goldman Sachs cuts Zentrix to sell, prefers Ostmark Chemie",
])
def test_foreign_names_do_not_make_a_headline_foreign(service: FinancialSentiment,
                                                      headline: str) -> None:
    rows = service.api([headline]).rows
    assert len(rows) > 1
    assert all(row.decision is Decision.ANSWERED for row in rows)


@pytest.mark.parametrize("headline", ["$TSLA", "$AAPL up", "Boeing", "AAPL 🚀"])
def test_very_short_headlines_count_as_english(service: FinancialSentiment,
                                               headline: str) -> None:
    assert service.api([headline]).rows[0].decision is Decision.ANSWERED


def test_below_the_threshold_the_cards_error_is_quoted() -> None:
    engine = UnsureEngine(["Boeing, gone?"])
    outcome = FinancialSentiment(engine, TABLE).api(["Boeing, gone?", "Boeing climbs"])
    refused, labelled = outcome.rows
    assert refused.decision is Decision.ABSTAINED
    assert (refused.label, refused.score) == (None, None)
    assert refused.confidence == pytest.approx(0.9)
    assert "answers from 0.500 on" in refused.reason
    assert "95.0 % of 1,431 held-out headlines" in refused.reason
    assert "4.00 %" in refused.reason
    assert outcome.evidence[0].quote == (
        "Accuracy 0.900 (0.880 to 0.920) on 1,431 held-out headlines.")
    assert labelled.decision is outcome.decision is Decision.ANSWERED
    assert outcome.index == pytest.approx({"BA": labelled.score})
    assert "1 below the model's threshold" in outcome.reason


def test_every_row_and_the_outcome_have_the_common_fields(service: FinancialSentiment) -> None:
    payload = service.api(HEADLINES).to_json()
    json.dumps(payload)
    for part in (payload, *payload["rows"]):
        assert {"decision", "reason", "confidence", "evidence", "stamp"} <= set(part)
        assert part["reason"]
        assert part["stamp"]["latency_ms"] >= 0


def test_evidence_quotes_what_stands_there(service: FinancialSentiment) -> None:
    for row in service.api(HEADLINES).rows:
        for item in row.evidence:
            assert item.passage[item.start:item.end] == item.quote
        if row.entity:
            assert row.headline[row.entity_start:row.entity_end] == row.entity


@pytest.mark.parametrize(("headlines", "error", "words"), [
    ([], InputError, "no headline"),
    (["Nvidia climbs", "  "], InputError, "Headline 2 is empty"),
    (["\x00\x07"], InputError, "Headline 1 is empty"),
    (["x" * 4001], LimitError, "4,000"),
    (["x"] * 1001, LimitError, "1,000"),
    ("Nvidia climbs", InputError, "list"),
    ([3], InputError, "Headline 1 is not a text"),
])
def test_broken_input_is_a_sentence(service: FinancialSentiment, headlines: list[str],
                                    error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        service.api(headlines)


def test_a_lone_surrogate_is_replaced(service: FinancialSentiment) -> None:
    row = service.api(["Nvidia \ud83d climbs"]).rows[0]
    assert row.headline == "Nvidia \ufffd climbs"
    assert row.ticker == "NVDA"


def test_an_engine_that_fails_is_not_hidden() -> None:
    engine = FakeEngine(fail={"finance-sentiment": RuntimeFailure("The runtime failed.")})
    with pytest.raises(RuntimeFailure):
        FinancialSentiment(engine, TABLE).api(["Nvidia climbs"])


def test_build_calls_no_engine() -> None:
    engine = FakeEngine()
    build(engine)
    assert not engine.calls


def test_the_stream_ends_with_what_api_gives(service: FinancialSentiment) -> None:
    given_input = Input(tuple(Headline(text) for text in HEADLINES))
    steps = list(service.stream(given_input, batch=2))
    assert [step.headlines for step in steps] == [2, 4, 5]
    assert all(step.total == 5 for step in steps)
    whole = service.api(HEADLINES)
    plain = [(r.number, r.entity, r.label, r.score) for r in whole.rows]
    assert [(r.number, r.entity, r.label, r.score) for r in steps[-1].rows] == plain
    assert steps[-1].index == whole.index
    assert steps[-1].reason == whole.reason


def test_the_stamp_adds_up_the_batches(service: FinancialSentiment) -> None:
    given_input = Input(tuple(Headline(text) for text in HEADLINES))
    *_, last = service.stream(given_input, batch=1)
    assert last.stamp is not None
    times = {part.variant.partition("/")[0]: part.latency_ms for part in last.stamp.parts}
    assert times["finance-sentiment"] == pytest.approx(4.0)  # four English batches of 1 ms
    assert times["spacy-en"] == pytest.approx(4.0)


def test_the_replay_goes_by_time_and_can_be_stopped(service: FinancialSentiment) -> None:
    waits: list[float] = []
    replay = service.replay(step=4, pause_s=0.5, wait=waits.append)
    first = next(replay)
    assert first.sample
    assert first.headlines == 4
    next(replay)
    replay.close()
    assert waits == [0.5]
    whole = list(service.replay(step=20, wait=waits.append))
    assert whole[-1].headlines == whole[-1].total == len(sample().headlines)
    times = [row.published_at for row in whole[-1].rows]
    assert times == sorted(times, key=str)


def test_the_recorded_input_is_the_arguments_of_api(service: FinancialSentiment) -> None:
    assert service.api(**RECORDED_INPUT).decision is Decision.ANSWERED


def test_explain_leaves_out_one_word_at_a_time(service: FinancialSentiment) -> None:
    found = service.explain("Nvidia climbs after loss of rival.")
    changes = {word.word: word.change for word in found.words}
    assert changes == pytest.approx({"Nvidia": 0, "climbs": 0.85, "after": 0, "loss": -0.85,
                                     "of": 0, "rival": 0})
    assert [e.quote for e in found.evidence] == ["climbs", "loss"]
    assert "raises the score by 0.850" in found.evidence[0].title
    assert "lowers" in found.evidence[1].title
    for word in found.words:
        assert found.headline[word.start:word.end] == word.word


def test_explain_tries_the_first_twenty_words_in_one_call() -> None:
    engine = FakeEngine()
    found = FinancialSentiment(engine, TABLE).explain("Nvidia climbs " + "and so on " * 10)
    assert len(found.words) == 20
    assert found.word_count == 32
    assert "Only the first 20 of 32 words" in found.reason
    assert engine.calls["classify"] == 1


def test_explain_says_when_no_word_matters(service: FinancialSentiment) -> None:
    found = service.explain("Nvidia meets its investors on Monday")
    assert found.evidence == ()
    assert "No single word matters" in found.reason


def test_explain_of_one_word_and_of_refused_headlines() -> None:
    service = FinancialSentiment(UnsureEngine(["Boeing, gone?"]), TABLE)
    assert service.explain("$TSLA").words == ()
    refused = service.explain("Boeing, gone?")
    assert refused.decision is Decision.ABSTAINED
    assert "4.00 %" in refused.reason
    chinese = service.explain("苹果股价上涨")
    assert chinese.decision is Decision.ABSTAINED
    assert chinese.words == ()


WORDS = st.lists(st.sampled_from(
    ["Nvidia", "$TSLA", "3M", "Apple", "climbs", "falls", "and", "苹果", "Target", "misses", "M&A",
     "—", "“", "100%", "\ufffd", "Wal-Mart", "(F)", "gap"]), min_size=1, max_size=7)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=12), st.integers(1, 5))
def test_rows_keep_the_order_of_the_input(headlines: list[str], batch: int) -> None:
    service = FinancialSentiment(FakeEngine(), TABLE)
    *_, outcome = service.stream(Input(tuple(Headline(h) for h in headlines)), batch=batch)
    numbers = [row.number for row in outcome.rows]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, len(headlines) + 1))
    for row in outcome.rows:
        assert row.headline == headlines[row.number - 1]
    for number in set(numbers):
        own = [row for row in outcome.rows if row.number == number]
        starts = [row.entity_start for row in own if row.entity_start is not None]
        assert starts == sorted(starts)
        names = [row.ticker or row.entity for row in own]
        assert len(set(names)) == len(names)
        assert all((row.read_as is not None) == (len(own) > 1 and row.language == "en")
                   for row in own)


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_pasted_text_gives_headlines_or_a_sentence(text: str) -> None:
    failed = ""
    found: list[str] = []
    try:
        found = [h.text for h in pasted(text).headlines]
    except InputError as error:
        failed = str(error)
    assert failed.endswith(".") if failed else all(t and "\n" not in t for t in found)
