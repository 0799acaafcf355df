"""Attention weights: rows that sum to 1, removed heads as such, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_engine.attention import stacked
from lepton_engine.compression.convert import Job
from lepton_engine.engine import Engine
from lepton_engine.errors import InputError, LimitError
from lepton_engine.runtimes import attention_export, encoder_export
from lepton_engine.settings import Settings


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    def export(job: Job, tell: Any, module: str) -> None:
        assert module == "lepton_engine.runtimes.attention_export"
        attention_export.run(job)  # here, where torch is loaded anyhow

    monkeypatch.setattr(encoder_export, "export", export)
    with Engine("cpu", settings=Settings(home=tmp_path, offline=True)) as made:
        yield made


def test_every_row_is_a_share_of_one(engine: Engine, folder: Path) -> None:
    seen = engine.attention("the card was lost", str(folder))
    assert seen.weights.shape == (2, 4, 6, 6)
    assert seen.tokens == ("[CLS]", "the", "card", "was", "lost", "[SEP]")
    assert seen.offsets[2] == (4, 8)
    np.testing.assert_allclose(seen.weights.sum(-1), 1.0, atol=1e-5)
    assert seen.stamp.runtime == "openvino"
    assert len(seen.to_frame()) == seen.weights.size
    first = seen.to_frame().iloc[1]
    assert (first.token, first.looks_at) == ("[CLS]", "the")
    assert first.weight == seen.weights[0, 0, 0, 1]


def test_it_is_what_transformers_says(engine: Engine, folder: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = AutoTokenizer.from_pretrained(folder)("my password", return_tensors="pt",
                                                   padding=False)
    with torch.no_grad():
        expected = model(**inputs, output_attentions=True).attentions
    found = engine.attention("my password", str(folder)).weights
    np.testing.assert_allclose(found, np.concatenate([a.numpy() for a in expected]), atol=1e-4)


def test_removed_heads_are_no_numbers(engine: Engine, folder: Path) -> None:
    weights = engine.attention("hello world", str(folder), recipe="prune-heads:0.25").weights
    gone = np.isnan(weights).all(axis=(2, 3))
    assert weights.shape[:2] == (2, 4)
    assert gone.sum() == 2
    np.testing.assert_allclose(weights[~gone].sum(-1), 1.0, atol=1e-5)


def test_layers_keep_their_published_number_of_heads() -> None:
    whole = stacked([np.ones((1, 2, 2), np.float32), np.ones((3, 2, 2), np.float32)], 3)
    assert whole.shape == (2, 3, 2, 2)
    assert np.isnan(whole[0, 1:]).all()
    assert not np.isnan(whole[1]).any()


def test_long_texts_and_models_without_attention_are_refused(
        engine: Engine, folder: Path) -> None:
    with pytest.raises(LimitError, match="at most 128 sub-words"):
        engine.attention("hello " * 200, str(folder))
    with pytest.raises(InputError, match="no attention heads"):
        engine.attention("hello", "use-multilingual")
    assert all(m.state == "ready" for m in engine.status().models)
