"""The torch runtime: precisions, the mean beside the signature's outputs, lack of memory, GPUs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lepton_engine.errors import RuntimeFailure
from lepton_engine.microbatch import Arrays, MicroBatcher, Row
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.runtimes.checkpoint import Checkpoint
from lepton_engine.runtimes.torch_encoder import TorchEncoder, open_module
from tests.engine import tiny_encoders

IDS = np.array([[2, 7, 9, 11, 3], [2, 5, 3, 0, 0]])
MASK = (IDS > 0).astype(np.int64)
NO_GPU = "" if torch.cuda.is_available() else "this machine has no CUDA device"


def encoder_on(folder: Path, device: str, precision: str) -> TorchEncoder:
    info = RuntimeInfo("tiny", "original", "torch", device, precision)
    return TorchEncoder(open_module(Checkpoint.open(folder)), info)


def test_the_mean_leaves_padding_out_and_comes_only_when_asked_for(folder: Path) -> None:
    encoder = encoder_on(folder, "cpu", "fp32")
    whole = encoder.run(IDS, MASK)
    assert set(whole) == {"last_hidden_state"}
    mean = encoder.run(IDS, MASK, None, ["mean_vector"])
    assert set(mean) == {"mean_vector"}
    for row, length in enumerate((5, 3)):
        expected = whole["last_hidden_state"][row, :length].mean(axis=0)
        np.testing.assert_allclose(mean["mean_vector"][row], expected, atol=1e-6)


def test_a_model_without_token_vectors_gives_no_mean(tmp_path: Path) -> None:
    source = tiny_encoders.build(tmp_path / "m", "ForSequenceClassification")
    assert not encoder_on(source, "cpu", "fp32").gives_mean


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_halves_the_weights_and_stays_near(folder: Path, precision: str) -> None:
    full, half = (encoder_on(folder, "cpu", p) for p in ("fp32", precision))
    # Position ids are whole numbers of 8 bytes and stay as they are.
    assert half.memory_bytes < 0.55 * full.memory_bytes
    expected, got = (e.run(IDS, MASK)["last_hidden_state"] for e in (full, half))
    assert got.dtype == np.float32
    error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
    # A random network of two layers with weights ten times as wide as trained ones.
    assert 0 < error < 0.05


def test_a_device_without_memory_gets_a_sentence_and_half_the_batch(
        folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_on(folder, "cpu", "fp32")
    module = encoder._module
    assert module is not None
    real, sizes = module.forward, []

    def crowded(ids: torch.Tensor, *rest: torch.Tensor) -> object:
        sizes.append(len(ids))
        if len(ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(ids, *rest)

    monkeypatch.setattr(module, "forward", crowded)
    with pytest.raises(RuntimeFailure, match="fewer or shorter"):
        encoder.run(IDS, MASK)
    found: dict[int, np.ndarray] = {}

    def take(index: int, arrays: Arrays) -> None:
        found[index] = arrays["mean_vector"]

    batcher = MicroBatcher(encoder.run, pad_id=0)
    batcher.compute([Row([2, 7, 3], [0] * 3), Row([2, 5, 3], [0] * 3)], ["mean_vector"], take)
    assert sizes == [2, 2, 1, 1]
    assert sorted(found) == [0, 1]


def test_a_closed_encoder_gets_a_sentence(folder: Path) -> None:
    encoder = encoder_on(folder, "cpu", "fp32")
    encoder.close()
    with pytest.raises(RuntimeFailure, match="closed"):
        encoder.run(IDS, MASK)


@pytest.mark.skipif(bool(NO_GPU), reason=NO_GPU)
@pytest.mark.parametrize(("precision", "bound"), [("fp32", 1e-3), ("bf16", 0.05), ("fp16", 0.01)])
def test_a_gpu_computes_what_the_processor_computes(folder: Path, precision: str,
                                                    bound: float) -> None:
    here, there = encoder_on(folder, "cpu", "fp32"), encoder_on(folder, "cuda", precision)
    for outputs in (None, ["mean_vector"]):
        expected, got = (e.run(IDS, MASK, None, outputs) for e in (here, there))
        for name, array in expected.items():
            assert np.linalg.norm(got[name] - array) < bound * np.linalg.norm(array)
