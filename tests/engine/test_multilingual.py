"""The multilingual encoder's network on small random weights, against its definition in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lepton_engine.errors import ModelUnavailableError
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.runtimes.multilingual import open_multilingual
from lepton_engine.runtimes.openvino_encoder import XML, OpenVinoEncoder, convert, read_signature
from lepton_engine.runtimes.torch_encoder import TorchEncoder

CHUNKS, ROWS, WIDTH, CHANNELS, OUT, HIDDEN = 3, 11, 16, 8, 12, 10
WINDOWS = {2: (0, 1), 3: (-1, 0, 1), 5: (-2, -1, 0, 1, 2)}
IDS = [[1, 5, 2], [1, 30, 7, 9, 12, 2], [1, 2], [1, *range(3, 33), 2]]


def small_weights(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(0, 0.3, shape).astype(np.float32)

    features = WIDTH + 3 * CHANNELS
    weights = {f"q{c + 1}": random.integers(0, 256, (ROWS, WIDTH)).astype(np.uint8)
               for c in range(CHUNKS)}
    weights |= {"scale": random.uniform(0.005, 0.02, CHUNKS).astype(np.float32),
                "lo": normal(CHUNKS), "eps": np.array(1e-6)}
    for n in WINDOWS:
        weights |= {f"proj{n}": normal(WIDTH, CHANNELS), f"proj_b{n}": normal(CHANNELS),
                    f"ln_g{n}": normal(CHANNELS), f"ln_b{n}": normal(CHANNELS),
                    f"w1_{n}": normal(n * CHANNELS, CHANNELS), f"b1_{n}": normal(CHANNELS),
                    f"w2_{n}": normal(n * CHANNELS, CHANNELS), f"b2_{n}": normal(CHANNELS)}
    return weights | {
        "ln_g": normal(features), "ln_b": normal(features), "cnn_W": normal(features, OUT),
        "cnn_b": normal(OUT), "d0": normal(OUT, HIDDEN), "d1": normal(HIDDEN, HIDDEN),
        "p1": normal(OUT, HIDDEN), "d2": normal(HIDDEN, OUT), "p3": normal(HIDDEN, OUT),
        "d3": normal(OUT, OUT)}


def layer_norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * gain + bias


def by_definition(w: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """One text, token by token, in float64, without padding."""
    w = {name: array.astype(np.float64) for name, array in w.items()}
    eps = float(w["eps"])
    embedded = np.array([w[f"q{i % CHUNKS + 1}"][i // CHUNKS] * w["scale"][i % CHUNKS]
                         + w["lo"][i % CHUNKS] for i in ids])
    joined = {key: np.concatenate([w[f"{key}{n}"] for n in WINDOWS], axis=-1)
              for key in ("proj", "proj_b", "ln_g", "ln_b")}
    inner = layer_norm(embedded @ joined["proj"] + joined["proj_b"], joined["ln_g"],
                       joined["ln_b"], eps)
    branches = []
    for place, (n, window) in enumerate(WINDOWS.items()):
        x = inner[:, place * CHANNELS:(place + 1) * CHANNELS]
        for layer in ("1", "2"):
            seen = [np.concatenate([x[t + o] if 0 <= t + o < len(x) else np.zeros(CHANNELS)
                                    for o in window]) for t in range(len(x))]
            x = x + np.maximum(np.array(seen) @ w[f"w{layer}_{n}"] + w[f"b{layer}_{n}"], 0)
        branches.append(x)
    features = layer_norm(np.concatenate([embedded, *branches], axis=1), w["ln_g"], w["ln_b"], eps)
    pooled = (features @ w["cnn_W"] + w["cnn_b"]).sum(0) / np.sqrt(len(ids))
    first = np.maximum(np.maximum(pooled @ w["d0"], 0) @ w["d1"] + pooled @ w["p1"], 0)
    second = np.tanh(np.maximum(first @ w["d2"], 0) @ w["d3"] + first @ w["p3"])
    return np.asarray(second / np.linalg.norm(second))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("multilingual")
    np.savez_compressed(path / "weights.npz", **small_weights())
    return path


@pytest.fixture(scope="module", params=["torch", "openvino"])
def encoder(request: pytest.FixtureRequest, folder: Path,
            tmp_path_factory: pytest.TempPathFactory) -> TorchEncoder | OpenVinoEncoder:
    info = RuntimeInfo("tiny", "original", request.param, "cpu", "fp32")
    module = open_multilingual(folder)
    if request.param == "torch":
        return TorchEncoder(module, info)
    target = tmp_path_factory.mktemp("converted")
    convert(module, target)
    return OpenVinoEncoder(target / XML, read_signature(target), info)


def test_a_padded_batch_is_the_definition_of_each_text(encoder) -> None:
    width = max(map(len, IDS))
    # Padding with an id that has a vector of its own: only the mask may keep it out.
    ids = np.array([row + [7] * (width - len(row)) for row in IDS])
    mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in IDS])
    got = encoder.run(ids, mask)["sentence_embedding"]
    expected = np.stack([by_definition(small_weights(), row) for row in IDS])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.05, "the texts must differ"


def test_tokens_have_vectors_too(encoder) -> None:
    ids = np.array([IDS[1]])
    out = encoder.run(ids, np.ones_like(ids))
    assert out["last_hidden_state"].shape == (1, 6, OUT)
    assert encoder.vocabulary_size == CHUNKS * ROWS


def test_the_embedding_table_stays_in_bytes(folder: Path, tmp_path: Path) -> None:
    module = open_multilingual(folder)
    assert module.table.dtype.itemsize == 1
    convert(module, tmp_path)
    other = sum(t.numel() * 4 for name, t in module.named_buffers() if name != "table")
    stored = (tmp_path / "model.bin").stat().st_size
    assert stored < other + 2 * module.table.numel(), "the table was stored as floating point"


def test_a_broken_file_gets_a_sentence_and_nothing_is_unpickled(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"weights\.npz"):
        open_multilingual(tmp_path)
    np.savez(tmp_path / "weights.npz", q1=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(ModelUnavailableError, match=r"weights\.npz"):
        open_multilingual(tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"no archive")
    with pytest.raises(ModelUnavailableError, match=r"weights\.npz"):
        open_multilingual(tmp_path)
