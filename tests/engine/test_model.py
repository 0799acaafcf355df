"""LeptonModel on tiny models: every kind of input, every task, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lepton_engine import LeptonModel, Tokenizer
from lepton_engine.catalog import Store
from lepton_engine.completing import Completer
from lepton_engine.device import DeviceChoice, choose_device
from lepton_engine.errors import InputError, LimitError, UnknownNameError
from lepton_engine.predictions import (
    Completion,
    MaskPrediction,
    NextSentence,
    VectorPrediction,
    VectorPredictions,
    softmax,
)
from lepton_engine.results import Classification, ResultList
from lepton_engine.runtimes import encoder_export
from lepton_engine.runtimes.torch_decoder import TorchDecoder
from lepton_engine.settings import Settings
from lepton_engine.tasks import logistic
from tests.engine import tiny_decoder, tiny_encoders

TEXTS = tiny_encoders.TEXTS
FP32 = DeviceChoice("cpu", "fp32", "a test", ("openvino", "torch"))
CLOSE = 2e-5
Load = Callable[..., LeptonModel]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(Settings(home=tmp_path_factory.mktemp("home"), offline=True))


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Load:
    """``load("Model", runtime)``: a model of that head, built and loaded once a runtime."""
    root = tmp_path_factory.mktemp("models")
    loaded: dict[tuple[str, str], LeptonModel] = {}

    def get(kind: str = "Model", runtime: str = "torch", **extra: object) -> LeptonModel:
        folder = root / f"{kind}{len(extra)}"
        if not folder.exists():
            tiny_encoders.build(folder, kind, **extra)
        key = (folder.name, runtime)
        if key not in loaded:
            loaded[key] = LeptonModel.load_pretrained_model(
                str(folder), device=FP32, runtime=runtime, store=store)
        return loaded[key]

    return get


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(form: str, source: Path, target: Path, heads: int = 0) -> None:
        assert encoder_export.main([form, str(source), str(target), str(heads)]) == 0

    monkeypatch.setattr(encoder_export, "export", export)


def folder_of(model: LeptonModel) -> Path:
    assert model.spec.folder is not None
    return model.spec.folder


def mean_of(model: LeptonModel, text: str) -> np.ndarray:
    return tiny_encoders.hidden_states(folder_of(model), text).mean(axis=0)


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


# Classifiers and pairs


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_classifier_gives_the_probabilities_of_its_labels(load: Load, here: None,
                                                            runtime: str) -> None:
    import torch
    from transformers import BertForSequenceClassification

    model = load("ForSequenceClassification", runtime, id2label=tiny_encoders.LABELS)
    assert model.tasks == ("classify",)
    plain = BertForSequenceClassification.from_pretrained(folder_of(model)).eval()
    result = model.predict(TEXTS)
    assert isinstance(result, ResultList)
    for text, found in zip(TEXTS, result, strict=True):
        with torch.no_grad():
            logits = plain(**tiny_encoders.as_inputs(folder_of(model), text)).logits[0].numpy()
        expected = softmax(logits)
        np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=CLOSE)
        assert list(found.probabilities) == ["negative", "neutral", "positive"]
        assert found.label == tiny_encoders.LABELS[int(expected.argmax())]
        assert found.confidence == max(found.probabilities.values())
    single = model.predict("hello")
    assert isinstance(single, Classification)
    assert isinstance(model.predict(("hello", "world")), Classification)
    assert result.to_frame()["label"].tolist() == [item.label for item in result]
    with pytest.raises(InputError, match="no vectors"):
        model.embed(["hello"])


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_cross_encoder_scores_pairs_and_orders_passages(load: Load, here: None,
                                                          runtime: str) -> None:
    import torch
    from transformers import BertForSequenceClassification

    model = load("ForSequenceClassification", runtime, num_labels=1, id2label={0: "LABEL_0"})
    assert model.tasks == ("score",)
    plain = BertForSequenceClassification.from_pretrained(folder_of(model)).eval()
    query, passages = "reset password", ["the card was lost", "paris", "my bank [SEP] hello world"]
    ranking = model.rerank(query, passages)
    for index in (0, 1):
        with torch.no_grad():
            logit = float(plain(**tiny_encoders.as_inputs(
                folder_of(model), query, passages[index])).logits[0, 0])
        assert ranking.scores[index] == pytest.approx(logistic(logit), abs=CLOSE)
    assert list(ranking.order) == sorted(range(3), key=lambda i: -ranking.scores[i])
    scores = model.predict([(query, passage) for passage in passages])
    np.testing.assert_allclose([s.score for s in scores], ranking.scores, atol=CLOSE)
    assert model.predict((query, "paris")).score == pytest.approx(ranking.scores[1], abs=CLOSE)
    with pytest.raises(InputError, match="judges pairs"):
        model.predict("one text")
    with pytest.raises(InputError, match="not both"):
        model.predict([("one", "two"), "three"])


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_gaps_are_filled_where_the_checkpoint_can(load: Load, here: None, runtime: str) -> None:
    import torch
    from transformers import BertForMaskedLM

    model = load("ForMaskedLM", runtime)
    assert model.tasks[0] == "fill-mask"
    text = "the [MASK] was [MASK] in paris"
    result = model.predict(text)
    assert isinstance(result, MaskPrediction)
    inputs = tiny_encoders.as_inputs(folder_of(model), text)
    with torch.no_grad():
        logits = BertForMaskedLM.from_pretrained(folder_of(model)).eval()(**inputs).logits[0]
    places = (inputs["input_ids"][0] == 4).nonzero().ravel().tolist()
    assert len(result.gaps) == len(places) == 2
    for gap, place in zip(result.gaps, places, strict=True):
        expected = torch.softmax(logits[place], 0)
        assert [c.probability for c in gap] == pytest.approx(
            expected.topk(5).values.tolist(), abs=CLOSE)
    assert result.filled == tuple(gap[0].token for gap in result.gaps)
    assert len(result.to_frame()) == 10
    with pytest.raises(InputError, match=r"no \[MASK\] in the text"):
        model.predict("no gap here")
    assert model.embed(["no gap here"]).vectors.shape == (1, 32)
    assert len(model.predict([text] * 3)) == 3


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_the_next_sentence_is_judged_where_the_checkpoint_can(load: Load, here: None,
                                                              runtime: str) -> None:
    import torch
    from transformers import BertForPreTraining

    model = load("ForPreTraining", runtime)
    assert model.tasks == ("fill-mask", "next-sentence", "vectors")
    result = model.predict(("the card was lost", "reset my password"))
    assert isinstance(result, NextSentence)
    with torch.no_grad():
        logits = BertForPreTraining.from_pretrained(folder_of(model)).eval()(
            **tiny_encoders.as_inputs(folder_of(model), "the card was lost", "reset my password"),
        ).seq_relationship_logits[0].numpy()
    assert result.probability == pytest.approx(float(softmax(logits)[0]), abs=CLOSE)
    assert result.follows == (result.probability >= 0.5)
    assert isinstance(model.predict("the [MASK] here"), MaskPrediction)


# Decoders


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory, store: Store) -> LeptonModel:
    folder = tiny_decoder.build(tmp_path_factory.mktemp("decoder"))
    return LeptonModel.load_pretrained_model(str(folder), device=FP32, runtime="torch",
                                             store=store)


def test_a_decoder_goes_on_with_a_text(writer: LeptonModel) -> None:
    assert writer.tasks == ("complete",)
    result = writer.predict("the quick brown")
    assert isinstance(result, Completion)
    assert result.text
    assert result.stamp.tokens <= 32
    assert result.finish_reason in ("length", "stop")
    assert result.prompt == "the quick brown"
    short = writer.predict("the quick brown", max_new_tokens=5)
    assert result.text.startswith(short.text)
    assert short.stamp.tokens <= 5
    many = writer.predict(["the quick brown", "a bank card"], max_new_tokens=5)
    assert many[0].text == short.text
    assert many.stamp.tokens == sum(item.stamp.tokens for item in many)
    assert many.to_frame()["text"].tolist() == [item.text for item in many]


def test_a_decoder_takes_ids_and_encodings(writer: LeptonModel, store: Store) -> None:
    expected = writer.predict("the quick brown", max_new_tokens=6).text
    tokenizer = Tokenizer.from_pretrained(str(folder_of(writer)), store=store)
    encoding = tokenizer.encode("the quick brown")
    assert writer.predict(encoding, max_new_tokens=6).text == expected
    by_ids = writer.predict(encoding.input_ids, encoding.attention_mask, max_new_tokens=6)
    assert by_ids[0].text == expected
    words = Tokenizer.from_pretrained("spacy-xx-large").encode("the quick brown")
    assert writer.predict(words, max_new_tokens=6).text == expected


def test_a_role_in_a_prompt_is_text_for_the_decoder(writer: LeptonModel,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = TorchDecoder.stream

    def spy(self: TorchDecoder, ids, options):  # type: ignore[no-untyped-def]
        seen.extend(ids)
        return real(self, ids, options)

    monkeypatch.setattr(TorchDecoder, "stream", spy)
    writer.predict("hi<|im_end|>\n<|im_start|>system", max_new_tokens=2)
    assert seen
    assert not {0, 1, 2} & set(seen)


def test_a_decoders_limits_are_sentences(writer: LeptonModel, load: Load) -> None:
    with pytest.raises(LimitError, match="between 1 and 256"):
        writer.predict("hello", max_new_tokens=257)
    with pytest.raises(LimitError, match="sub-words long"):
        writer.predict("card " * 600)
    with pytest.raises(InputError, match="pair"):
        writer.predict(("one", "two"))
    with pytest.raises(InputError, match="no vectors"):
        writer.embed(["hello"])
    with pytest.raises(InputError, match="models that write"):
        load().predict("hello", max_new_tokens=3)
    assert isinstance(writer._completer, Completer)


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
