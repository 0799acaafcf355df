"""Classifiers, cross-encoders, fill-mask and next-sentence heads of LeptonModel."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_engine.errors import InputError
from lepton_engine.predictions import (
    MaskPrediction,
    NextSentence,
    softmax,
)
from lepton_engine.results import Classification, ResultList
from lepton_engine.tasks import logistic
from tests.engine import tiny_encoders
from tests.engine.tiny_models import CLOSE, Load, folder_of

TEXTS = tiny_encoders.TEXTS


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
