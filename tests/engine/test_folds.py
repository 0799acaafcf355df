"""The gate of an adapter that was trained: every seed answers for the rows it has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lepton_engine.compression.compare import compare
from lepton_engine.compression.folds import HELD_OUT, SeedsTask, folds_of
from lepton_engine.compression.verdicts import PASSED, REFUSED, UNDECIDABLE
from lepton_engine.errors import InputError
from lepton_engine.training.heads import save_head
from tests.engine.tiny_variants import LABELS, QUICK, FakeRunner, texts

NAME = "tiny-head"


def home_with(place: Path, seeds: int, count: int, swapped: int | None = None) -> Path:
    """Folds whose rows differ; the labels of the fold ``swapped`` are wrong."""
    runner = FakeRunner(place)
    for seed in range(seeds):
        folder = place / "folds" / str(seed) / NAME
        given, labels = texts(count, seed)
        given = [f"seed {seed} {text}" for text in given]
        if seed == swapped:
            labels = [LABELS[(LABELS.index(label) + 1) % 3] for label in labels]
        save_head(runner.head(NAME), folder, {})
        (folder / HELD_OUT).write_text(json.dumps({"texts": given, "labels": labels}), "utf-8")
    return place


def task(home: Path, runner: FakeRunner, limit: int | None = None) -> SeedsTask:
    head = runner.head(NAME)
    return SeedsTask(NAME, head, folds_of(home, NAME, head.labels, limit), "accuracy", "made up",
                     runner.open_fold)


def test_all_seeds_rows_are_judged_together(tmp_path: Path) -> None:
    runner = FakeRunner(home_with(tmp_path, 3, 1_100))
    found = compare(runner, NAME, ["int8", "prune-neurons:0.5"], task=task(tmp_path, runner),
                    options=QUICK)
    good, bad = found.rows
    assert good.verdict is not None
    assert bad.verdict is not None
    assert (good.verdict.decision, bad.verdict.decision) == (PASSED, REFUSED)
    assert good.verdict.n == bad.verdict.n == 3_300
    assert good.verdict.value == 1.0
    assert bad.verdict.value == 0.0
    assert [row["n"] for row in good.verdict.detail["by_seed"]] == [1_100] * 3
    # Each seed's original is computed once, each variant by every seed.
    opened = [name for name in runner.opened if ":" in name and not name.startswith("prune")]
    assert sorted(n for n in opened if n.endswith("original")) == [f"{s}:original" for s in
                                                                  range(3)]
    assert sum(name.endswith(":int8") for name in opened) == 3


def test_a_seed_that_is_wrong_pulls_the_whole_down(tmp_path: Path) -> None:
    runner = FakeRunner(home_with(tmp_path, 3, 1_100, swapped=1))
    [row] = compare(runner, NAME, ["int8"], task=task(tmp_path, runner), options=QUICK).rows
    assert row.verdict is not None
    assert row.verdict.value == pytest.approx(2 / 3, abs=0.01)


def test_too_few_rows_decide_nothing(tmp_path: Path) -> None:
    runner = FakeRunner(home_with(tmp_path, 2, 300))
    [row] = compare(runner, NAME, ["int8"], task=task(tmp_path, runner, 100), options=QUICK).rows
    assert row.verdict is not None
    assert (row.verdict.decision, row.verdict.n) == (UNDECIDABLE, 200)


def test_without_folds_the_command_that_makes_them_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"train {NAME} --data DIR --seeds 0 1 2"):
        folds_of(tmp_path, NAME, LABELS)


def test_another_training_is_another_task(tmp_path: Path) -> None:
    runner = FakeRunner(home_with(tmp_path, 2, 50))
    before = task(tmp_path, runner).digest
    assert task(tmp_path, runner).digest == before
    folder = tmp_path / "folds" / "1" / NAME
    card = json.loads((folder / "card.json").read_text("utf-8"))
    (folder / "card.json").write_text(json.dumps({**card, "sha256": "0" * 64}), "utf-8")
    assert task(tmp_path, runner).digest != before
