"""The benchmarks' contenders: processes in turn, what fails, and which files they are given."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import decoder_tables, encoders
from benchmarks.decoder_rounds import Measured
from benchmarks.decoder_rounds import Plan as DecoderPlan
from benchmarks.decoder_rounds import Rounds as DecoderRounds
from benchmarks.encoder_rounds import Entry, Plan, Rounds
from benchmarks.peers.process import REASON_CHARACTERS, Contender, Field
from benchmarks.peers.timed import converted_by
from benchmarks.serving import _together
from benchmarks.store import WatchedStore
from lepton_engine.settings import Settings
from tests.contenders import Counter
from tests.test_benchmarks import source

LETTERS = "tests.contenders:Letters"


def quiet(line: str) -> None:
    """Nobody is told."""


# Contenders in turn

def test_rounds_give_all_the_same_texts_and_go_on_without_one_that_fails() -> None:
    entries = [Entry(Contender("base", LETTERS)),
               Entry(Contender("far", LETTERS, {"turned": 50.0}), slow=True),
               Entry(Contender("stuck", LETTERS, {"turned": -1.0})),
               Entry(Contender("alone", LETTERS), many=False),
               Entry(Contender("fragile", LETTERS, {"broken": "Word"}))]
    plan = Plan(texts=40, rounds=2, slow_rounds=1, sentences=3, sentence_rounds=2)
    with Field(quiet, 0.0) as field:
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

    stops = (1,)

    def streams(self, count: int, own_tokens: int) -> list[list[int]]:
        return [[7] * own_tokens] * count

    def free(self, count: int) -> list[list[int]]:
        return [[7] * 10] * count

    grounded = free


def test_language_models_answer_in_turn_and_together() -> None:
    plan = DecoderPlan(free=2, free_tokens=9, grounded=1, grounded_tokens=9, streams=3,
                       stream_tokens=4, own_tokens=10, gap_s=0.05)
    rounds = DecoderRounds(plan, Ids(), quiet)  # type: ignore[arg-type]
    with Field(quiet, 0.0) as field:
        field.add(Contender("Lepton int8", "tests.contenders:Counter"))
        field.add(Contender(decoder_tables.LLAMA, "tests.contenders:Counter"))
        field.add(Contender("missing", "tests.contenders:NoSuch"))
        rounds.one_stream(field)
    with Field(quiet, 0.0) as field:
        field.add(Contender("Lepton int8", "tests.contenders:Counter"))
        rounds.many_streams(field)
        rounds.agreement(field)
    mine = rounds.measured["Lepton int8"]
    assert len(mine.whole["free"]) == 2
    assert mine.writing["grounded"] == [None], "a tenth of a prompt of ten ids ends at once"
    assert set(mine.sums) == {"at once", "one each second"}
    assert len(mine.first_s["one each second"]) == 3
    made, data = decoder_tables.tables(rounds, ["int8"])
    assert [row[0] for row in made[0].rows] == ["Lepton int8", decoder_tables.LLAMA]
    assert made[2].rows[0][0] == f"Lepton int8 / {decoder_tables.LLAMA}"
    assert made[3].rows == (
        ("Lepton int8, 1 grounded questions, one by one", "1", "100%", "1", "0"),
        ("Lepton int8, 3 streams at once", "3", "67%", "2", "0.125"))
    assert [row[0] for row in made[4].rows] == ["missing, one stream"]
    assert json.dumps(data)


def test_streams_are_asked_one_gap_after_the_other() -> None:
    asked = [reply["asked"] for reply in Counter().many([[7]] * 3, 3, [], gap_s=0.05)]
    assert asked == sorted(asked)
    assert all(second >= number * 0.05 for number, second in enumerate(asked))


def test_a_contender_that_fails_is_a_reason_of_one_line() -> None:
    with Field(quiet, 0.0) as field:
        field.add(Contender("stuck", LETTERS, {"broken": "x"}))
        process = field.processes["stuck"]
        assert field.call(process, "one_by_one", texts=["a"]) is not None
        assert field.call(process, "one_by_one", texts=["x"]) is None
        field.drop("long", "Check failed:\n\n" + "no such port " * 100)
    assert field.failed["stuck"] == "RuntimeError: broke on the way"
    assert "stuck" not in field.processes
    assert "\n" not in field.failed["long"]
    assert len(field.failed["long"]) <= REASON_CHARACTERS


def test_a_chat_that_fails_fails_the_benchmark() -> None:
    class Broken:
        def chat(self, messages: list[dict[str, str]], max_new_tokens: int) -> None:
            raise RuntimeError("no answer")

    with pytest.raises(RuntimeError, match="no answer"):
        _together(Broken(), 2, 8)


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


# The files that raw runtimes are given

def conversion(recipe: str, **more: str) -> dict[str, str]:
    return {"model": "tiny", "recipe": recipe, "runtime": "openvino", **more}


def test_raw_runtimes_get_the_conversion_that_lepton_loaded(tmp_path: Path) -> None:
    """Not the newest of that recipe: one of other texts, or with attention among its outputs."""
    store = WatchedStore(Settings(home=tmp_path))
    keys = [conversion("int8", texts="bundled"), conversion("int8", texts="own"),
            conversion("original"), conversion("original", part="attention 2")]

    def build(folder: Path) -> None:
        (folder / "model.xml").write_text("<net/>", encoding="utf-8")

    made = [store.converted(key, build) for key in keys]
    assert len(set(made)) == len(list((tmp_path / "converted").glob("*.json"))) == 4
    assert store.given == made[2], "the attention's is no model to be timed"
    assert store.converted(keys[0], build) == store.given == made[0]
    assert converted_by(store, "tiny/int8@openvino:cpu") == str(made[0])
    assert converted_by(store, "tiny/int8@torch:cpu") == "", "torch serves; nothing to compare"


def test_raw_openvino_takes_the_folders_that_the_processes_name() -> None:
    def loaded(folder: str) -> Any:
        return SimpleNamespace(facts={"folder": folder})

    rows = encoders.raw_openvino(Path("published"), {
        "Lepton original": loaded("converted/a"), "Lepton int8": loaded("")})
    assert [row.contender.options["ir"] for row in rows] == [str(Path("converted/a/model.xml"))]
