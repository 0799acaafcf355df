"""The benchmarks' own machinery: texts, turns, tables, what fails and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import application, decoder_tables, live, readme, recipes
from benchmarks.decoder_rounds import Measured
from benchmarks.decoder_rounds import Plan as DecoderPlan
from benchmarks.decoder_rounds import Rounds as DecoderRounds
from benchmarks.encoder_rounds import Entry, Plan, Rounds
from benchmarks.peers.process import Contender, Field
from benchmarks.report import Result, Table, figure, machine, percentile, spread, versions
from benchmarks.texts import TextSource
from tests.fakes import FakeEngine

INTRODUCTION = " ".join(f"Word{n} and {n} more follow here." for n in range(40))
LETTERS = "tests.contenders:Letters"


def source(seed: int = 1, count: int = 30) -> TextSource:
    return TextSource([f"Film{n} opens. {INTRODUCTION}" for n in range(count)], seed)


def quiet(line: str) -> None:
    """Nobody is told."""


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

@pytest.mark.parametrize(("value", "shown"), [
    (0.01234, "0.0123"), (3.0, "3.00"), (123.4, "123"), (98765.0, "98,765"), (None, "-")])
def test_three_digits(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_spread_and_percentile() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    assert (spread([2.0]), spread([])) == ("2.00", "-")
    assert percentile(range(1, 101), 0.01) == 2
    assert percentile([5.0, 1.0], 0.95) == 5.0


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

    # the recovery study wants training data, which is no part of the project
    assert {*COMMANDS, "recovery"} == {*readme.BENCHMARKS, "recipes"}
    assert set(COMMANDS) <= set(readme.TABLES)
    for name in COMMANDS:
        assert (Path(readme.__file__).parent / f"{name}.py").is_file()


# Contenders in turn

def test_rounds_give_all_the_same_texts_and_go_on_without_one_that_fails() -> None:
    entries = [Entry(Contender("base", LETTERS)),
               Entry(Contender("far", LETTERS, {"turned": 50.0}), slow=True),
               Entry(Contender("stuck", LETTERS, {"turned": -1.0})),
               Entry(Contender("alone", LETTERS), many=False),
               Entry(Contender("fragile", LETTERS, {"broken": "Word"}))]
    plan = Plan(texts=40, rounds=2, slow_rounds=1, sentences=3, sentence_rounds=2)
    with Field(quiet) as field:
        for entry in entries:
            field.add(entry.contender)
        rounds = Rounds(field, entries, source(), plan)
        rounds.warm()
        rounds.one_sentence(quiet)
        rounds.many_texts("base", quiet)
        assert list(field.versions()) == ["numpy"]
    assert field.failed == {"stuck": "ValueError: this one cannot load",
                            "fragile": "RuntimeError: broke on the way"}
    times = dict(rounds.finished())
    assert set(times) == {"base", "far", "alone"}
    assert times["alone"].one_ms
    assert not times["alone"].many_s
    assert len(times["base"].one_ms) == len(times["base"].many_s) == 2
    assert len(times["far"].many_s) == 1
    assert times["base"].cosine() == pytest.approx(1.0)
    assert times["far"].cosine() < 0.9
    assert times["base"].times_faster() == 1.0
    assert times["far"].variant == "turned by 50"


class Ids:
    """Prompts of ten ids; the same interface as the real ones."""

    stops = [1]  # noqa: RUF012

    def streams(self, count: int, own_tokens: int) -> list[list[int]]:
        return [[7] * own_tokens] * count

    def free(self, count: int) -> list[list[int]]:
        return [[7] * 10] * count

    grounded = free


def test_language_models_answer_in_turn_and_together() -> None:
    plan = DecoderPlan(free=2, free_tokens=9, grounded=1, grounded_tokens=9, streams=3,
                       stream_tokens=4, own_tokens=10)
    rounds = DecoderRounds(plan, Ids(), quiet)  # type: ignore[arg-type]
    with Field(quiet) as field:
        field.add(Contender("Lepton int8", "tests.contenders:Counter"))
        field.add(Contender(decoder_tables.LLAMA, "tests.contenders:Counter"))
        field.add(Contender("missing", "tests.contenders:NoSuch"))
        rounds.one_stream(field)
    with Field(quiet) as field:
        field.add(Contender("Lepton int8", "tests.contenders:Counter"))
        rounds.many_streams(field)
    mine = rounds.measured["Lepton int8"]
    assert len(mine.whole["free"]) == 2
    assert mine.writing["grounded"] == [None], "a tenth of a prompt of ten ids ends at once"
    assert set(mine.sums) == {"at once", "one each second"}
    assert len(mine.first_s["one each second"]) == 3
    made, data = decoder_tables.tables(rounds, ["int8"])
    assert [row[0] for row in made[0].rows] == ["Lepton int8", decoder_tables.LLAMA]
    assert made[2].rows[0][0] == f"Lepton int8 / {decoder_tables.LLAMA}"
    assert [row[0] for row in made[3].rows] == ["missing, one stream"]
    assert json.dumps(data)


def test_speeds_leave_the_reading_of_the_prompt_out_of_the_writing() -> None:
    measured = Measured()
    measured.add("free", {"asked": 1.0, "first": 3.0, "end": 5.0, "tokens": 11, "at_first": 1})
    assert measured.writing["free"] == [5.0]
    assert measured.whole["free"] == [2.75]
    assert measured.first_s["free"] == [2.0]
    measured.add_streams("at once", [
        {"asked": 0.0, "first": 1.0, "end": 4.0, "tokens": 6, "at_first": 1},
        {"asked": 1.0, "first": 3.0, "end": 5.0, "tokens": 4, "at_first": 1}])
    assert measured.sums["at once"] == 2.0


def test_ratios_are_taken_prompt_by_prompt() -> None:
    assert decoder_tables.paired([4.0, None, 9.0], [2.0, 1.0, 3.0]) == 2.5
    assert decoder_tables.paired([None], [1.0]) is None


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


def test_without_verdicts_the_table_says_so(tmp_path: Path) -> None:
    assert recipes.tables(tmp_path)[0].title == "No verdict is shipped yet"
