"""The lab on the real engine: a small comparison, both sides, lens, attention, memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from domains.engine_lab.outcome import Stage
from domains.engine_lab.service import EngineLab, build
from tests.domains.lab import outcomes

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lab() -> Iterator[EngineLab]:
    from lepton_engine import Engine

    engine = Engine()
    yield build(engine)
    engine.close()


def test_int8_is_measured_beside_the_original(lab: EngineLab) -> None:
    steps = list(lab.compare("finance-sentiment", ["int8"], anew=True))
    assert any(isinstance(step, Stage) for step in steps)
    [row] = outcomes(steps)[-1].rows
    assert row["decision"] == "undecidable"
    assert row["n"] == 36
    assert row["original"] > 0.6, "the bundled headlines are plain"
    assert abs(row["loss_points"]) < 15
    assert row["latency_ms"] > 0
    assert row["size_bytes"] < row["original_size_bytes"]


def test_head_and_encoder_side_by_side(lab: EngineLab) -> None:
    *_, head = lab.side_by_side("finance-sentiment", "int8", "Shares jump as profit doubles")
    assert [side["items"][0]["label"] for side in head.sides] == ["positive", "positive"]
    assert "/int8" in head.sides[1]["variant"]
    *_, near = lab.side_by_side("minilm-l6", "int8", "My card has not come by post yet")
    assert "new card arrives" in near.sides[0]["items"][0]["label"]
    assert near.sides[0]["items"] != near.sides[1]["items"]


def test_three_real_tokenizers(lab: EngineLab) -> None:
    found = lab.lens("Unbelievable prices 您的新卡 🙂")
    words, pieces, pairs = ([raw for raw, _, _ in row["tokens"]] for row in found.rows)
    assert words[0] == "Unbelievable"
    assert pieces[0] == "unbelievable"
    assert len(pairs) > len(words)


def test_attention_of_a_pruned_encoder(lab: EngineLab) -> None:
    *_, found = outcomes(
        lab.attention("minilm-l6", "prune-heads:0.25", "The bank froze the lost card."))
    first, second = found.sides
    assert [len(layer) for layer in first["weights"]] == [12] * 6
    assert sum(len(layer) for layer in second["weights"]) < 72
    assert np.allclose(first["weights"][0].sum(axis=-1), 1, atol=5e-3)
    assert "has removed" in found.reason


def test_load_and_unload(lab: EngineLab) -> None:
    *_, panel = lab.load("minilm-l6", "int8")
    [row] = [m for m in panel.models if m["key"] == "minilm-l6/int8"]
    assert row["state"] == "ready"
    assert row["bytes"] > 10_000_000
    assert "minilm-l6/int8" not in [
        m["key"] for m in lab.unload("minilm-l6/int8").models if m["state"] == "ready"]
