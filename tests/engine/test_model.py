"""LeptonModel on tiny models: vectors, other tokenizers, and what it says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lepton_engine import LeptonModel, Tokenizer
from lepton_engine.catalog import Store
from lepton_engine.device import choose_device
from lepton_engine.errors import InputError, UnknownNameError
from lepton_engine.predictions import (
    VectorPrediction,
    VectorPredictions,
)
from tests.engine import tiny_encoders
from tests.engine.tiny_models import CLOSE, FP32, Load, folder_of, mean_of

TEXTS = tiny_encoders.TEXTS


# Vectors


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_batch_equals_one_by_one_equals_plain_transformers(load: Load, here: None,
                                                             runtime: str) -> None:
    model = load("Model", runtime)
    together = model.predict(TEXTS)
    assert isinstance(together, VectorPredictions)
    assert together.vectors.shape == (len(TEXTS), 32)
    for index, text in enumerate(TEXTS):
        alone = model.predict(text)
        assert isinstance(alone, VectorPrediction)
        np.testing.assert_allclose(together[index].vectors, alone.vectors, atol=CLOSE)
        np.testing.assert_allclose(together[index].token_vectors, alone.token_vectors, atol=CLOSE)
        np.testing.assert_allclose(alone.vector, mean_of(model, text), atol=CLOSE)
        inner = tiny_encoders.hidden_states(folder_of(model), text)[1:-1]
        np.testing.assert_allclose(alone.token_vectors, inner, atol=CLOSE)
    assert model.info.runtime == runtime
    assert together.stamp.runtime == runtime


def test_on_a_processor_the_stamp_names_openvino(load: Load, store: Store, here: None) -> None:
    folder = folder_of(load())
    model = LeptonModel.load_pretrained_model(str(folder), device="cpu", store=store)
    stamp = model.predict("hello world").stamp
    assert stamp.runtime == "openvino"
    assert stamp.device == "cpu"
    assert stamp.precision == choose_device("cpu").precision
    assert stamp.variant == model.variant
    assert stamp.tokens == 4
    assert stamp.latency_ms > 0
    assert stamp.tokens_per_second == pytest.approx(stamp.tokens / stamp.latency_ms * 1000)


def test_tokens_stand_at_their_characters(load: Load) -> None:
    text = "Reseting my cafe\u0301, 你好!"
    result = load().predict(text)
    shown = [text[start:end] for start, end in result.offsets]
    assert shown[:3] == ["Reset", "ing", "my"]
    assert "你" in shown
    assert len(result.tokens) == len(result.offsets) == len(result.token_vectors)


def test_many_texts_come_back_in_their_order(load: Load) -> None:
    random = np.random.default_rng(5)
    texts = [" ".join(random.choice(["reset", "card", "bank", "film"], size=n))
             for n in random.integers(1, 30, size=90)]
    model = load()
    result = model.predict(texts)
    for index in range(0, 90, 7):
        np.testing.assert_allclose(result[index].vector, model.predict(texts[index]).vector,
                                   atol=CLOSE)
        assert result[index].text == texts[index]


def test_pooling_and_length_are_taken_from_the_models_own_files(tmp_path: Path,
                                                                store: Store) -> None:
    folder = tiny_encoders.build(tmp_path / "own")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Normalize"}]')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 10}')
    model = LeptonModel.load_pretrained_model(str(folder), device=FP32, runtime="torch",
                                              store=store)
    first = tiny_encoders.hidden_states(folder, "the bank")[0]
    np.testing.assert_allclose(model.predict("the bank").vector, first / np.linalg.norm(first),
                               atol=CLOSE)
    assert model.max_length == 10


def test_embed_gives_unit_vectors_with_their_texts(load: Load) -> None:
    model = load()
    result = model.embed(TEXTS)
    assert result.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-6)
    mean = mean_of(model, TEXTS[0])
    np.testing.assert_allclose(result.vectors[0], mean / np.linalg.norm(mean), atol=CLOSE)
    assert result.texts == tuple(TEXTS)
    with pytest.raises(InputError, match="list of str"):
        model.embed("one text")
    with pytest.raises(InputError, match="empty"):
        model.embed([])
    with pytest.raises(InputError, match="empty"):
        model.embed(["one", " "])
    with pytest.raises(InputError, match="does not judge pairs"):
        model.rerank("one", ["two"])


# Tokenizers of others


@pytest.mark.parametrize("text", [
    "reset my password", "你好世界, hello", "cafe\u0301 reseting 👩\u200d👩 x\x00y  z",
    "\tpasswords\n\nthe  bank "])
@pytest.mark.parametrize("alias", ["spacy-xx-large", "spacy-zh-large"])
def test_words_of_spacy_meet_the_models_sub_words(load: Load, alias: str, text: str) -> None:
    model = load()
    encoding = Tokenizer.from_pretrained(alias).encode(text)
    result = model.predict(encoding)
    assert result.words == encoding.words
    assert result.word_offsets == encoding.offsets
    assert result.word_vectors.shape == (len(encoding.words), 32)
    np.testing.assert_allclose(result.vectors, model.predict(text).vectors, atol=1e-6)
    for word, (start, end) in zip(result.word_vectors, encoding.offsets, strict=True):
        own = [v for v, (s, e) in zip(result.token_vectors, result.offsets, strict=True)
               if max(s, start) < min(e, end)]
        np.testing.assert_allclose(word, np.mean(own, axis=0) if own else np.zeros(32), atol=1e-6)
    assert np.abs(result.word_vectors).sum() > 0


def test_tokens_and_plain_lists_are_one_text(load: Load) -> None:
    model, tokenizer = load(), Tokenizer.from_pretrained("spacy-xx-large")
    tokens = tokenizer.tokenize("hello, world")
    assert model.predict(tokens).words == ("hello", ",", "world")
    assert len(model.predict([tokens, tokenizer.encode("my card"), "the bank"])) == 3
    listed = model.predict(tokenizer.encode(["my", "password", "👧"]))
    assert listed.words == ("my", "password", "👧")
    np.testing.assert_allclose(listed.vector, model.predict("my password 👧").vector, atol=1e-6)


def test_another_models_sub_words_are_aligned_but_its_ids_are_refused(
        load: Load, store: Store, tmp_path: Path) -> None:
    model = load()
    other = tiny_encoders.build(tmp_path / "other")
    path = other / "tokenizer.json"
    swapped = path.read_text(encoding="utf-8").replace('"password":', '"passwort":')
    path.write_text(swapped, encoding="utf-8")
    foreign = Tokenizer.from_pretrained(str(other), store=store).encode("my password")
    assert model.predict(foreign).words[:1] == ("my",)
    assert len(model.predict(foreign).words) > 2
    with pytest.raises(InputError, match="another vocabulary"):
        model.predict(foreign.input_ids, foreign.attention_mask)
    own = Tokenizer.from_pretrained(str(folder_of(model)), store=store).encode("my password")
    assert own.vocabulary == model.vocabulary
    by_ids = model.predict(own.input_ids, own.attention_mask)
    np.testing.assert_allclose(by_ids.vectors, model.predict("my password").vectors, atol=CLOSE)


# Names


def test_names_that_are_no_model_get_a_sentence(store: Store) -> None:
    with pytest.raises(UnknownNameError, match="minilm-l6"):
        LeptonModel.load_pretrained_model("minilm-16", store=store)
    with pytest.raises(InputError, match=r"Tokenizer\.from_pretrained"):
        LeptonModel.load_pretrained_model("spacy-en", store=store)
    with pytest.raises(InputError, match="Engine"):
        LeptonModel.load_pretrained_model("films", store=store)


def test_a_model_says_what_it_is(load: Load) -> None:
    model = load()
    assert model.tasks == ("vectors",)
    assert model.languages == ()
    assert model.max_length == 48
    assert model.memory_bytes > 10_000
    assert len(model.vocabulary) == 64
