from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lepton_engine.catalog.progress import StoppedError
from lepton_engine.compression.calibration import bundled_texts
from lepton_engine.compression.compare import (
    CompareProgress,
    CompareRow,
    compare,
    stream_compare,
)
from lepton_engine.compression.tasks import FoldsTask
from lepton_engine.errors import InputError, LimitError, RuntimeFailure, UnknownNameError
from tests.engine.tiny_variants import QUICK, FakeRunner, Variant, texts

GIVEN, TRUTH = texts(3_000)


def rows_of(runner: Any, recipes: list[str], name: str = "tiny-head", n: int = 3_000,
            **more: Any) -> list[CompareRow]:
    items = stream_compare(runner, name, recipes, GIVEN[:n], TRUTH[:n], options=QUICK, **more)
    return [item for item in items if isinstance(item, CompareRow)]


def test_identical_passes_and_permuted_is_refused(tmp_path: Path) -> None:
    same, turned = rows_of(FakeRunner(tmp_path), ["int8", "prune-neurons:0.5"])
    assert (same.decision, same.loss_points, same.low, same.high) == ("passed", 0, 0, 0)
    assert same.value == same.original == 1.0
    assert same.detail["cosine_p1"] == pytest.approx(1.0)
    assert turned.decision == "refused"
    assert turned.loss_points == pytest.approx(100.0)
    assert turned.n == 3_000
    assert turned.variant == "tiny/prune-neurons:0.5@fake:cpu"
    assert turned.steps[0].skipped == ("layer 1: too small",)
    assert turned.latency_ms > 0
    assert turned.texts_per_second > 0


def test_one_prediction_less_decides_nothing(tmp_path: Path) -> None:
    found = rows_of(FakeRunner(tmp_path), ["int8", "prune-neurons:0.5"], n=2_999)
    assert [row.decision for row in found] == ["undecidable", "undecidable"]


def test_cross_validated_heads_on_the_original_s_vectors(tmp_path: Path) -> None:
    task = FoldsTask("tiny-head", "tiny", GIVEN, TRUTH, "accuracy", "made up")
    same, turned = rows_of(FakeRunner(tmp_path), ["int8", "prune-neurons:0.5"], task=task)
    assert (same.decision, same.value, same.n) == ("passed", 1.0, 3_000)
    assert turned.decision == "refused"
    assert turned.value < 0.1
    assert same.detail["folds"] == 5


def test_what_recipes_learn_from_is_not_judged(tmp_path: Path) -> None:
    task = FoldsTask("tiny-head", "tiny", GIVEN, TRUTH, "accuracy", "made up", learn=True)
    runner = FakeRunner(tmp_path)
    row = rows_of(runner, ["int8"], task=task)[0]
    assert task.learning is not None
    assert row.n == task.n == 3_000 - len(task.learning)
    assert 1_200 < row.n < 1_800
    assert runner.learned == [None, task.learning]  # the original learns nothing
    assert row.detail["learned_on_task"] is True


def test_an_interrupted_sweep_goes_on_without_measuring_again(tmp_path: Path) -> None:
    first = FakeRunner(tmp_path)
    sweep = stream_compare(first, "tiny-head", ["int8", "prune-neurons:0.5"], GIVEN, TRUTH,
                           options=QUICK)
    kept = next(item for item in sweep if isinstance(item, CompareRow))
    sweep.close()  # type: ignore[attr-defined]
    assert sorted(first.closed) == ["int8", "original"]

    second = FakeRunner(tmp_path)
    found = rows_of(second, ["int8", "prune-neurons:0.5"])
    assert found[0] == kept
    assert second.opened == ["original", "prune-neurons:0.5"]

    third = FakeRunner(tmp_path)
    assert rows_of(third, ["int8", "prune-neurons:0.5"]) == found
    assert third.opened == []  # not even the original


def test_closing_in_the_middle_of_a_recipe_frees_both_models(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path)
    sweep = stream_compare(runner, "tiny-head", ["int8"], GIVEN, TRUTH, options=QUICK)
    for item in sweep:
        if isinstance(item, CompareProgress) and item.what == "timing one text at a time":
            break
    sweep.close()  # type: ignore[attr-defined]
    assert sorted(runner.closed) == ["int8", "original"]
    assert not (tmp_path / "comparisons").exists()


def test_other_texts_labels_or_a_wish_measure_anew(tmp_path: Path) -> None:
    rows_of(FakeRunner(tmp_path), ["int8"], n=100)
    for change in ({"n": 101}, {"n": 100, "resume": False}):
        runner = FakeRunner(tmp_path)
        rows_of(runner, ["int8"], **change)  # type: ignore[arg-type]
        assert "int8" in runner.opened
    runner = FakeRunner(tmp_path)
    swapped = [TRUTH[1], TRUTH[0], *TRUTH[2:100]]
    given = ["the first", "the second", *GIVEN[2:100]]
    list(stream_compare(runner, "tiny-head", ["int8"], given, swapped, options=QUICK))
    assert "int8" in runner.opened


