from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import pytest

from lepton_engine.compression.verdicts import (
    FOLDER,
    SHIPPED,
    Verdict,
    read_verdicts,
    write_verdicts,
)
from tests.engine.tiny_variants import row, verdict

NAME = "tiny-head"


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    given = verdict("prune-neurons:0.5+int8", detail={"cosine_p1": 0.94, "curve": [1, 2]})
    write_verdicts([given], tmp_path / FOLDER)
    assert read_verdicts(NAME, tmp_path, shipped=tmp_path / "none") == (given,)


def test_this_machine_overlays_recipe_by_recipe(tmp_path: Path) -> None:
    shipped, home = tmp_path / "shipped", tmp_path / "home"
    write_verdicts([verdict("int8", host="theirs"), verdict("int4", host="theirs")], shipped)
    write_verdicts([verdict("int8", host="here"), verdict("low-rank:0.6", host="here")],
                   home / FOLDER)
    found = {v.recipe: v.host for v in read_verdicts(NAME, home, shipped)}
    assert found == {"int8": "here", "int4": "theirs", "low-rank:0.6": "here"}
    assert {v.host for v in read_verdicts(NAME, None, shipped)} == {"theirs"}


def test_writing_replaces_the_recipe_and_keeps_the_others(tmp_path: Path) -> None:
    write_verdicts([verdict("int8", n=1), verdict("int4", n=2)], tmp_path / FOLDER)
    write_verdicts([verdict("int8", n=3)], tmp_path / FOLDER)
    found = {v.recipe: v.n for v in read_verdicts(NAME, tmp_path, tmp_path / "none")}
    assert found == {"int8": 3, "int4": 2}
    assert [p.name for p in (tmp_path / FOLDER).iterdir()] == [f"{NAME}.json"]  # no part left


@pytest.mark.parametrize("damage", ["", "{", '{"a": 1}', "\xff", "[1, null]"])
def test_a_damaged_file_is_ignored_with_a_line_in_the_log(
        tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    shipped = tmp_path / "shipped"
    write_verdicts([verdict("int8")], shipped)
    path = tmp_path / FOLDER / f"{NAME}.json"
    path.parent.mkdir()
    path.write_bytes(damage.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        assert read_verdicts(NAME, tmp_path, shipped) == (verdict("int8"),)
    assert "ignored" in caplog.text


@pytest.mark.parametrize("change", [
    {"decision": "maybe"}, {"recipe": "magic"}, {"recipe": 3}, {"low": "much"}, {"versions": []},
])
def test_a_damaged_row_takes_down_itself_only(tmp_path: Path, caplog: pytest.LogCaptureFixture,
                                              change: dict[str, object]) -> None:
    rows = [{**verdict("int8").to_dict(), **change}, verdict("int4").to_dict()]
    (tmp_path / f"{NAME}.json").write_text(json.dumps(rows), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert [v.recipe for v in read_verdicts(NAME, None, tmp_path)] == ["int4"]
    assert "does not read" in caplog.text


def test_another_name_s_verdicts_are_not_taken(tmp_path: Path) -> None:
    write_verdicts([verdict("int8")], tmp_path)
    (tmp_path / f"{NAME}.json").rename(tmp_path / "other.json")
    assert read_verdicts("other", None, tmp_path) == ()


@pytest.mark.parametrize("name", ["../secret", "org/name", "/etc/passwd", ""])
def test_names_that_are_no_files(tmp_path: Path, name: str) -> None:
    assert read_verdicts(name, tmp_path, tmp_path) == ()


def test_what_was_not_measured_is_null_and_reads_as_nan() -> None:
    facts = verdict(latency_ms=math.nan).to_dict()
    json.dumps(facts, allow_nan=False)
    assert facts["latency_ms"] is None
    assert math.isnan(Verdict.from_dict(facts).latency_ms)
    assert math.isnan(Verdict.from_dict(facts).speedup)


def test_a_row_keeps_its_verdict() -> None:
    assert row("int8", n=5).verdict == verdict("int8", n=5)


def test_shipped_verdicts_read_and_add_up(caplog: pytest.LogCaptureFixture) -> None:
    for path in SHIPPED.glob("*.json"):
        with caplog.at_level(logging.WARNING):
            found = read_verdicts(path.stem, None)
        assert not caplog.text
        assert len(found) == len(json.loads(path.read_text(encoding="utf-8")))
        for shipped in found:
            points = 100 * (shipped.original - shipped.value)
            assert shipped.loss_points == pytest.approx(points, abs=1e-6)
            assert shipped.low <= shipped.high
            assert shipped.host
            assert shipped.date
