"""The command that makes the recorded examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domains import record
from lepton_engine.errors import RuntimeFailure
from tests.demo import DEMO
from tests.fakes import FakeEngine


def test_the_second_answer_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine()
    assert record.main(["demo"], lambda: engine, (DEMO,), tmp_path) == 0
    row = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert row["input"] == {"question": "What does a lost card cost?"}
    assert row["payload"]["decision"] == "answered"
    assert row["payload"]["stamp"]["variant"].startswith("reranker/original@fake:cpu")
    assert "cores" in row["host"]
    assert len(row["recorded_at"]) == 10
    assert engine.calls["rerank"] == 2
    assert engine.calls["close"] == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "demo.json"]
    assert "demo: answered" in capsys.readouterr().out


def test_a_failure_is_a_sentence_and_leaves_the_old_example(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "demo.json").write_text("old")
    failing = FakeEngine(fail={"rerank": RuntimeFailure("The worker died. Ask again.")})
    assert record.main([], lambda: failing, (DEMO,), tmp_path) == 1
    assert "demo: The worker died. Ask again." in capsys.readouterr().err
    assert (tmp_path / "demo.json").read_text() == "old"


def test_an_unknown_name_offers_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main(["recomendation"]) == 2
    assert "Did you mean recommendation" in capsys.readouterr().err
