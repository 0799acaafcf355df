"""What LeptonModel takes and what it refuses: ids, texts, pairs, and how results read."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_engine import Tokenizer
from lepton_engine.catalog import Store
from lepton_engine.errors import InputError, LimitError
from lepton_engine.predictions import (
    VectorPredictions,
)
from tests.engine import tiny_encoders
from tests.engine.tiny_models import CLOSE, Load, folder_of

TEXTS = tiny_encoders.TEXTS


# Ids


def test_ids_of_every_shape_that_means_the_same(load: Load, store: Store) -> None:
    import torch

    model = load()
    tokenizer = Tokenizer.from_pretrained(str(folder_of(model)), store=store)
    ids = np.asarray(tokenizer.encode("the card was lost").input_ids)
    expected = model.predict("the card was lost").vectors
    left = np.concatenate([np.zeros((1, 3), dtype=np.int64), ids], axis=1)
    mask = (np.arange(left.shape[1]) >= 3).astype(np.int32)[None, :]
    for given in ((ids,), (ids.tolist(),), (torch.from_numpy(ids), torch.ones_like(
            torch.from_numpy(ids))), (left, mask), ({"input_ids": ids},)):
        result = model.predict(*given)
        assert isinstance(result, VectorPredictions)
        np.testing.assert_allclose(result.vectors, expected, atol=CLOSE)
        assert result[0].token_vectors.shape == (ids.shape[1], 32)
        assert result[0].tokens[0] == "[CLS]"


@pytest.mark.parametrize(("ids", "mask", "says"), [
    (np.array([2, 5, 3]), None, "shape"),
    (np.zeros((2, 2, 2), dtype=int), None, "shape"),
    (np.zeros((0, 4), dtype=int), None, "shape"),
    (np.array([[2.5, 3.0]]), None, "whole numbers"),
    (np.array([["a", "b"]]), None, "whole numbers"),
    ([[2, 5, 3], [2, 3]], None, "equal length"),
    (np.array([[2, 99_999]]), None, "vocabulary"),
    (np.array([[2, -1]]), None, "vocabulary"),
    (np.array([[2, 5, 3]]), np.array([[1, 1]]), "same"),
    (np.array([[2, 5, 3]]), np.array([[1, 0, 1]]), "stand together"),
    (np.array([[2, 5, 3]]), np.array([[0, 0, 0]]), "at least one 1"),
    (np.array([[2, 5, 3]]), np.array([[1, 2, 1]]), "1 for an id"),
])
def test_ids_that_mean_nothing_get_a_sentence(load: Load, ids: object, mask: object,
                                              says: str) -> None:
    with pytest.raises(InputError, match=says):
        load().predict(ids, mask)


def test_more_ids_than_positions_is_a_limit(load: Load) -> None:
    with pytest.raises(LimitError, match="at most 48 ids"):
        load().predict(np.full((1, 49), 5))


# Texts


@pytest.mark.parametrize("wrong", ["", "   ", [], ["one", ""], 3, None, b"one", ["one", 3],
                                   {"text": "one"}, [["a"], ["b"]]])
def test_what_is_no_text_gets_a_sentence(load: Load, wrong: object) -> None:
    with pytest.raises(InputError):
        load().predict(wrong)


def test_a_text_with_a_mask_gets_a_sentence(load: Load) -> None:
    with pytest.raises(InputError, match="belongs to input ids"):
        load().predict("text", np.ones((1, 1)))


def test_a_pair_needs_a_model_that_reads_pairs(load: Load) -> None:
    with pytest.raises(InputError, match="one text at a time"):
        load().predict(("one", "two"))


def test_a_long_text_is_cut_and_says_so(load: Load) -> None:
    model = load()
    long = "reset my card " * 40
    result = model.predict(long)
    assert result.truncated
    assert len(result.tokens) == model.max_length - 2
    assert result.stamp.note == "the text was cut at 48 sub-words"
    words = model.predict(Tokenizer.from_pretrained("spacy-xx-large").encode(long))
    assert np.abs(words.word_vectors[0]).sum() > 0
    assert np.abs(words.word_vectors[-1]).sum() == 0
    both = model.predict([long, "short"])
    assert both.stamp.note == "1 of 2 texts were cut at 48 sub-words"
    assert [item.truncated for item in both] == [True, False]
    assert model.predict("short").stamp.note == ""


def test_special_tokens_in_a_text_do_not_move_its_end(load: Load) -> None:
    result = load().predict("hello [SEP] world")
    assert "[SEP]" not in result.tokens
    assert [result.text[start:end] for start, end in result.offsets] == [
        "hello", "[", "S", "E", "P", "]", "world"]


def test_results_have_texts_and_tables(load: Load) -> None:
    model = load()
    one, many = model.predict("hello"), model.predict(["hello", "world"])
    assert "32 dimensions" in str(one)
    assert one.stamp.variant in one.to_text()
    assert one.to_frame().shape == (1, 34)
    assert many.to_frame()["text"].tolist() == ["hello", "world"]
    assert len(many.to_text().splitlines()) == 2
