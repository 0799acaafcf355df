from __future__ import annotations

import csv
from typing import Any

import pytest

from domains.financial_sentiment import charts, views
from domains.financial_sentiment.headlines import Headline, Input, sample
from domains.financial_sentiment.index import ROLLING, entries, means, over_time
from domains.financial_sentiment.rows import signed
from domains.financial_sentiment.service import FinancialSentiment
from domains.financial_sentiment.tickers import TickerTable
from domains.shared.figures import COLOURS
from domains.shared.texts import Texts
from tests.fakes import FakeEngine

SERVICE = FinancialSentiment(FakeEngine(), TickerTable.load())
EVIL = "Nvidia climbs <img src=x onerror=alert(1)> {value} $F"


def payload_of(*headlines: str) -> dict[str, Any]:
    return SERVICE.api(list(headlines)).to_json()


@pytest.fixture(scope="module")
def replayed() -> dict[str, Any]:
    return SERVICE.score(sample()).to_json()


def row(ticker: str | None, score: float | None, at: str | None = None) -> dict[str, Any]:
    return {"ticker": ticker, "score": score, "company": "C", "published_at": at, "headline": "h"}


def test_both_languages_have_the_same_texts() -> None:
    texts = Texts("financial_sentiment")
    assert texts.keys("en") == texts.keys("zh")
    assert 3 <= len(texts.examples) <= 5


def test_the_table_has_every_row_in_order() -> None:
    payload = payload_of("Nvidia and Microsoft climb", "oil slides", "苹果股价上涨")
    table = views.table(payload, "en")
    shown = [dict(zip(views.COLUMNS, cells, strict=True)) for cells in table["data"]]
    assert [(r["number"], r["ticker"], r["score"]) for r in shown] == [
        (1, "NVDA", "+0.850"), (1, "MSFT", "+0.850"), (2, "–", "−0.850"), (3, "AAPL", "–")]
    assert shown[3]["label"].endswith("no label")
    assert shown[3]["confidence"] == "–"
    assert views.table(payload, "zh")["headers"][1] == "标题"


def test_the_summary_speaks_the_pages_language() -> None:
    payload = payload_of("Nvidia climbs", "苹果股价上涨")
    assert "1 not in English" in views.summary_html(payload, "en")
    assert "1 行不是英文" in views.summary_html(payload, "zh")


def test_the_sample_and_unread_columns_are_said(replayed: dict[str, Any]) -> None:
    assert "invented" in views.summary_html(replayed, "en")
    given = Input((Headline("Nvidia climbs"),), ignored=("<b>note</b>",))
    shown = views.summary_html(SERVICE.score(given).to_json(), "en")
    assert "&lt;b&gt;note" in shown
    assert "<b>note" not in shown


def test_a_partial_outcome_says_so() -> None:
    first = next(SERVICE.replay(step=4, wait=lambda _: None)).to_json()
    assert "4 of 48 headlines so far" in views.summary_html(first, "en")
    assert views.table_file(first, "en") is None


def test_nothing_a_person_wrote_is_markup() -> None:
    payload = payload_of(EVIL)
    chosen = views.with_selected(payload, payload["rows"][0], SERVICE.explain(EVIL).to_json())
    shown = views.words_html(chosen, "en") + views.summary_html(chosen, "en")
    assert "<img" not in shown
    assert "{value}" not in shown
    hover = str(charts.time_figure(SERVICE.score(
        Input((Headline(EVIL, "2026-10-05T08:15:00Z"),))).to_json(), "en").to_dict())
    assert "<img" not in hover


def test_the_csv_is_defused_and_complete(replayed: dict[str, Any]) -> None:
    payload = payload_of("=HYPERLINK(1) Nvidia climbs", "@sum oil slides", "Boeing falls")
    path = views.table_file(payload, "en")
    assert path is not None
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    starts = {line["number"]: line["headline"][:2] for line in lines}
    assert starts == {"1": "'=", "2": "'@", "3": "Bo"}
    assert float(lines[-1]["score"]) == pytest.approx(-0.85)
    assert tuple(lines[0]) == views.CSV_COLUMNS
    assert len(views.csv_rows(replayed)) == len(replayed["rows"])


def test_means_and_entries_agree_and_count_labelled_rows_only() -> None:
    rows = [row("A", 1.0), row("A", 0.0), row("A", -0.4), row("B", 0.5), row(None, 0.9),
            row("C", None)]
    assert means((r["ticker"], r["score"]) for r in rows) == pytest.approx({"A": 0.2, "B": 0.5})
    first, second = entries(rows)
    assert (first.ticker, first.n, second.ticker, second.n) == ("A", 3, "B", 1)
    # t(0.975; 2) = 4.303, deviation 0.7211, n = 3
    assert first.half_width == pytest.approx(4.303 * 0.7211 / 3 ** 0.5, abs=1e-3)
    assert second.half_width is None


