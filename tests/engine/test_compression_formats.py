"""Encoders in each number format and after each torch step, loaded as any model is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lepton_engine.catalog import Store, catalogue
from lepton_engine.compression import STEPS, Recipe
from lepton_engine.compression.calibration import (
    as_pairs,
    bundled_texts,
    chosen_texts,
    encode,
    recipe_key,
)
from lepton_engine.compression.quantise import COMPILE
from lepton_engine.compression.report import read_report
from lepton_engine.device import DeviceChoice
from lepton_engine.errors import InputError
from lepton_engine.runtimes import encoders
from lepton_engine.runtimes.encoders import LoadedEncoder, load_encoder
from lepton_engine.subwords import HubVocabulary
from tests.engine import tiny_encoders

CPU = DeviceChoice("cpu", "fp32", "a test", ("openvino", "torch"))
TEXTS = [*tiny_encoders.TEXTS, "my bank card was lost in paris", "the world, my film, the card!"]


def load(folder: Path, store: Store, recipe: str, runtime: str = "openvino") -> LoadedEncoder:
    return load_encoder(catalogue().resolve(str(folder)), store, CPU, runtime,
                        recipe=Recipe.parse(recipe), texts=TEXTS)


def hidden(encoder: LoadedEncoder, folder: Path) -> np.ndarray:
    """(tokens, width) of all texts, padding left out."""
    found = []
    for batch in encode(HubVocabulary.from_folder(folder, 48), TEXTS, batch=4):
        out = encoder.run(batch.ids, batch.mask, batch.types)["last_hidden_state"]
        found.append(out[batch.mask.astype(bool)])
    return np.concatenate(found)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_each_format_is_close_and_says_what_it_did(folder: Path, store: Store,
                                                   here: None) -> None:
    plain = hidden(load(folder, store, "original"), folder)
    formats = {k: load(folder, store, k) for k, kind in STEPS.items() if kind.quantises}
    errors = {name: apart(hidden(encoder, folder), plain) for name, encoder in formats.items()}
    assert 1e-4 < errors["int8-weights"] < 0.05
    assert errors["int8-weights"] < errors["int8"] < 0.35
    assert errors["int8-weights"] < errors["int4"] < 0.6
    for name, encoder in formats.items():
        report, = encoder.report
        assert report.step == encoder.info.recipe == name
        assert len(report.changed) >= 12
        assert encoder.memory_bytes < load(folder, store, "original").memory_bytes


def test_original_has_no_report(folder: Path, store: Store, here: None) -> None:
    assert load(folder, store, "original").report == ()
    assert load(folder, store, "original", "torch").report == ()


@pytest.mark.parametrize("recipe", ["prune-neurons:0.5", "prune-heads:0.5", "low-rank:0.7",
                                    "prune-layers:0.5+distil:0.5"])
def test_both_runtimes_compute_the_same_compressed_network(folder: Path, store: Store,
                                                           here: None, recipe: str) -> None:
    served = load(folder, store, recipe)
    reference = load(folder, store, recipe, "torch")
    np.testing.assert_allclose(hidden(served, folder), hidden(reference, folder), atol=5e-4)
    assert [r.step for r in served.report] == recipe.split("+")
    assert [r.parameters_after for r in served.report] == [r.parameters_after
                                                           for r in reference.report]
    assert served.info.variant.endswith(f"/{recipe}@openvino:cpu")


def test_a_number_format_in_torch_is_refused_with_the_way_out(folder: Path, store: Store) -> None:
    with pytest.raises(InputError, match="openvino runtime"):
        load(folder, store, "prune-neurons:0.5+int8", "torch")


def test_the_report_lies_beside_the_model_with_its_sizes(folder: Path, store: Store,
                                                         here: None) -> None:
    load(folder, store, "prune-neurons:0.5+int8-weights")
    spec = catalogue().resolve(str(folder))
    key = encoders.conversion_key(spec, folder, Recipe.parse("prune-neurons:0.5+int8-weights"),
                                  TEXTS)
    report = read_report(store.converted(key, lambda _: pytest.fail("converted again")))
    assert report is not None
    assert report.recipe == "prune-neurons:0.5+int8-weights"
    assert report.bytes_published == (folder / "model.safetensors").stat().st_size
    assert report.bytes_after > 0
    neurons, numbers = report.steps
    assert neurons.parameters_after == numbers.parameters_before < neurons.parameters_before


def test_the_two_8_bit_weights_differ_in_what_the_runtime_is_told(folder: Path, store: Store,
                                                                 here: None) -> None:
    found = {}
    for name in ("int8-weights", "int8-dynamic"):
        load(folder, store, name)
        key = encoders.conversion_key(catalogue().resolve(str(folder)), folder,
                                      Recipe.parse(name), TEXTS)
        made = store.converted(key, lambda _: pytest.fail("converted again"))
        found[name] = json.loads((made / COMPILE).read_text())["DYNAMIC_QUANTIZATION_GROUP_SIZE"]
    assert found == {"int8-weights": 0, "int8-dynamic": 32}


# Texts


def test_the_key_changes_with_the_texts_only_where_they_matter() -> None:
    some, others = TEXTS, TEXTS[::-1]
    for text, matter in (("int8", True), ("int8-weights", False), ("low-rank:0.5+int4", True)):
        recipe = Recipe.parse(text)
        assert (recipe_key(recipe, some) != recipe_key(recipe, others)) is matter
    assert recipe_key(Recipe()) == {"recipe": "original"}


def test_bundled_texts_are_enough_and_unlike_each_other() -> None:
    texts = bundled_texts()
    assert len(texts) == len(set(texts)) >= 380
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) >= 5
    assert 90 <= max(lengths) <= 125
    assert chosen_texts(None) == texts


@pytest.mark.parametrize("texts", [[], ["one", "two"], ["  "] * 20, "a single string", [1] * 9])
def test_texts_that_cannot_serve_are_refused(texts: object) -> None:
    with pytest.raises(InputError):
        chosen_texts(texts)  # type: ignore[arg-type]


def test_pairs_are_half_related() -> None:
    pairs = as_pairs(bundled_texts()[:40])
    related = sum(passage.startswith(question) for question, passage in pairs)
    assert related == 20
