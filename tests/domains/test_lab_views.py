"""The lab's views: pure, escaped, in both languages."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domains.engine_lab import charts, export, sections, views
from domains.engine_lab.service import build
from domains.shared.texts import Texts
from lepton_engine.compression.recipe import STEPS
from lepton_engine.compression.verdicts import read_verdicts
from tests.domains.lab import GATE, verdict
from tests.fakes import FakeEngine

EVIL = "<img src=x onerror=alert(1)>"


def stored(*verdicts: Any) -> dict[str, Any]:
    return build(FakeEngine(gate=verdicts or GATE)).api().to_json()


def measured(*recipes: str) -> dict[str, Any]:
    *_, last = build(FakeEngine(gate=GATE)).compare("finance-sentiment", recipes)
    return last.to_json()


def test_the_texts_are_there_in_both_languages() -> None:
    say = Texts("engine_lab")
    assert say.keys("en") == say.keys("zh")
    assert 3 <= len(say.examples) <= 5


def test_each_verdict_is_said_in_words_with_its_numbers() -> None:
    page = views.verdicts_html(stored(), "en")
    assert "0.27 points of weighted F1 lost (0.867 instead of 0.870; 95 % interval 0.02 to 0.52, " \
        "n = 9,543). At most 0.5 points may be lost" in page
    assert "1.90 points of weighted F1 lost" in page
    assert "More than the 0.5 points that may be lost." in page
    assert "Gains less than 5 % on one text (1.01 times as fast) and on many" in page
    assert "2.90 times as fast: 2.76 instead of 8.00 ms a text" in page
    assert "23.0 MB instead of 90.0 MB on disk" in page
    chinese = views.verdicts_html(stored(), "zh")
    assert "超过允许损失的 0.5 点" in chinese
    assert "points" not in chinese


@pytest.mark.parametrize(("given", "words"), [
    ({"loss_points": 0.4, "high": 1.6, "decision": "refused"}, "The interval reaches 1.5 points"),
    ({"n": 40, "decision": "undecidable"}, "Too few to decide: a verdict needs at least 3,000"),
    ({"metric": "agreement", "decision": "undecidable"}, "nothing says which of the two is right"),
    ({"metric": "recall@10", "decision": "refused", "detail": {"top-10 overlap": 0.8652}},
     "Refused for the order of what is found: it finds 86.5 % of the original&#x27;s first ten; "
     "at least 90 % are needed."),
    ({"metric": "recall@10", "loss_points": 0.8, "decision": "refused",
      "detail": {"top-10 overlap": 0.8652}}, "More than the 0.5 points that may be lost."),
    ({"decision": "refused", "reason": "A rule of tomorrow."}, "A rule of tomorrow."),
    ({"metric": "recall@10", "decision": "passed", "detail": {"top-10 overlap": 0.956}},
     "stays below 1.5. It finds 95.6 % of the original&#x27;s first ten"),
    ({"metric": "grounded accuracy", "detail": {
        "unit": "token", "mcnemar_p": 0.4, "perplexity": {"all": {"ratio": 1.031}}},
      "decision": "refused"}, "Refused: perplexity 1.0310 times the original&#x27;s (limit 1.02)"),
])
def test_why_a_variant_did_not_pass(given: dict[str, Any], words: str) -> None:
    facts = {"loss_points": 0.1, **given}
    decision = facts.pop("decision")
    row = verdict("int4", facts.pop("loss_points"), 1.2, decision, **facts)
    assert words in views.verdicts_html(stored(row), "en")


def test_a_language_model_is_told_with_its_published_file_and_its_streams() -> None:
    row = next(v for v in read_verdicts("qwen-0.5b", None) if v.recipe == "int8")
    page = views.verdicts_html(
        build(FakeEngine(gate=[row])).stored("qwen-0.5b").to_json(), "en")
    assert "491 MB as published" in page
    assert "The published file is quantised already (q4_k_m, 491 MB)" in page
    assert "test does not show a loss" in page
    fewer = "With 16 streams at once it writes fewer tokens than the original"
    assert (fewer in page) is (row.texts_per_second < row.original_texts_per_second)
    slower = replace(row, texts_per_second=111.4, original_texts_per_second=160.7)
    page = views.verdicts_html(
        build(FakeEngine(gate=[slower])).stored("qwen-0.5b").to_json(), "en")
    assert f"{fewer}: 111 instead of 161 a second." in page


def test_every_step_is_explained_in_both_languages() -> None:
    for lang in ("en", "zh"):
        shown = views.kinds_html(lang)
        assert shown.count("<li>") == len(STEPS)
        assert "low-rank:0.05..0.95" in shown
    assert "移除注意力头" in views.kinds_html("zh")
    say = Texts("engine_lab")
    for name, kind in STEPS.items():
        assert say("en", f"step.{name}") == kind.meaning


def test_a_measured_row_names_its_stored_verdict() -> None:
    page = views.verdicts_html(measured("int8"), "en")
    assert "not decidable" in page
    assert "The stored verdict: passed on n = 9,543, 0.27 points lost, 2.90 times" in page
    assert "on 36 texts (bundled examples)" in views.head_html(measured("int8"), "en")


def test_the_picture_has_bubbles_by_decision_the_original_and_the_pareto_line() -> None:
    fig = charts.quality_figure(stored(), "en")
    names = [trace.name for trace in fig.data]
    assert names == ["best for its time", "original", "passed", "refused"]
    assert list(fig.data[0].x) == sorted(fig.data[0].x)
    assert list(fig.data[0].y) == pytest.approx([0.8673, 0.869, 0.87])
    passed = fig.data[2]
    assert passed.text == ("<b>1</b>", "<b>2</b>")
    assert passed.error_y.array == pytest.approx((0.0025, 0.0025))
    assert fig.data[1].marker.size[0] > passed.marker.size[0]
    assert charts.quality_figure(stored(verdict("int8", float("nan"), 1, "undecidable")), "en"
                                 ).layout.annotations[0].text.startswith("No variant")


def test_the_table_and_its_file_hold_every_row() -> None:
    payload = stored(verdict("int8", 0.27, 2.9, "passed", reason="=cmd|' /C calc'!A0"))
    assert views.table(payload, "en")["data"][0][:3] == [1, "int8", "passed"]
    [row] = csv.DictReader(io.StringIO(
        Path(views.table_file(payload, "en")).read_text(encoding="utf-8-sig")))
    assert row["reason"].startswith("'=cmd")
    assert (row["n"], row["size_mb"]) == ("9543", "23.0")


def test_the_report_is_one_file_that_needs_nothing_else() -> None:
    payload = measured("int8", "prune-heads:0.25")
    path = export.html_file(payload, "en")
    assert path is not None
    text = Path(path).read_text(encoding="utf-8")
    assert "Plotly" in text
    assert "prune-heads:0.25" in text
    assert "layer 2: left as it is" in text
    assert "<script src" not in text
    assert "<link" not in text
    assert export.html_file(payload, "en") == path
    Path(path).unlink()
    again = export.html_file(payload, "en")
    assert again is not None
    assert Path(again).is_file()
    assert export.html_file({**payload, "complete": False}, "en") is None


def test_steps_say_what_was_changed_and_what_was_left() -> None:
    page = views.steps_html(measured("prune-heads:0.25"), "en")
    assert "22.00 → 19.25 M (−12.5 %)" in page
    assert "1 left as they were, and why" in page
    assert "layer 2: left as it is" in page
    assert "No step reports are stored" in views.steps_html(stored(), "en")


def test_words_that_differ_are_marked() -> None:
    assert sections.marked("a red car", "a blue car") == "a <mark>red </mark>car"
    assert sections.marked("卡已寄出", "卡未寄出") == "卡<mark>已</mark>寄出"
    assert sections.marked("same", "same") == "same"
    assert sections.marked(f"{EVIL} x", "x") == (
        "<mark>&lt;img src=x onerror=alert(1)&gt; </mark>x")


@pytest.mark.parametrize("name", ["finance-sentiment", "minilm-l6", "reranker", "qwen-0.5b"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_sides_are_drawn_for_every_kind_of_model(name: str, lang: str) -> None:
    engine = FakeEngine(reply=f"{EVIL} is a reply.")
    *_, last = build(engine).side_by_side(name, "prune-neurons:0.9", "I lost my card")
    payload = last.to_json()
    for side in payload["sides"]:  # a head's labels, an encoder's sentences
        for item in side["items"]:
            item["label"] += EVIL
    page = sections.sides_html(payload, lang)
    assert "&lt;img src=x" in page
    assert "<img" not in page
    assert page.count("<section") == 2
    fig = charts.sides_figure(payload, lang)
    assert (len(fig.data) == 2) is (name != "qwen-0.5b")


def test_hostile_names_stay_text() -> None:
    payload = stored(verdict("int8", 0.1, 2.0, "passed", host=EVIL, reason=EVIL))
    for page in (views.verdicts_html(payload, "en"), views.head_html(payload, "en"),
                 export.page(payload, "en")):
        assert "<img src=x" not in page