def test_over_time_is_by_time_whatever_the_order_of_rows() -> None:
    rows = [row("A", 1.0, "2026-01-03T00:00:00Z"), row("A", 0.0, "2026-01-01T00:00:00Z"),
            row("A", 0.5, "2026-01-02T09:00:00+08:00"), row("A", 0.9), row("B", None, "2026-01-01")]
    points = over_time(rows)
    assert [p.time for p in points] == ["2026-01-01T00:00:00Z", "2026-01-02T01:00:00Z",
                                        "2026-01-03T00:00:00Z"]
    assert [p.cumulative for p in points] == pytest.approx([0, 0.25, 0.5])


def test_the_rolling_mean_forgets() -> None:
    rows = [row("A", float(i), f"2026-01-{i + 1:02}") for i in range(ROLLING + 2)]
    assert over_time(rows)[-1].rolling == pytest.approx(sum(range(2, ROLLING + 2)) / ROLLING)


def test_bars_have_their_sign_as_colour_and_intervals_inside_the_scale(
        replayed: dict[str, Any]) -> None:
    bar = charts.index_figure(replayed, "en").data[0]
    for mean, colour in zip(bar.x, bar.marker.color, strict=True):
        sign = "positive" if mean > 0 else "negative" if mean < 0 else "neutral"
        assert colour == COLOURS[sign]
    assert dict(zip([y.split()[0] for y in bar.y], bar.x, strict=True)) == pytest.approx(
        replayed["index"])
    for mean, up, down in zip(bar.x, bar.error_x.array, bar.error_x.arrayminus, strict=True):
        assert -1 - 1e-9 <= mean - down <= mean + up <= 1 + 1e-9


def test_lines_end_at_the_index(replayed: dict[str, Any]) -> None:
    figure = charts.time_figure(replayed, "en")
    assert 1 < len(figure.data) <= charts.MOST_LINES
    for line in figure.data:
        assert line.y[-1] == pytest.approx(replayed["index"][line.name])
        assert list(line.x) == sorted(line.x)
    assert "so far" in charts.time_note(replayed, "en")


def test_figures_without_data_say_what_to_do() -> None:
    payload = payload_of("stocks rise in quiet trade")
    for lang in ("en", "zh"):
        assert charts.index_figure(payload, lang).layout.annotations
        assert charts.time_figure(payload, lang).layout.annotations
        assert "published_at" in charts.time_note(payload, lang)
        assert charts.index_note(payload, lang) == ""
        assert views.index_table(payload, lang)["data"] == []


def test_tables_behind_the_pictures(replayed: dict[str, Any]) -> None:
    index = views.index_table(replayed, "en")
    assert {line[0] for line in index["data"]} == set(replayed["index"])
    times = views.time_table(replayed, "zh")
    assert len(times["data"]) == sum(r["ticker"] is not None for r in replayed["rows"])
    assert len(times["headers"]) == len(times["data"][0])


def test_a_selected_row_fills_why_and_keeps_the_overview() -> None:
    headline = "Nvidia and Microsoft climb"
    payload = payload_of("oil slides", headline)
    cells = views.table(payload, "en")["data"][2]
    chosen = views.row_of(payload, cells)
    assert chosen is not None
    assert chosen["ticker"] == "MSFT"
    explained = SERVICE.explain(headline).to_json()
    first = views.with_selected(payload, chosen, explained)
    assert first["reason"] == chosen["reason"]
    assert first["evidence"][0]["quote"] == "climb"
    assert first["evidence"][-1]["quote"] == "Microsoft"
    second = views.with_selected(first, payload["rows"][0], SERVICE.explain("oil slides").to_json())
    assert second["overview"]["reason"] == payload["reason"]
    assert second["rows"] == payload["rows"]
    shown = views.words_html(first, "en")
    assert "headline 2" in shown
    assert "+0.850" in shown


@pytest.mark.parametrize("cells", [None, [], [9, "x", "", "", "", "–", ""]])
def test_a_row_that_is_gone_is_none(cells: list[Any] | None) -> None:
    assert views.row_of(payload_of("oil slides"), cells) is None
    assert views.row_of(None, [1]) is None


def test_before_a_row_is_selected_the_page_says_how() -> None:
    assert "Select a row" in views.words_html(payload_of("oil slides"), "en")


@pytest.mark.parametrize(("score", "shown"), [
    (0.8124, "+0.812"), (-0.0398, "−0.0398"), (-0.00556, "−0.006"), (0.0002, "0"), (0.0, "0"),
    (-1.0, "−1.00"),
])
def test_a_score_fits_its_column(score: float, shown: str) -> None:
    assert signed(score) == shown
