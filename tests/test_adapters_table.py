"""What ``make evaluate`` computes, on answers that are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import adapters
from lepton_engine.compression.verdicts import write_verdicts
from lepton_engine.marking import OTHER, TARGET
from tests.engine.tiny_variants import verdict

LABELS = ("negative", "neutral", "positive")
ROWS = [
    {"headline": "Aro beats Bex", "entities": [{"name": "Aro", "label": "positive"},
                                               {"name": "Bex", "label": "negative"}]},
    {"headline": "Cyd ousts Dov", "entities": [{"name": "Cyd", "label": "positive"},
                                               {"name": "Dov", "label": "negative"}]},
]


def reader(texts: Sequence[str], adapter: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Who is named first wins."""
    assert adapter == "finance-sentiment"
    first = [text.index(TARGET) < text.index(OTHER) for text in texts]
    return np.array([[0.1, 0.1, 0.8] if wins else [0.8, 0.1, 0.1] for wins in first]), LABELS


def one_sided(texts: Sequence[str], adapter: str) -> tuple[np.ndarray, tuple[str, ...]]:
    return np.array([[0.1, 0.1, 0.8]] * len(texts)), LABELS


def test_a_headline_counts_when_all_its_companies_are_right() -> None:
    assert adapters.all_right(reader, ROWS)["value"] == 1.0
    assert adapters.all_right(one_sided, ROWS)["value"] == 0.0
    turned = [{**ROWS[0]}, {**ROWS[1], "entities": [
        {**entity, "label": "negative"} for entity in ROWS[1]["entities"]]}]
    assert adapters.all_right(reader, turned)["value"] == 0.5


def test_the_sets_that_were_written_apart_are_all_asked() -> None:
    asked: list[str] = []

    def ask(texts: Sequence[str], adapter: str) -> tuple[np.ndarray, tuple[str, ...]]:
        asked.extend(texts)
        return np.full((len(texts), 3), 1 / 3), LABELS

    rows = adapters.apart(ask, "int8")
    assert [row[0] for row in rows][-1] == "finance: all companies of a headline"
    assert len(rows) == 6
    assert any(TARGET in text for text in asked)


def card() -> dict[str, Any]:
    value = {"value": 0.9, "low": 0.88, "high": 0.92}
    return {"bytes": 1_000_000, "lora": {"bytes": 500_000}, "scores": {
        "n": 1_500, "accuracy": value, "weighted_f1": value, "expected_calibration_error": 0.02},
        "over_seeds": {"weighted_f1": {"mean": 0.91, "values": [0.9, 0.92]}}}


def test_the_table_names_what_balanced_runs_and_what_it_lost(tmp_path: Path) -> None:
    write_verdicts([verdict(name="finance-sentiment")], tmp_path)
    table = adapters.held_out({"finance-sentiment": card()}, tmp_path)
    [row] = table.rows
    assert row[:5] == ("`finance-sentiment`", "weighted F1", "0.900 (0.880 to 0.920)", "1,500",
                       "0.910 (0.900, 0.920)")
    assert row[6:] == ("1.50", "`int8`", "+0.20 (-0.10 to +0.50)", "4,000", "2.00 / 2.00")


@pytest.mark.parametrize("decision", ["refused", "undecidable"])
def test_without_a_passed_variant_the_original_stands_there(tmp_path: Path,
                                                            decision: str) -> None:
    write_verdicts([verdict(name="finance-sentiment", decision=decision)], tmp_path)
    [row] = adapters.held_out({"finance-sentiment": card()}, tmp_path).rows
    assert row[7:] == ("`original`", "", "", "")
