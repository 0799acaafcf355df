"""The sections of the lab on the fake engine."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from domains.base import Decision
from domains.engine_lab import service as module
from domains.engine_lab.outcome import Stage
from domains.engine_lab.rows import gains_little, original_of, row_of
from domains.engine_lab.service import EngineLab, build
from domains.shared.page import recorded_example
from lepton_engine.compression.verdicts import read_verdicts
from lepton_engine.errors import InputError, RuntimeFailure, UnknownNameError
from lepton_engine.profiles import BALANCED, recipe_for
from tests.domains.lab import GATE, outcomes, verdict
from tests.fakes import FakeEngine

CHINESE = "苹果与英伟达股价同创新高。\n央行周四宣布维持利率不变。"
CSV = b"text,label\nShares rise on record profit,positive\nProfit falls after recall,negative\n"


def lab(**options: Any) -> EngineLab:
    return build(FakeEngine(**options))


def test_building_asks_the_engine_nothing() -> None:
    engine = FakeEngine()
    build(engine)
    assert not engine.calls


def test_what_was_measured_is_told_with_host_n_and_date() -> None:
    found = lab(gate=GATE).api()
    assert found.decision is Decision.ANSWERED
    assert "2 cores, 16 GB with n = 9,543 (2026-11-23)" in found.reason
    assert ("What serves by default is int8: 2.90 times as fast on one text and 2.90 times on "
            "many, 0.27 points lost." in found.reason)
    assert [row["recipe"] for row in found.rows] == [v.recipe for v in GATE]
    assert found.stamp is not None
    assert found.stamp.variant == "finance-sentiment/int8@openvino:cpu"
    json.dumps(found.to_json(), allow_nan=False)


def test_nothing_measured_is_said_and_no_winner_is_invented() -> None:
    nothing = lab().api("bank-intent")
    assert nothing.decision is Decision.ABSTAINED
    assert "Nothing has been measured" in nothing.reason
    slow = lab(gate=[verdict("prune-weights:0.5", 0.0, 1.01, "passed")]).api()
    assert "No variant passed the gate and is at least 5 % faster" in slow.reason
    assert slow.stamp is not None
    with pytest.raises(UnknownNameError, match="finance"):
        lab().api("finance")


@pytest.mark.parametrize("rows", [
    # Within 5 % of the fastest the smaller loss serves; one text alone is not all.
    (verdict("int8", 0.4, 2.9, "passed"), verdict("int8-dynamic", -0.04, 2.85, "passed")),
    (verdict("int8", 0.4, 3.0, "passed", texts_per_second=90.0),
     verdict("int8-dynamic", -0.04, 2.0, "passed")),
])
def test_the_lab_names_what_the_default_profile_runs(rows: Any) -> None:
    found = lab(gate=rows).api()
    serving = str(recipe_for("finance-sentiment", BALANCED, rows))
    assert serving == "int8-dynamic"
    assert f"What serves by default is {serving}: " in found.reason
    assert "0.04 points gained" in found.reason
    assert found.stamp is not None
    assert f"/{serving}@" in found.stamp.variant
    assert "0.04 点" in lab(gate=rows).stored("finance-sentiment", "zh").reason


def test_recipes_are_measured_row_by_row_with_progress() -> None:
    steps = list(lab(gate=GATE).compare("finance-sentiment", ["int8"], "prune-neurons:0.5"))
    stages = [step for step in steps if isinstance(step, Stage)]
    assert "Recipe 2 of 2, prune-neurons:0.5" in stages[-1].text
    assert [s.share for s in stages] == sorted(s.share or 0 for s in stages)
    first, last = outcomes(steps)
    assert (len(first.rows), first.complete, len(last.rows), last.complete) == (1, False, 2, True)
    assert last.rows[0]["loss_points"] == 0  # the fake's int8 sees every word
    assert last.rows[1]["value"] < last.rows[1]["original"]
    assert {row["decision"] for row in last.rows} == {"undecidable"}
    assert "36 predictions are too few to decide (at least 3,000)" in last.reason
    assert last.known["int8"]["n"] == 9_543
    assert last.rows[1]["steps"][0]["parameters_after"] < 22_000_000


def test_own_texts_and_files_are_measured() -> None:
    *_, typed = lab().compare("minilm-l6", ["int8"], "", "typed", "The card is lost.\nA dog.")
    assert (typed.texts, typed.labelled) == (2, False)
    assert typed.rows[0]["metric"] == "agreement"
    *_, filed = lab().compare("finance-sentiment", ["int8"], "", "csv", "", CSV)
    assert (filed.texts, filed.labelled, filed.source) == (2, True, "csv")
    assert filed.rows[0]["original"] == 1


def test_less_than_five_percent_is_called_that() -> None:
    *_, last = lab().compare("finance-sentiment", ["prune-weights:0.5"])
    assert "Less than 5 % faster than the original: prune-weights:0.5" in last.reason
    assert "gains less than 5 %" in last.rows[0]["gain"]


def test_a_gain_in_batches_is_a_gain() -> None:
    faster = verdict("prune-heads:0.25", 0.1, 0.9, "passed", texts_per_second=180.0)
    assert not gains_little(row_of(faster))
    assert gains_little(row_of(verdict("prune-weights:0.5", 0.1, 1.01, "passed")))


def test_stopping_closes_the_engines_sweep_and_keeps_the_rows() -> None:
    engine = FakeEngine()
    with closing(build(engine).compare("finance-sentiment", ["int8", "int4"])) as steps:
        kept = next(step for step in steps if not isinstance(step, Stage))
    assert len(kept.rows) == 1
    assert engine.closed == 1


def test_a_language_that_the_model_does_not_read_is_refused_unmeasured() -> None:
    engine = FakeEngine()
    [refused] = build(engine).compare("finance-sentiment", ["int8"], "", "typed", CHINESE)
    assert refused.decision is Decision.ABSTAINED
    assert "look like Chinese" in refused.reason
    assert not engine.calls["stream_compare"]


@pytest.mark.parametrize(("given", "words"), [
    ({"picked": []}, "Pick a recipe"), ({"picked": ["int8"], "source": "web"}, "`source` must be"),
    ({"picked": ["int8"], "source": "csv"}, "no file yet"),
])
def test_broken_input_is_refused_before_the_engine_is_asked(
        given: dict[str, Any], words: str) -> None:
    engine = FakeEngine()
    with pytest.raises(InputError, match=words):
        build(engine).compare("finance-sentiment", **given)
    assert not engine.calls


def test_rows_need_no_number_that_was_not_measured() -> None:
    failed = row_of(verdict("int4", float("nan"), 1.0, "undecidable", latency_ms=float("nan")))
    assert failed["loss_points"] is None
    assert original_of([failed]) is None
    rows = [row_of(v) for v in GATE]
    whole = original_of(rows)
    assert whole is not None
    assert (whole["latency_ms"], whole["value"]) == (8.0, 0.87)


def test_a_head_by_original_and_variant() -> None:
    *_, found = lab().side_by_side("finance-sentiment", "prune-neurons:0.9",
                                   "Growth beats forecasts")
    first, second = found.sides
    assert first["items"][0]["label"] == "positive"
    assert second["items"][0]["label"] != "positive"
    assert "different labels" in found.reason
    assert second["latency_ms"] < first["latency_ms"]
    assert "prune-neurons:0.9 is 1.82 times as fast here" in found.reason


@pytest.mark.parametrize("name", ["minilm-l6", "reranker"])
def test_neighbours_by_original_and_variant(name: str) -> None:
    text = "When does my new card arrive by post?"
    *_, same = lab().side_by_side(name, "int8", text)
    assert "new card arrives by post" in same.sides[0]["items"][0]["label"]
    assert same.sides[0]["items"] == same.sides[1]["items"]
    *_, other = lab().side_by_side(name, "prune-neurons:0.9", text)
    first, second = ([item["label"] for item in side["items"][:5]] for side in other.sides)
    assert other.sides[0]["items"] != other.sides[1]["items"]
    assert ("what moved is marked" in other.reason) is (first != second)


def test_a_language_model_answers_twice_and_stopping_ends_the_first() -> None:
    engine = FakeEngine(reply="one two three four five six seven")
    steps = outcomes(build(engine).side_by_side("qwen-0.5b", "prune-neurons:0.1+int8", "Count."))
    assert steps[2].sides[0]["text"] == "one two three "
    assert not steps[2].complete
    assert steps[-1].sides[0]["text"] == "one two three four five six seven"
    assert steps[-1].sides[1]["tokens_per_second"] > steps[-1].sides[0]["tokens_per_second"]
    with closing(build(engine).side_by_side("qwen-0.5b", "int8", "Count.")) as again:
        next(step for step in again if not isinstance(step, Stage))
    assert engine.closed == 1


def test_both_sides_need_a_text_and_a_recipe() -> None:
    with pytest.raises(InputError, match="The text is empty"):
        lab().side_by_side("minilm-l6", "int8", " ")
    with pytest.raises(InputError, match="Pick a recipe"):
        lab().side_by_side("minilm-l6", "original", "x")
    failing = lab(fail={"chat": RuntimeFailure("The worker died. Ask again.")})
    with pytest.raises(RuntimeFailure, match="worker died"):
        list(failing.side_by_side("qwen-0.5b", "int8", "Hello"))


def test_the_recorded_example_is_what_the_project_ships() -> None:
    row = recorded_example("engine_lab")
    if row is None:
        assert not read_verdicts(module.RECORDED_INPUT["name"], None)
        return
    fields = ("recipe", "date", "decision", "loss_points", "latency_ms", "texts_per_second")
    shipped = read_verdicts(module.RECORDED_INPUT["name"], None)
    assert [tuple(r[name] for name in fields) for r in row["payload"]["rows"]] == [
        tuple(getattr(v, name) for name in fields) for v in shipped]
    # What is written about them is written as the page writes it now.
    assert row["payload"]["reason"] == lab(gate=shipped).api().reason
