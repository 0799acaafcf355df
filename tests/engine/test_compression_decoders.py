"""Recipes of decoders: a tiny llama through the whole conversion, in memory and as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_engine.compression.report import read_report
from lepton_engine.runtimes import decoder_export
from lepton_engine.runtimes.decoder_weights import load_causal_lm
from tests.engine import tiny_decoder

IDS = [[5, 9, 21, 40, 33, 12, 17, 60]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder.build(tmp_path_factory.mktemp("tiny"))


def logits_of(folder: Path) -> np.ndarray:
    """(length, vocabulary) of the exported graph on IDS in fp32."""
    import openvino as ov

    compiled = ov.Core().compile_model(folder / decoder_export.IR_FILE, "CPU",
                                       {"INFERENCE_PRECISION_HINT": "f32"})
    ids = np.array(IDS, dtype=np.int64)
    given = {"input_ids": ids, "attention_mask": np.ones_like(ids),
             "position_ids": np.arange(ids.shape[1])[None], "beam_idx": np.zeros(1, np.int32)}
    return np.array(compiled(given)["logits"][0])


def exported(source: Path, target: Path, recipe: str) -> tuple[np.ndarray, Any]:
    """Its logits, and the module that was changed in place."""
    target.mkdir()
    module = load_causal_lm(source, "fp32")
    decoder_export.export_decoder(module, target, recipe, source=source, texts=tiny_decoder.TEXTS)
    return logits_of(target), module


@pytest.mark.parametrize("steps", ["prune-neurons:0.5", "prune-layers:0.5", "low-rank:0.6"])
def test_a_compressed_module_exports_as_it_is_in_memory(source: Path, tmp_path: Path,
                                                        steps: str) -> None:
    import torch

    got, module = exported(source, tmp_path / "out", steps)
    module.set_attn_implementation("eager")
    with torch.no_grad():
        expected = module(input_ids=torch.tensor(IDS)).logits[0].numpy()
    # The file holds half precision.
    np.testing.assert_allclose(got, expected, atol=0.02 * np.abs(expected).max())
    assert np.abs(got - load_logits(source)).max() > 0.1 * np.abs(expected).max()


def load_logits(source: Path) -> np.ndarray:
    import torch

    with torch.no_grad():
        logits = load_causal_lm(source, "fp32")(input_ids=torch.tensor(IDS)).logits[0]
    return np.array(logits)


def test_fewer_bits_are_a_smaller_file_and_a_larger_error(source: Path, tmp_path: Path) -> None:
    plain, sizes, errors = load_logits(source), [], []
    for name in ("original", "int8-weights", "int4"):
        got, _ = exported(source, tmp_path / name, name)
        sizes.append((tmp_path / name / "openvino_model.bin").stat().st_size)
        errors.append(float(np.linalg.norm(got - plain) / np.linalg.norm(plain)))
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)
    assert errors[1] < 0.05 < errors[2] < 0.6


def test_the_program_writes_what_each_step_did(source: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(tiny_decoder.TEXTS), encoding="utf-8")
    target = tmp_path / "target"
    target.mkdir()
    command = [sys.executable, "-m", "lepton_engine.runtimes.decoder_export", str(source)]
    done = subprocess.run([*command, str(target), "--recipe", "prune-neurons:0.25+int8-dynamic",
                           "--texts", str(texts)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = read_report(target)
    assert report is not None
    neurons, numbers = report.steps
    assert neurons.parameters_after < neurons.parameters_before
    assert numbers.changed
    assert report.bytes_after > 10_000
    assert json.loads((target / "compile.json").read_text()) == {
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 32}
    refused = subprocess.run([*command, str(tmp_path), "--recipe", "prune-heads:0.5"],
                             capture_output=True, text=True, check=False)
    assert refused.returncode == 3
    message = json.loads(refused.stdout.splitlines()[-1])
    assert message["kind"] == "InputError"
    assert "does not fit this model" in message["message"]

