"""The benchmarks' own machinery: texts, turns, tables, what fails and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import application, live, readme, recipes, recovery
from benchmarks.recovery_task import made_texts
from benchmarks.report import Result, Table, machine, markdown, percentile, spread, versions
from benchmarks.texts import TextSource
from tests.fakes import FakeEngine

INTRODUCTION = " ".join(f"Word{n} and {n} more follow here." for n in range(40))


def source(seed: int = 1, count: int = 30) -> TextSource:
    return TextSource([f"Film{n} opens. {INTRODUCTION}" for n in range(count)], seed)


# Texts

def test_texts_are_spread_over_the_lengths_and_never_given_twice() -> None:
    texts = source()
    first, second = texts.take(116), texts.take(116)
    assert len({*first, *second}) == 232
    assert sorted(len(text.split()) for text in first) == list(range(5, 121))


def test_the_seed_decides_the_texts() -> None:
    assert source(3).take(20) == source(3).take(20) != source(4).take(20)


def test_texts_that_run_out_are_an_error_and_no_repeat() -> None:
    with pytest.raises(ValueError, match="no further text of 5 words"):
        TextSource(["one two three four five six."], 1).take(2, 5, 5)


# Reports

def test_spread_and_percentile() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    assert (spread([2.0]), spread([])) == ("2.00", "–")
    assert percentile(range(1, 101), 0.01) == 2
    assert percentile([5.0, 1.0], 0.95) == 5.0


def test_a_cell_stays_in_its_cell() -> None:
    shown = markdown(("why",), [("Check 'a | b' failed:\n\n  no such port",)])
    assert shown.splitlines()[2:] == ["| Check 'a \\| b' failed: no such port |"]


def result(**named: Any) -> Result:
    table = Table("Speed", ("contender", "ms"), (("Lepton", "1.00"),), "n = 3")
    return Result("encoders", (table,), {"Lepton": {"one_ms": [1.0]}}, versions(("numpy",)),
                  {"texts": 3}, machine(), 90.0, **named)


def test_a_result_reads_back_as_it_was_written(tmp_path: Path) -> None:
    wanted = result(date="2026-11-23")
    assert Result.read(wanted.write(tmp_path)) == wanted
    shown = wanted.to_markdown()
    assert "| contender | ms |\n| --- | --- |\n| Lepton | 1.00 |" in shown
    assert "2026-11-23; 1.5 minutes" in shown
    assert f"numpy {wanted.versions['numpy']}" in shown


def test_a_quick_result_says_so() -> None:
    assert "too few repeats to quote" in result(quick=True).to_markdown()


def test_the_readme_quotes_the_kept_result(tmp_path: Path) -> None:
    assert "Not measured yet" in readme.measured("encoders", tmp_path)
    result().write(tmp_path)
    assert "| Lepton | 1.00 |" in readme.measured("encoders", tmp_path)


def test_every_benchmark_is_a_table_of_the_readme_and_a_command() -> None:
    from benchmarks.__main__ import COMMANDS

    # the recovery study wants training data, and the adapters are judged by make evaluate
    assert {*COMMANDS, "recovery", "adapters"} == set(readme.BENCHMARKS)
    assert set(COMMANDS) <= set(readme.TABLES)
    for name in COMMANDS:
        assert (Path(readme.__file__).parent / f"{name}.py").is_file()


# The application and the recipes

def test_the_page_has_the_event_that_the_benchmark_asks_with() -> None:
    from app import create_app

    event = live._asking(create_app(FakeEngine()).get_config_file())
    assert len(event["inputs"]) >= 3


def test_stamps_of_an_answer_and_of_its_rows() -> None:
    own = {"stamp": {"variant": "a/int8@openvino:cpu + b/original@openvino:cpu"}}
    assert application.stamps_of(own) == [own["stamp"]]
    assert application.stamps_of({"rows": [own, {"stamp": None}]}) == [own["stamp"]]
    assert live.variants(own["stamp"]) == {"a/int8@openvino:cpu", "b/original@openvino:cpu"}


def verdict(recipe: str, decision: str, loss: float, latency: float) -> dict[str, Any]:
    return {"name": "task", "recipe": recipe, "variant": f"task/{recipe}@openvino:cpu",
            "metric": "accuracy", "original": 0.9, "value": 0.9 - loss / 100,
            "loss_points": loss, "low": loss - 0.1, "high": loss + 0.1, "n": 4000,
            "decision": decision, "reason": "measured", "latency_ms": latency,
            "original_latency_ms": 4.0, "texts_per_second": 1000 / latency,
            "original_texts_per_second": 250.0, "size_bytes": 10**7,
            "original_size_bytes": 9 * 10**7, "memory_bytes": 0, "host": "a test",
            "versions": {}, "date": "2026-11-23", "detail": {}}


def test_the_recipes_table_holds_the_losers_and_what_gains_nothing(tmp_path: Path) -> None:
    rows = [verdict("int8", "passed", 0.2, 2.0),
            verdict("prune-neurons:0.5+int8", "refused", 4.0, 1.0),
            verdict("prune-weights:0.3+int8", "refused", 2.0, 2.0)]
    (tmp_path / "task.json").write_text(json.dumps(rows), encoding="utf-8")
    (table,) = recipes.tables(tmp_path)
    assert table.title.startswith("task: 3 recipes, 1 passed")
    by_name = {row[0]: row for row in table.rows}
    assert next(iter(by_name)) == "`original`"
    assert by_name["`int8` (balanced)"][3] == "+0.20 (+0.10 to +0.30)"
    assert by_name["`prune-neurons:0.5+int8` (fast)"][1] == "refused"
    assert "prune-weights" in by_name["`prune-weights:0.3+int8`"][-1]
    assert "timed anew beside each recipe" in table.note


def test_recipes_are_in_the_order_of_their_gain_and_not_of_their_milliseconds(
        tmp_path: Path) -> None:
    slow_host = {**verdict("int8", "passed", 0.1, 8.0), "original_latency_ms": 24.0}
    rows = [verdict("int8-dynamic", "passed", 0.1, 3.0), slow_host]
    (tmp_path / "task.json").write_text(json.dumps(rows), encoding="utf-8")
    (table,) = recipes.tables(tmp_path)
    assert [row[0].split()[0] for row in table.rows[1:]] == ["`int8-dynamic`", "`int8`"]
    slow_host["texts_per_second"] = 500.0
    (tmp_path / "task.json").write_text(json.dumps(rows), encoding="utf-8")
    (table,) = recipes.tables(tmp_path)
    assert [row[0].split()[0] for row in table.rows[1:]] == ["`int8`", "`int8-dynamic`"]


def test_retrieval_shows_the_rank_rule_and_one_recipe_is_one(tmp_path: Path) -> None:
    found = {**verdict("int8", "passed", 0.1, 2.0), "detail": {recipes.OVERLAP: 0.956}}
    (tmp_path / "task.json").write_text(json.dumps([found]), encoding="utf-8")
    (table,) = recipes.tables(tmp_path)
    assert table.title.startswith("task: 1 recipe, 1 passed")
    assert table.rows[1][table.head.index("the original's first ten found")] == "95.6%"
    assert {len(row) for row in table.rows} == {len(table.head)}


def test_what_was_measured_before_the_adapters_serves_no_profile(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(json.dumps([verdict("int8", "passed", 0.1, 2.0)]), "utf-8")
    (table,) = recipes.earlier(tmp_path)
    assert table.title.startswith("Before the adapters")
    assert [row[0] for row in table.rows] == ["`original`", "`int8`"]


# Recovery

def test_made_texts_are_made_of_the_words_of_the_given_ones() -> None:
    given = [f"alpha{n} beta{n} gamma{n} delta{n} epsilon{n}" for n in range(6)]
    made = made_texts(given, 40, 1)
    assert len(made) == 40
    assert all(made)
    assert {word for text in made for word in text.split()} <= set(" ".join(given).split())
    joined = [text for text in made if len({word[-1] for word in text.split()}) > 1]
    assert joined, "halves of two texts"
    assert made == made_texts(given, 40, 1) != made_texts(given, 40, 2)


def test_the_recovery_table_sets_each_round_beside_the_same_of_int8() -> None:
    row = {"original": 0.85, "value": 0.84, "loss_points": 1.0, "low": 0.5, "high": 1.5,
           "n": 3000, "decision": "refused", "curve": [{"share": 1.0, "weighted_f1": 0.84}]}
    study: Any = SimpleNamespace(rows=lambda: {"int8": row, "prune-layers:0.5+int8": row})
    speeds = {"int8": [100.0, 200.0, 100.0], "prune-layers:0.5+int8": [200.0, 300.0, 300.0]}
    (table,) = recovery.result(study, speeds, 60.0).tables
    shown = dict(zip(table.head, table.rows[1], strict=True))
    assert shown["times int8 alone"] == "2.00 (1.50 to 3.00)"
    assert shown["lost, points (95 %)"] == "1.00 (0.50 to 1.50)"
    untimed = recovery.result(study, {}, 60.0).tables[0]
    assert untimed.rows[1][table.head.index("texts/s")] == "–"


def test_without_verdicts_the_table_says_so(tmp_path: Path) -> None:
    assert recipes.tables(tmp_path)[0].title == "No verdict is shipped yet"
