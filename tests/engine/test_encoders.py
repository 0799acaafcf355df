"""Both encoder runtimes on tiny models: against plain transformers, heads, refusals, threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lepton_engine.batching import in_batches, padded, plan
from lepton_engine.catalog import Store, catalogue
from lepton_engine.compression import convert
from lepton_engine.device import DeviceChoice, choose_device
from lepton_engine.errors import (
    ModelUnavailableError,
    RuntimeFailure,
)
from lepton_engine.runtimes import encoder_export, encoders
from lepton_engine.runtimes.checkpoint import Signature
from lepton_engine.runtimes.encoders import LoadedEncoder, load_encoder
from lepton_engine.settings import Settings
from lepton_engine.subwords import HubVocabulary
from tests.engine import tiny_encoders

CPU = DeviceChoice("cpu", "fp32", "a test", ("openvino", "torch"))
# Sums of 32 products in another order: fp32 leaves six digits.
CLOSE = 2e-5


def load(folder: Path, store: Store, runtime: str | None, choice: DeviceChoice = CPU,
         ) -> LoadedEncoder:
    return load_encoder(catalogue().resolve(str(folder)), store, choice, runtime)


def batch(folder: Path, texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pieces = HubVocabulary.from_folder(folder).encode(texts, spans=False)
    return (padded([p.ids for p in pieces], 0), padded([[1] * len(p.ids) for p in pieces], 0),
            padded([p.type_ids for p in pieces], 0))


# Against plain transformers


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_padded_batch_equals_plain_transformers_one_by_one(
        folder: Path, store: Store, here: None, runtime: str) -> None:
    encoder = load(folder, store, runtime)
    ids, mask, types = batch(folder, tiny_encoders.TEXTS)
    assert len({int(row.sum()) for row in mask}) > 3, "the texts must need padding"
    got = encoder.run(ids, mask, types)["last_hidden_state"]
    assert got.dtype == np.float32
    for index, text in enumerate(tiny_encoders.TEXTS):
        expected = tiny_encoders.hidden_states(folder, text)
        np.testing.assert_allclose(got[index, :len(expected)], expected, atol=CLOSE)
    encoder.close()


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_pairs_second_text_is_told_apart(folder: Path, store: Store, here: None,
                                           runtime: str) -> None:
    encoder = load(folder, store, runtime)
    pieces = HubVocabulary.from_folder(folder).encode([("reset card", "the bank")])[0]
    arrays = [np.array([row], dtype=np.int64)
              for row in (pieces.ids, [1] * len(pieces.ids), pieces.type_ids)]
    got = encoder.run(*arrays)["last_hidden_state"][0]
    np.testing.assert_allclose(
        got, tiny_encoders.hidden_states(folder, "reset card", "the bank"), atol=CLOSE)
    without = encoder.run(*arrays[:2])["last_hidden_state"][0]
    assert np.abs(without - got).max() > 100 * CLOSE
    encoder.close()


def test_bf16_is_reported_as_it_is_computed(folder: Path, store: Store, here: None) -> None:
    choice = choose_device("cpu")
    encoder = load(folder, store, "openvino", choice)
    assert encoder.info.precision == choice.precision
    assert load(folder, store, "openvino").info.precision == "fp32"
    assert load(folder, store, "torch", choice).info.precision == "fp32"
    ids, mask, types = batch(folder, ["reset my password"])
    expected = tiny_encoders.hidden_states(folder, "reset my password")
    # bf16 has 8 bits: two layers stay within 5 % of vectors of length about 6.
    got = encoder.run(ids, mask, types)["last_hidden_state"][0]
    assert np.linalg.norm(got - expected) < 0.05 * np.linalg.norm(expected)


def test_openvino_serves_a_processor_and_the_variant_says_so(folder: Path, store: Store,
                                                             here: None) -> None:
    encoder = load(folder, store, None)
    assert encoder.info.variant.endswith("/original@openvino:cpu")
    assert encoder.info.note == ""
    assert encoder.vocabulary_size == HubVocabulary.from_folder(folder).size
    assert encoder.memory_bytes > 10_000


def test_only_the_wanted_outputs_are_copied(tmp_path: Path, store: Store, here: None) -> None:
    source = tiny_encoders.build(tmp_path / "both", "ForPreTraining")
    for runtime in encoders.RUNTIMES:
        encoder = load(source, store, runtime)
        ids, mask, types = batch(source, ["the bank"])
        assert set(encoder.run(ids, mask, types)) == {"last_hidden_state", "mlm_logits",
                                                      "nsp_logits"}
        assert set(encoder.run(ids, mask, types, ["nsp_logits"])) == {"nsp_logits"}


# Fallback, conversion, threads


def test_a_failed_conversion_leaves_torch_with_the_reason(
        tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(encoder_export, "export", broken)
    empty = Store(Settings(home=tmp_path, offline=True))
    encoder = load(folder, empty, None)
    assert encoder.info.runtime == "torch"
    assert "openvino could not load the model (RuntimeError), so torch serves it" in \
        encoder.info.note
    assert encoder.info.stamp(1.0).note == encoder.info.note
    ids, mask, types = batch(folder, ["hello world"])
    np.testing.assert_allclose(encoder.run(ids, mask, types)["last_hidden_state"][0],
                               tiny_encoders.hidden_states(folder, "hello world"), atol=CLOSE)
    with pytest.raises(ModelUnavailableError, match="RuntimeError"):
        load(folder, empty, "openvino")


def test_a_conversion_happens_once_in_a_process_of_its_own(tmp_path: Path, folder: Path,
                                                           monkeypatch: pytest.MonkeyPatch,
                                                           ) -> None:
    calls = []
    real = encoder_export.export
    monkeypatch.setattr(encoder_export, "export", lambda *a: (calls.append(a), real(*a)))
    own = Store(Settings(home=tmp_path, offline=True))
    first, second = load(folder, own, "openvino"), load(folder, own, "openvino")
    assert len(calls) == 1
    assert first.signature == second.signature
    ids, mask, types = batch(folder, ["hello"])
    np.testing.assert_array_equal(*(e.run(ids, mask, types)["last_hidden_state"]
                                    for e in (first, second)))


def test_what_the_converting_process_refuses_arrives_as_its_sentence(tmp_path: Path) -> None:
    source, whole = (tiny_encoders.build(tmp_path / name) for name in ("source", "whole"))
    tiny_encoders.without(source, "encoder.layer.0.output.dense.weight")
    with pytest.raises(ModelUnavailableError, match="lack some of the weights"):
        encoder_export.export(convert.Job("safetensors", str(source), str(tmp_path)))
    with pytest.raises(RuntimeError, match="ended with"):
        encoder_export.export(convert.Job("safetensors", str(whole), str(whole / "config.json")))


def test_the_key_of_a_conversion_changes_with_the_weights(tmp_path: Path) -> None:
    keys = []
    for seed in (0, 1):
        source = tiny_encoders.build(tmp_path / str(seed) / "m", seed=seed)
        keys.append(encoders.conversion_key(catalogue().resolve(str(source)), source))
    assert keys[0] != keys[1]
    assert {"openvino", "torch", "transformers", "digest", "recipe"} <= set(keys[0])


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_many_threads_get_what_one_gets(folder: Path, store: Store, here: None,
                                        runtime: str) -> None:
    encoder = load(folder, store, runtime)
    batches = [batch(folder, tiny_encoders.TEXTS[i % 6:] or tiny_encoders.TEXTS)
               for i in range(24)]
    alone = [encoder.run(*b)["last_hidden_state"] for b in batches]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda b: encoder.run(*b)["last_hidden_state"], batches * 3))
    for index, got in enumerate(together):
        np.testing.assert_allclose(got, alone[index % 24], atol=1e-6)
    encoder.close()
    with pytest.raises(RuntimeFailure, match="closed"):
        encoder.run(*batches[0])


@pytest.fixture(scope="module")
def crowded(folder: Path, store: Store) -> Iterator[LoadedEncoder]:
    encoder = load(folder, store, None)
    yield encoder
    encoder.close()


def test_a_batch_past_the_positions_fails_with_a_sentence_and_the_next_one_works(
        crowded: LoadedEncoder) -> None:
    long = np.full((1, 200), 7, dtype=np.int64)
    for _ in range(4):  # more often than there are requests: none may be lost
        with pytest.raises(RuntimeFailure, match="fewer or shorter"):
            crowded.run(long, np.ones_like(long))
    short = long[:, :5]
    assert crowded.run(short, np.ones_like(short))["last_hidden_state"].shape == (1, 5, 32)


def test_a_signature_survives_its_json() -> None:
    signature = Signature(("logits",), ("ja", "nein", "über"), True, 7, 48)
    assert Signature.from_json(signature.to_json()) == signature


# Batches


def test_batches_hold_every_index_once_within_both_limits() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        lengths = random.integers(1, 300, size=int(random.integers(1, 120))).tolist()
        batches = plan(lengths, max_texts=8, max_tokens=512)
        assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
        for found in batches:
            assert len(found) <= 8
            assert len(found) == 1 or len(found) * max(lengths[i] for i in found) <= 512


def test_batches_pad_with_the_given_id_and_mask_it() -> None:
    rows, types = [[5, 6, 7], [8]], [[0, 1, 1], [0]]
    (indices, ids, mask, kinds), = in_batches(rows, types, pad_id=9)
    assert indices == [1, 0]
    assert ids.tolist() == [[8, 9, 9], [5, 6, 7]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert kinds.tolist() == [[0, 0, 0], [0, 1, 1]]
