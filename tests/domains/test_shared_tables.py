"""CSV files in which nothing runs."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from domains.shared.tables import csv_file, csv_text, defuse


@pytest.mark.parametrize("cell", [
    "=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x",
    " =1", "\ufeff=1", "\u3000＝1", "|cmd", "%0a=1"])
def test_formulas_are_defused(cell: str) -> None:
    assert defuse(cell).startswith("'")


@pytest.mark.parametrize("cell", [-1, -0.5, 3.25, 0, True, None, "plain", "a=b", "", "3M", "’=x"])
def test_numbers_and_plain_texts_stay(cell: object) -> None:
    assert defuse(cell) == cell


def test_rows_read_back_and_headers_are_defused() -> None:
    rows = [{"a": '=HYPERLINK("x","y")', "b": -0.25}, {"a": 'quote " and, comma\nline', "b": None}]
    read = list(csv.reader(io.StringIO(csv_text(rows, ["a", "b", "=c"]), newline="")))
    assert read[0] == ["a", "b", "'=c"]
    assert read[1] == ["'=HYPERLINK(\"x\",\"y\")", "-0.25", ""]
    assert read[2] == ['quote " and, comma\nline', "", ""]


def test_each_file_is_its_own_in_gradios_cache(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    one, two = (Path(csv_file("../results.x", [["中文\ud800", 1]], ["t", "n"])) for _ in "ab")
    assert one != two
    assert one.is_relative_to(tmp_path)
    assert one.name == "results.csv"
    assert one.read_bytes().startswith(b"\xef\xbb\xbf")
    assert one.read_text(encoding="utf-8-sig").splitlines() == ["t,n", "中文?,1"]