def test_a_line_that_was_cut_off_costs_one_row(tmp_path: Path) -> None:
    found = rows_of(FakeRunner(tmp_path), ["int8", "int8-weights"], n=50)
    path = next((tmp_path / "comparisons").iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    runner = FakeRunner(tmp_path)
    again = rows_of(runner, ["int8", "int8-weights"], n=50)
    assert runner.opened == ["original", "int8-weights"]
    assert again[0] == found[0]
    last = FakeRunner(tmp_path)
    rows_of(last, ["int8", "int8-weights"], n=50)
    assert last.opened == []


@pytest.mark.parametrize(("error", "sentence"), [
    (InputError("This step does not fit."), "This step does not fit."),
    (RuntimeFailure("It ran out of memory."), "It ran out of memory."),
    (KeyError("inner"), "could not be measured (KeyError)"),
])
def test_a_failing_recipe_is_a_row_and_the_sweep_goes_on(tmp_path: Path, error: Exception,
                                                         sentence: str) -> None:
    runner = FakeRunner(tmp_path, broken={"int8": error})
    failed, after = rows_of(runner, ["int8", "int8-weights"], n=50)
    assert failed.decision == "failed"
    assert sentence in failed.reason
    assert "inner" not in failed.reason
    assert math.isnan(failed.value)
    assert after.decision == "undecidable"
    mended = FakeRunner(tmp_path)
    assert rows_of(mended, ["int8"], n=50)[0].decision == "undecidable"  # tried again


def test_without_the_original_there_is_no_sweep(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path, broken={"original": RuntimeFailure("It cannot be had.")})
    with pytest.raises(RuntimeFailure, match="cannot be had"):
        rows_of(runner, ["int8"], n=50)


def test_a_conversion_is_watched_and_can_be_given_up(tmp_path: Path) -> None:
    ended = threading.Event()

    class Slow(FakeRunner):
        @contextmanager
        def open(self, name: str, recipe: str, tell: Any, texts: Any = None) -> Iterator[Variant]:
            if recipe != "original":
                try:
                    while True:
                        tell("pruning", 0.25)
                        time.sleep(0.01)
                except StoppedError:
                    ended.set()
                    raise
            yield Variant(recipe, (0, 1, 2), self)

    sweep = stream_compare(Slow(tmp_path), "tiny-head", ["int8"], GIVEN[:50], TRUTH[:50],
                           options=QUICK)
    seen = next(item for item in sweep if isinstance(item, CompareProgress)
                and item.what == "pruning")
    assert (seen.recipe, seen.index, seen.total, seen.share) == ("int8", 1, 1, 0.25)
    sweep.close()  # type: ignore[attr-defined]
    assert ended.wait(5)


def test_texts_alone_give_agreement_and_no_decision(tmp_path: Path) -> None:
    for name, metric in (("tiny-head", "agreement"), ("tiny", "top-10 overlap"),
                         ("tiny-pairs", "order agreement")):
        items = stream_compare(FakeRunner(tmp_path), name, ["int8", "prune-neurons:0.5"],
                               GIVEN[:40], options=QUICK)
        same, turned = (item for item in items if isinstance(item, CompareRow))
        assert (same.metric, same.value, same.decision) == (metric, 1.0, "undecidable")
        assert turned.value < 0.5
        assert turned.decision == "undecidable"


def test_bundled_texts_serve_where_none_are_given(tmp_path: Path) -> None:
    found = compare(FakeRunner(tmp_path), "tiny-head", ["int8"], options=QUICK)
    assert found.rows[0].n == len(bundled_texts())
    assert "bundled" in found.rows[0].detail["about"]


@pytest.mark.parametrize(("name", "recipes", "given", "labels", "error", "sentence"), [
    ("nobody", ["int8"], None, None, UnknownNameError, "nobody"),
    ("tiny-data", ["int8"], None, None, InputError, "cannot be measured"),
    ("tiny-head", ["magic"], None, None, UnknownNameError, "magic"),
    ("tiny-head", [], None, None, InputError, "no recipe"),
    ("tiny-head", ["original"], None, None, InputError, "no recipe"),
    ("tiny-head", "int8", None, None, InputError, "list"),
    ("tiny-head", [f"low-rank:0.{i}" for i in range(10, 90)], None, None, LimitError, "64"),
    ("tiny-head", ["int8"], "a text", None, InputError, "list"),
    ("tiny-head", ["int8"], [], None, InputError, "empty"),
    ("tiny-head", ["int8"], ["a", " "], None, InputError, "Text 2"),
    ("tiny-head", ["int8"], ["a"] * 20_001, None, LimitError, "20,000"),
    ("tiny-head", ["int8"], ["a"], ["b", "c"], InputError, "2 labels"),
    ("tiny-head", ["int8"], ["a"], ["sad"], InputError, "none of tiny-head"),
    ("tiny-head", ["int8"], None, ["sad"], InputError, "without texts"),
    ("tiny", ["int8"], ["a", "b"], ["x", "y"], InputError, "at least two"),
    ("tiny", ["int8"], ["a", "b"], None, InputError, "at least 12"),
    ("tiny-pairs", ["int8"], ["a", "b"], ["x", "y"], InputError, "judges pairs"),
])
def test_broken_input_raises_before_anything_is_opened(
        tmp_path: Path, name: str, recipes: Any, given: Any, labels: Any,
        error: type[Exception], sentence: str) -> None:
    runner = FakeRunner(tmp_path)
    with pytest.raises(error, match=sentence):
        stream_compare(runner, name, recipes, given, labels)
    assert not runner.opened
