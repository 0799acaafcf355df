"""Low-rank adapters on a tiny encoder: trained, kept, merged, served, and refused when damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from lepton_engine import adapted
from lepton_engine.catalog import Store
from lepton_engine.catalog.outside import folder_spec
from lepton_engine.device import choose_device
from lepton_engine.errors import DigestError, ModelUnavailableError
from lepton_engine.model import LeptonModel
from lepton_engine.training import lora
from lepton_engine.training.adapting import Adapted, AdaptedEncoder, Schedule, adapt
from lepton_engine.training.making import targets
from lepton_engine.training.sub_words import sub_words
from tests.engine import tiny_encoders

GOOD, BAD = "hello world card", "password lost film"
TEXTS = [f"{words} {extra}" for extra in ("paris", "bank", "the", "my", "was", "cafe")
         for words in (GOOD, BAD)]
TRUTH = [index % 2 for index in range(len(TEXTS))]
SHAPE = lora.Shape(rank=2, alpha=4, dropout=0.0)
SCHEDULE = Schedule(epochs=8, batch=4, rate=5e-3, average=0.5, shape=SHAPE)
START = (np.zeros((2, 32), np.float32), np.zeros(2, np.float32))


@pytest.fixture(scope="module")
def learned(folder: Path) -> Adapted:
    rows = sub_words(folder, TEXTS)
    return adapt(folder, lambda number: (rows, targets(TRUTH, 2, 0.05)), START, SCHEDULE)


@pytest.fixture
def place(learned: Adapted, tmp_path: Path) -> Path:
    """A folder of adapters with one in it."""
    where = tmp_path / "adapters" / "tiny-adapter"
    facts = adapted.save_update(learned.updates, SHAPE.scaling, where)
    (where / adapted.CARD).write_text(json.dumps({"lora": facts, "trunk": "tiny"}), "utf-8")
    return where


@pytest.fixture(autouse=True)
def tiny_trunk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue knows the tiny encoder as ``tiny``."""
    spec = folder_spec(folder, alias="tiny")

    class One:
        specs: ClassVar = {"tiny": spec}

        @staticmethod
        def resolve(name: str) -> object:
            assert name == "tiny"
            return spec

    monkeypatch.setattr(adapted, "catalogue", One)


def vectors(place: Path, store: Store, texts: Sequence[str] = TEXTS) -> np.ndarray:
    spec = adapted.resolve(f"tiny+{place.name}", store, place.parent)
    with LeptonModel.of_spec(spec, store, choose_device("cpu"), "torch") as model:
        return model.embed(texts).vectors


def test_what_is_served_is_what_was_trained(place: Path, learned: Adapted, store: Store,
                                            folder: Path) -> None:
    import torch

    trained = AdaptedEncoder(folder, SHAPE, 2, 0.0).eval()
    with torch.no_grad():
        for name, parameter in trained.encoder.named_parameters():
            if "lora_" in name:
                key = name.removeprefix("base_model.model.").replace(".default.weight", "")
                parameter.copy_(torch.from_numpy(learned.updates[key].astype(np.float32)))
        expected = [trained.vectors(torch.tensor([ids]), torch.ones(1, len(ids)))[0].numpy()
                    for ids in sub_words(folder, TEXTS)]
    found = vectors(place, store)
    assert np.abs(found - np.stack(expected)).max() < 2e-3
    guess = (found @ learned.weight.T + learned.bias).argmax(axis=1)
    assert guess.tolist() == TRUTH
    assert (guess[::-1] != np.array(TRUTH)).any()


def test_an_update_moves_the_vectors_and_a_zero_one_does_not(
        place: Path, learned: Adapted, store: Store, folder: Path) -> None:
    with LeptonModel.of_spec(folder_spec(folder, alias="plain"), store, choose_device("cpu"),
                             "torch") as model:
        plain = model.embed(TEXTS).vectors
    assert np.abs(vectors(place, store) - plain).max() > 0.05
    nothing = place.with_name("nothing")
    zero = {name: array * 0 for name, array in learned.updates.items()}
    facts = adapted.save_update(zero, SHAPE.scaling, nothing)
    (nothing / adapted.CARD).write_text(json.dumps({"lora": facts, "trunk": "tiny"}), "utf-8")
    assert np.abs(vectors(nothing, store) - plain).max() < 1e-5


def test_every_linear_layer_is_updated_and_nothing_else(learned: Adapted) -> None:
    layers = {name.rpartition(".")[0] for name in learned.updates}
    assert len(layers) == 2 * 6  # two layers: query, key, value, and three dense
    assert all(".layer." in name for name in layers)
    assert {array.dtype for array in learned.updates.values()} == {np.dtype(np.float16)}


def test_a_damaged_update_is_never_opened(place: Path, store: Store) -> None:
    data = bytearray((place / adapted.LORA).read_bytes())
    data[-1] ^= 1
    (place / adapted.LORA).write_bytes(bytes(data))
    with pytest.raises(DigestError, match="train tiny-adapter"):
        adapted.resolve("tiny+tiny-adapter", store, place.parent)


def test_an_update_of_another_trunk_is_a_sentence(learned: Adapted) -> None:
    weights = {"encoder.layer.0.attention.self.query.weight": np.zeros((8, 8), np.float32)}
    with pytest.raises(ModelUnavailableError, match="does not fit"):
        lora.merge(weights, learned.updates, 2.0)


def test_half_an_adapter_is_a_sentence(place: Path, store: Store) -> None:
    (place / adapted.CARD).unlink()
    with pytest.raises(ModelUnavailableError, match="not complete"):
        adapted.resolve("tiny+tiny-adapter", store, place.parent)


def test_only_a_known_trunk_with_an_adapter_is_a_merged_name(place: Path) -> None:
    adapters = place.parent
    assert adapted.parts_of("tiny+tiny-adapter", adapters) == ("tiny", "tiny-adapter")
    for name in ("tiny", "tiny+other", "tiny+../tiny-adapter", "else+tiny-adapter", "tiny+"):
        assert adapted.parts_of(name, adapters) is None


def test_the_same_seed_gives_the_same_update(folder: Path, learned: Adapted) -> None:
    rows = sub_words(folder, TEXTS)
    again = adapt(folder, lambda number: (rows, targets(TRUTH, 2, 0.05)), START, SCHEDULE)
    assert all(np.array_equal(again.updates[name], array)
               for name, array in learned.updates.items())
    assert tiny_encoders.TEXTS  # the vocabulary knows the words above
