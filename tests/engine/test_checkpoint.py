"""What a checkpoint of an encoder really holds, and what is refused before it is opened."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lepton_engine.catalog import Store, catalogue
from lepton_engine.device import DeviceChoice
from lepton_engine.errors import (
    DeviceError,
    InputError,
    ModelUnavailableError,
    UnsafeModelError,
)
from lepton_engine.runtimes.checkpoint import Checkpoint, weight_names
from lepton_engine.runtimes.encoders import LoadedEncoder, load_encoder
from tests.engine import tiny_encoders

CPU = DeviceChoice("cpu", "fp32", "a test", ("openvino", "torch"))


def load(folder: Path, store: Store, runtime: str | None, choice: DeviceChoice = CPU,
         ) -> LoadedEncoder:
    return load_encoder(catalogue().resolve(str(folder)), store, choice, runtime)


# Heads are those whose weights are in the files


@pytest.mark.parametrize(("kind", "outputs"), [
    ("Model", {"last_hidden_state"}),
    ("ForSequenceClassification", {"logits"}),
    ("ForMaskedLM", {"last_hidden_state", "mlm_logits"}),
    ("ForPreTraining", {"last_hidden_state", "mlm_logits", "nsp_logits"}),
    ("ForNextSentencePrediction", {"last_hidden_state", "nsp_logits"}),
])
def test_the_heads_of_a_checkpoint_are_found(tmp_path: Path, store: Store, kind: str,
                                             outputs: set[str]) -> None:
    source = tiny_encoders.build(tmp_path / kind, kind, id2label=tiny_encoders.LABELS,
                                 label2id={v: k for k, v in tiny_encoders.LABELS.items()})
    signature = load(source, store, "torch").signature
    assert set(signature.outputs) == outputs
    assert signature.labels == (tuple(tiny_encoders.LABELS.values())
                                if kind == "ForSequenceClassification" else ())
    assert signature.max_positions == 48
    assert signature.type_ids


def test_a_head_that_the_configuration_promises_but_the_weights_lack_is_not_offered(
        tmp_path: Path, store: Store) -> None:
    source = tiny_encoders.build(tmp_path / "claims", "ForPreTraining")
    tiny_encoders.without(source, "cls.seq_relationship")
    assert "nsp_logits" not in load(source, store, "torch").signature.outputs
    tiny_encoders.without(source, "cls.predictions.transform.dense.weight")
    assert load(source, store, "torch").signature.outputs == ("last_hidden_state",)


def test_weights_beat_the_architecture_in_the_configuration(tmp_path: Path, store: Store) -> None:
    """The published bert-base says ForMaskedLM and holds the next-sentence head as well."""
    source = tiny_encoders.build(tmp_path / "more", "ForPreTraining")
    config = json.loads((source / "config.json").read_text())
    config["architectures"] = ["BertForMaskedLM"]
    (source / "config.json").write_text(json.dumps(config))
    assert "nsp_logits" in load(source, store, "torch").signature.outputs


def test_a_trunk_with_holes_is_not_loaded(tmp_path: Path, store: Store) -> None:
    source = tiny_encoders.build(tmp_path / "holes")
    tiny_encoders.without(source, "encoder.layer.1.output.dense.weight")
    with pytest.raises(ModelUnavailableError, match="lack some of the weights"):
        load(source, store, "torch")


# Refusals


def test_code_in_a_configuration_is_refused_by_both_readers(tmp_path: Path, store: Store) -> None:
    source = tiny_encoders.build(tmp_path / "code")
    config = json.loads((source / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_evil.Evil"}
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsafeModelError, match="auto_map"):
        Checkpoint.open(source)
    with pytest.raises(UnsafeModelError):
        load(source, store, "torch")


def test_pickled_weights_are_refused_and_absent_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelUnavailableError, match="no safetensors"):
        Checkpoint.open(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(UnsafeModelError, match="safetensors"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 16, b"\x04\0\0\0\0\0\0\0nope"])
def test_a_broken_safetensors_header_gets_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelUnavailableError, match="no readable safetensors"):
        weight_names(tmp_path / "model.safetensors")


def test_a_runtime_that_is_not_there_or_not_for_the_device_is_refused(folder: Path,
                                                                      store: Store) -> None:
    with pytest.raises(InputError, match="openvino, torch"):
        load(folder, store, "abacus")
    with pytest.raises(DeviceError, match="torch"):
        load(folder, store, "openvino", replace(CPU, device="cuda", runtimes=("torch",)))
