"""OpenVINO under an encoder: the mean in its graph, properties beside a conversion, memory."""

from __future__ import annotations

import json
import mmap
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from lepton_engine.errors import ModelUnavailableError
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.runtimes.checkpoint import Checkpoint
from lepton_engine.runtimes.memory import release_pages
from lepton_engine.runtimes.openvino_encoder import (
    PROPERTIES,
    XML,
    OpenVinoEncoder,
    convert,
    properties,
    read_signature,
)
from lepton_engine.runtimes.pooling import append_mean
from lepton_engine.runtimes.torch_encoder import open_module
from tests.engine import tiny_encoders
from tests.engine.tiny_models import Load

IDS = np.array([[2, 7, 9, 11, 3], [2, 5, 3, 0, 0]])
MASK = (IDS > 0).astype(np.int64)


@pytest.fixture(scope="module")
def converted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted")
    convert(open_module(Checkpoint.open(folder)), target)
    return target


def opened(folder: Path, precision: str = "fp32") -> OpenVinoEncoder:
    info = RuntimeInfo("tiny", "original", "openvino", "cpu", precision)
    return OpenVinoEncoder(folder / XML, read_signature(folder), info)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_mean_of_the_graph_is_the_mean_of_its_tokens(converted: Path, precision: str) -> None:
    encoder = opened(converted, precision)
    assert encoder.gives_mean
    whole = encoder.run(IDS, MASK)
    assert set(whole) == {"last_hidden_state"}
    mean = encoder.run(IDS, MASK, None, ["mean_vector"])["mean_vector"]
    for row, length in enumerate((5, 3)):
        expected = whole["last_hidden_state"][row, :length].mean(axis=0)
        np.testing.assert_allclose(mean[row], expected, atol=1e-5)


def test_embed_equals_predict_on_every_thread(load: Load, here: None) -> None:
    model = load("Model", "openvino")
    texts = tiny_encoders.TEXTS
    pooled = model.predict(texts).vectors
    expected = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    with ThreadPoolExecutor(8) as threads:
        rounds = list(threads.map(lambda n: model.embed([texts[n % 6], texts[0]]).vectors,
                                  range(48)))
    for n, vectors in enumerate(rounds):
        np.testing.assert_allclose(vectors, expected[[n % 6, 0]], atol=1e-5)


def test_a_graph_without_token_vectors_stays_as_it_is(tmp_path: Path) -> None:
    source = tiny_encoders.build(tmp_path / "m", "ForSequenceClassification")
    convert(open_module(Checkpoint.open(source)), tmp_path)
    model = ov.Core().read_model(tmp_path / XML)
    assert not append_mean(model)
    assert len(model.outputs) == 1
    assert not opened(tmp_path).gives_mean


def test_properties_beside_a_conversion_are_obeyed(converted: Path, tmp_path: Path) -> None:
    for path in converted.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert opened(tmp_path).info.precision == "fp32"
    (tmp_path / PROPERTIES).write_text(json.dumps({"INFERENCE_PRECISION_HINT": "bf16"}))
    assert properties(tmp_path / XML, "fp32")["INFERENCE_PRECISION_HINT"] == "bf16"
    able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert opened(tmp_path).info.precision == ("bf16" if "BF16" in able else "fp32")


@pytest.mark.parametrize("broken", ["{", "[1, 2]", '"text"'])
def test_broken_properties_get_a_sentence(converted: Path, tmp_path: Path, broken: str) -> None:
    (tmp_path / PROPERTIES).write_text(broken)
    with pytest.raises(ModelUnavailableError, match=r"compile\.json"):
        properties(tmp_path / XML, "fp32")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/maps is Linux's")
def test_mapped_pages_are_let_go_and_come_back_when_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(range(256)) * 4096)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[::512]) == 0
        assert _resident_kb(path) >= 1000
        assert release_pages(path) == 2**20
        assert _resident_kb(path) == 0
        assert mapped[255] == 255
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as writable:
        writable[0] = 9
        assert release_pages(path) == 0, "what may have been written to must stay"
        assert writable[0] == 9


def _resident_kb(path: Path) -> int:
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total
