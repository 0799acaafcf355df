from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from lepton_engine import __main__ as program
from lepton_engine.compression import console, datasets, measure
from lepton_engine.compression.agreement import neighbours, same_order
from lepton_engine.compression.tasks import RetrievalTask, overlap, ranked
from lepton_engine.compression.verdicts import FOLDER, read_verdicts
from lepton_engine.errors import InputError, UnknownNameError
from lepton_engine.vector_cache import caches_on
from tests.engine.tiny_variants import FakeRunner, texts


def drained(work: object) -> object:
    """What a generator returns."""
    try:
        while True:
            next(work)  # type: ignore[call-overload]
    except StopIteration as end:
        return end.value


def test_both_models_are_timed_in_turns_on_the_same_texts_without_caches(
        monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []

    def run(model: float, given: list[str]) -> None:
        assert not caches_on()
        calls.append((model, tuple(given)))
        clock[0] += model * len(given)

    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock[0])
    given = [f"text {i % 300}" for i in range(600)]
    found = drained(measure.timed(0.004, 0.001, run, given, singles=40, many=300))
    assert isinstance(found, measure.Timing)
    assert found.original_latency_ms == pytest.approx(4.0)
    assert found.latency_ms == pytest.approx(1.0)
    assert found.original_texts_per_second == pytest.approx(250)
    assert found.texts_per_second == pytest.approx(1_000)
    assert (found.singles, found.many) == (40, 300)
    timed = [call for call in calls if len(call[1]) == 1][-80:]
    assert {t for m, t in timed if m == 0.004} == {t for m, t in timed if m == 0.001}
    order = [model for model, _ in timed]
    turns = [order[i] for i in range(0, 80, 10)]
    assert turns == [0.004, 0.001, 0.001, 0.004, 0.004, 0.001, 0.001, 0.004]
    assert caches_on()


def test_memory_is_that_of_a_child_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "sys", type("Fake", (), {"executable": str(tmp_path / "child")}))
    (tmp_path / "child").write_text(
        f"#!{sys.executable}\nimport os, sys\nprint('a remark')\n"
        "print('{\"growth\": %d}' % (len(os.environ['LEPTON_HOME']) + len(sys.argv[4])))\n")
    (tmp_path / "child").chmod(0o755)
    assert drained(measure.memory_growth("tiny", "int8", Path("/abc"))) == 4 + 4
    (tmp_path / "child").write_text(f"#!{sys.executable}\nraise SystemExit(3)\n")
    assert drained(measure.memory_growth("tiny", "int8", Path("/abc"))) == 0


def test_the_machine_is_named() -> None:
    assert re.fullmatch(r".+, \d+ cores, \d+ GB", measure.host())
    assert {"lepton", "numpy", "openvino"} <= measure.versions().keys()


def test_ranks_count_what_stands_before_the_right_passage() -> None:
    index = np.eye(12, dtype=np.float32)
    asked = index[[0, 3, 2]] + 0.5 * index[[0, 1, 4]]
    ranks, top = ranked(asked.astype(np.float32), index)
    assert ranks.tolist() == [0, 1, 0]  # question 1 asks for passage 3 rather than for its own
    assert top.shape == (3, 10)
    assert top[1, :2].tolist() == [3, 1]


def test_overlap_ignores_the_order() -> None:
    first = np.array([[1, 2, 3, 4], [1, 2, 3, 4]])
    assert overlap(first, np.array([[4, 3, 2, 1], [1, 9, 8, 7]])).tolist() == [1.0, 0.25]


def test_a_text_is_not_its_own_neighbour() -> None:
    vectors = np.eye(5, dtype=np.float32)
    found = neighbours(vectors, vectors)
    assert found.shape == (5, 4)
    assert all(i not in row for i, row in enumerate(found))


@pytest.mark.parametrize(("second", "share"), [
    ([1, 2, 3], 1.0), ([3, 2, 1], 0.0), ([1, 3, 2], 2 / 3), ([1, 1, 1], 0.5),
])
def test_order_agreement(second: list[int], share: float) -> None:
    assert same_order(np.array([1, 2, 3]), np.array(second)) == pytest.approx(share)
    assert same_order(np.array([2, 2]), np.array([2, 2])) == 1.0


