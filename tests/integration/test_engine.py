"""The engine on real weights: tasks, names, limits, loading once, memory, no network.

The files come from ``LEPTON_HOME``; what is missing is fetched. The language model's own
tests are in `test_engine_chat`.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lepton_engine import Engine, LeptonError, Settings
from lepton_engine.errors import InputError, LimitError, UnknownNameError
from lepton_engine.loaders import Loaders

pytestmark = pytest.mark.integration

TEXTS = ["I lost my bank card.", "Profits rose sharply in the third quarter.",
         "A film about a shark that scares a seaside town off the beach every summer day."]
HEADLINES = ["Nvidia shares plunge after weak outlook", "Apple profit beats every estimate",
             "The company will hold its annual meeting in May"]
SMALL = 5e-3  # bf16 keeps eight bits; padding changes the order of sums


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(device="cpu") as made:
        yield made


def test_vectors_say_what_they_mean_and_who_made_them(engine: Engine) -> None:
    result = engine.embed(["reset my password", "How do I change my login password?",
                           "The Seine flows through Paris."])
    assert result.vectors.shape == (3, 384)
    assert result.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-5)
    near = result.vectors @ result.vectors[0]
    assert near[1] > 0.6 > 0.2 > near[2]
    recipe = engine.recipe_for("minilm-l6")
    assert len(recipe) == 1, "the gate let a variant through"
    assert result.stamp.variant == f"minilm-l6/{recipe}@openvino:cpu"
    assert engine.embed(["x"], recipe="original").stamp.variant.startswith("minilm-l6/original@")
    assert result.stamp.runtime == "openvino"
    assert result.stamp.latency_ms > 0
    assert result.to_frame().shape == (3, 384)


def test_chinese_takes_the_multilingual_model(engine: Engine) -> None:
    result = engine.embed(["我想重置我的密码。", "reset my password", "今天天气很好"],
                          "use-multilingual")
    near = result.vectors @ result.vectors[0]
    assert result.vectors.shape == (3, 512)
    assert near[1] > near[2] + 0.3
    assert result.stamp.runtime == "openvino"


@pytest.mark.parametrize("model", ["minilm-l6", "use-multilingual"])
def test_a_batch_is_what_one_by_one_is(engine: Engine, model: str) -> None:
    together = engine.embed(TEXTS, model).vectors
    alone = np.concatenate([engine.embed([text], model).vectors for text in TEXTS])
    assert np.abs(together - alone).max() < SMALL
    assert ((together * alone).sum(axis=1) > 0.9999).all()


def test_headlines_get_their_sign(engine: Engine) -> None:
    found = engine.classify(HEADLINES, "finance-sentiment")
    assert [item.label for item in found] == ["negative", "positive", "neutral"]
    for item in found:
        assert sum(item.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert item.confidence == max(item.probabilities.values())
    alone = [engine.classify([text], "finance-sentiment")[0] for text in HEADLINES]
    for one, many in zip(alone, found, strict=True):
        assert one.label == many.label
        assert one.confidence == pytest.approx(many.confidence, abs=2e-2)
    assert list(found.to_frame()["label"]) == ["negative", "positive", "neutral"]


def test_intents_are_found_and_foreign_wishes_refused(engine: Engine) -> None:
    lost, cake = engine.classify(["My card has been stolen, block it please",
                                  "How long do I bake a chocolate cake?"], "bank-intent")
    assert lost.label in ("lost_or_stolen_card", "compromised_card")
    assert lost.accepted
    assert not cake.accepted


def test_a_card_says_where_a_head_comes_from(engine: Engine) -> None:
    for name in ("finance-sentiment", "bank-intent"):
        card = engine.adapter_card(name)
        assert {"licence", "seed", "split", "scores", "at_threshold"} <= set(card), name
        assert all({"name", "licence", "citation"} <= set(source) for source in card["data"])


def test_passages_are_ranked_against_a_question(engine: Engine) -> None:
    ranking = engine.rerank("how to reset a password", [
        "The bank closes at five.", "Open Settings and choose “Reset password”."])
    assert ranking.order == (1, 0)
    assert ranking.scores[1] > 0.9 > 0.1 > ranking.scores[0]
    assert ranking.stamp.runtime == "openvino"


def test_entities_stand_at_their_characters(engine: Engine) -> None:
    texts = ["Microsoft bought Activision Blizzard.", "Nothing to see here."]
    found = engine.entities(texts)
    names = {e.text for e in found[0]}
    assert "Microsoft" in names
    assert all(texts[0][e.start:e.end] == e.text for e in found[0])
    assert found[1] == ()
    assert found.stamp.variant == "spacy-en/original@spacy:cpu"


def test_a_data_set_is_a_folder_of_files(engine: Engine) -> None:
    folder = engine.data("films")
    assert {"movie_summaries.json", "movies.db"} <= {p.name for p in folder.iterdir()}


@pytest.mark.parametrize(("call", "name", "hint"), [
    (lambda e, n: e.embed(["x"], n), "minilm-16", "Did you mean minilm-l6"),
    (lambda e, n: e.embed(["x"], n), "reranker", "There is no encoder or multilingual-encoder"),
    (lambda e, n: e.classify(["x"], n), "finance-sentimnt", "finance-sentiment"),
    (lambda e, n: e.rerank("x", ["y"], n), "rerank", "reranker"),
    (lambda e, n: e.chat([{"role": "user", "content": "x"}], model=n), "qwen-0.5", "qwen-0.5b"),
    (lambda e, n: e.data(n), "film", "films"),
    (lambda e, n: e.adapter_card(n), "bank-intents", "bank-intent"),
])
def test_an_unknown_name_gets_the_nearest(engine: Engine, call: Any, name: str,
                                          hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint) as caught:
        call(engine, name)
    assert name in str(caught.value)
    assert len(caught.value.id) == 8


@pytest.mark.parametrize("call", [
    lambda e: e.embed("one text"), lambda e: e.classify(["a", 7], "finance-sentiment"),
    lambda e: e.rerank("q", "passages"), lambda e: e.entities(None),
])
def test_what_is_no_list_of_texts_is_refused(engine: Engine, call: Any) -> None:
    with pytest.raises(InputError, match=r"list of texts|not a text"):
        call(engine)


def test_a_lone_surrogate_is_replaced_before_any_tokenizer(engine: Engine) -> None:
    broken, clean = engine.embed(["pay \ud800 now", "pay \ufffd now"]).vectors
    assert np.abs(broken - clean).max() < SMALL


def test_no_text_takes_the_engine_down(engine: Engine) -> None:
    odd = ["a" * 20_000, "\x00\x1b[31m", "🙂" * 600, "[CLS][SEP][MASK]<|im_end|>"]
    vectors = engine.embed(odd).vectors
    assert np.isfinite(vectors).all()
    with pytest.raises(LimitError):
        engine.chat([{"role": "user", "content": "a" * 4_001}])


def test_two_threads_that_ask_at_once_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: Counter[str] = Counter()
    load = Loaders.load

    def counted(self: Loaders, name: str, *more: Any) -> Any:
        loads[name] += 1
        return load(self, name, *more)

    monkeypatch.setattr(Loaders, "load", counted)
    start = threading.Barrier(4)
    vectors: list[np.ndarray] = []

    with Engine(device="cpu") as engine:
        def ask() -> None:
            start.wait()
            vectors.append(engine.embed(["reset my password"]).vectors)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert loads == {"minilm-l6": 1}
    assert len(vectors) == 4
    assert all(np.array_equal(v, vectors[0]) for v in vectors)


def test_a_small_budget_unloads_what_was_used_longest_ago() -> None:
    # Either model alone is past 50 MB, so the two never stay together.
    settings = replace(Settings.from_env(), memory_mb=50)
    with Engine(device="cpu", settings=settings) as engine:
        first = engine.embed(["reset my password"]).vectors
        assert engine.status().state_of("minilm-l6").state == "ready"
        engine.rerank("a question", ["a passage"])
        state = engine.status().state_of("minilm-l6")
        assert (state.state, state.detail) == ("unloaded", "unloaded to make room")
        assert engine.status().state_of("reranker").state == "ready"
        again = engine.embed(["reset my password"]).vectors
        assert engine.status().state_of("reranker").state == "unloaded"
        assert np.array_equal(first, again)
        assert engine.status().budget_bytes == 50_000_000


def test_preloading_goes_on_behind_and_shows_itself() -> None:
    with Engine(device="cpu") as engine:
        engine.preload(["minilm-l6", "spacy-en"])
        assert {m.name for m in engine.status().models} == {"minilm-l6", "spacy-en"}
        for _ in range(600):
            states = {m.state for m in engine.status().models}
            if states == {"ready"}:
                break
            threading.Event().wait(0.1)
        assert states == {"ready"}
        status = engine.status()
        assert status.device == "cpu"
        assert status.reason.endswith(".")
        recipe = engine.recipe_for("minilm-l6")
        assert f"minilm-l6/{recipe}@openvino:cpu" in status.variants
        assert status.memory_bytes > 50_000_000


def test_a_filled_store_needs_no_network(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.embed(["x"])  # the store holds the model now, as fetched and as converted
    engine.entities(["x"])

    def refuse(*_: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    settings = replace(Settings.from_env(), offline=True)
    with Engine(device="cpu", settings=settings) as offline:
        assert offline.embed(["x"]).vectors.shape == (1, 384)
        assert len(offline.entities(["x"])) == 1


def test_a_model_that_is_not_there_offline_is_a_sentence(tmp_path: Any) -> None:
    settings = Settings(home=tmp_path, offline=True)
    with Engine(device="cpu", settings=settings) as engine:
        with pytest.raises(LeptonError, match="LEPTON_OFFLINE") as caught:
            engine.embed(["x"])
        state = engine.status().state_of("minilm-l6")
        assert state.state == "failed"
        assert caught.value.id in state.detail
        assert str(tmp_path) not in state.detail