def test_retrieval_asks_the_original_s_index(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path)
    questions, _ = texts(60)
    passages = [f"answer {q}" for q in questions]
    task = RetrievalTask("tiny", questions, passages, "made up")
    tell = lambda *_: None  # noqa: E731
    with runner.open("tiny", "original", tell) as first, \
            runner.open("tiny", "prune-neurons:0.5", tell) as second:
        same, turned = (drained(task.judge(first, model)) for model in (first, second))
    assert (same.loss_points, same.decision) == (0.0, "undecidable")  # type: ignore[attr-defined]
    assert same.detail["top-10 overlap"] == 1.0  # type: ignore[attr-defined]
    assert turned.value < turned.original  # type: ignore[attr-defined]
    indexed = {recipe for recipe, text in runner.embedded if text.startswith("answer")}
    assert indexed == {"original"}


def medquad(folder: Path, rows: list[tuple[str, str]]) -> Path:
    (folder / "medquad").mkdir()
    with gzip.open(folder / "medquad" / "medquad.jsonl.gz", "wt", encoding="utf-8") as file:
        for question, answer in rows:
            file.write(json.dumps({"question": question, "answer": answer}) + "\n")
    return folder


def test_medquad_has_no_question_and_no_beginning_twice(tmp_path: Path) -> None:
    rows = [("What is it?", "An  illness\nof the skin."), ("what is IT?", "Another."),
            ("Who gets it?", "An illness of the skin."), ("How long?", "word " * 200)]
    questions, passages = datasets.medquad(medquad(tmp_path, rows), 10)
    assert sorted(questions) == ["How long?", "What is it?"]
    assert all(len(passage) <= datasets.PASSAGE_CHARACTERS for passage in passages)
    assert "An illness of the skin." in passages
    with pytest.raises(InputError, match="medquad"):
        datasets.medquad(tmp_path / "elsewhere", 10)


def test_no_data_set_for_a_name_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="data set"):
        datasets.task_from_folder(FakeRunner(tmp_path), "tiny-head", tmp_path)


@pytest.mark.parametrize(("content", "expected"), [
    ("text,label\nhello,a\n\n\"x, y\",b\n", (["hello", "x, y"], ["a", "b"])),
    ("label,text\na,hello\n", (["hello"], ["a"])),
    ("hello,a\nyou,b\n", (["hello", "you"], ["a", "b"])),
    ("text\nhello\n", (["hello"], None)), ("hello\nyou\n", (["hello", "you"], None)),
])
def test_csv(tmp_path: Path, content: str, expected: tuple[list[str], list[str] | None]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content, encoding="utf-8-sig")
    assert datasets.read_csv(path) == expected


@pytest.mark.parametrize("content", [b"", b"text,label\n", b"text,label\nalone\n", b"\xff\xfe\x00"])
def test_csv_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="CSV"):
        datasets.read_csv(path)


def arguments(*given: str) -> object:
    return program._parser("compare").parse_args(["compare", *given])


def test_console_compares_writes_and_takes_up(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                              ) -> None:
    given, labels = texts(3_000)
    rows = "\n".join(f"{t},{label}" for t, label in zip(given, labels, strict=True))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}\n", encoding="utf-8")
    runner = FakeRunner(tmp_path)
    args = arguments("tiny-head", "--recipes", "int8", "prune-neurons:0.5", "low-rank:0.5",
                     "--csv", str(tmp_path / "rows.csv"), "--no-memory", "--write",
                     "--out", str(tmp_path / "out.csv"))
    assert console.sweep(runner, args) == 1  # one recipe does not fit
    shown = capsys.readouterr()
    assert "does not fit" in shown.out
    assert "timing one text at a time" in shown.err
    assert "2 verdicts on tiny-head kept; 1 rows" in shown.err
    kept = {v.recipe: v.decision for v in read_verdicts("tiny-head", tmp_path, tmp_path / "none")}
    assert kept == {"int8": "passed", "prune-neurons:0.5": "refused"}
    assert (tmp_path / "out.csv").read_text().count("\n") == 5
    assert (tmp_path / FOLDER / "tiny-head.json").is_file()
    again = FakeRunner(tmp_path)
    console.sweep(again, args)
    assert again.opened == ["original", "low-rank:0.5"]


@pytest.mark.parametrize(("given", "sentence"), [
    (["a", "--recipes", "magic"], "magic"),
    (["a", "--recipes", "int8", "--out", "x.pdf"], "--out"),
    (["a", "--recipes", "int8", "--learn"], "--learn"),
    (["a", "--recipes", "int8", "--limit", "500"], "--limit"),
])
def test_console_refuses_with_a_sentence(given: list[str], sentence: str,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["compare", *given]) != 0
    assert sentence in capsys.readouterr().err


def test_help_of_compress_lists_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["compress", "--help"])
    assert "prune-neurons:" in capsys.readouterr().out
