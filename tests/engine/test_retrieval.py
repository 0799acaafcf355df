"""Retrieval on the fake engine, whose vectors and scores are overlaps of words."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_engine.compression.recipe import Recipe
from lepton_engine.errors import InputError, ModelUnavailableError
from lepton_engine.results import Embeddings
from lepton_engine.retrieval import KnowledgeBase, Passage
from lepton_engine.retrieval_conversation import Lean, completed, lean
from lepton_engine.retrieval_index import LexicalIndex, fuse, tokens, windows
from lepton_engine.sentences import split
from tests.fakes import FakeEngine

TEXTS = {
    "freeze": ("Freeze a card", "A lost card is frozen in the app under Card tab. Frozen cards "
               "refuse every payment at once. Unfreezing takes one tap."),
    "transfer": ("Transfer times", "A transfer inside Europe arrives in one working day. A "
                 "transfer to Japan takes four working days. Weekends do not count."),
    "pin": ("Change the PIN", "The PIN is changed at any cash machine. Choose four digits that "
            "nobody guesses. The old PIN stops working immediately."),
    "savings": ("Savings pots", "Pots earn two percent interest a year. Interest is paid monthly. "
                "Money leaves a pot without notice."),
    "joint": ("Joint accounts", "Two adults may share a joint account. Both owners see every "
              "payment. Either owner can close it."),
}
CHINESE = {
    "freeze": ("冻结银行卡", "卡丢失后请在应用里冻结。冻结后任何付款都会被拒绝。解冻只需点一下。"),
    "savings": ("储蓄罐", "储蓄罐每年有百分之二的利息。利息按月支付。钱可以随时取出。"),
}
QUESTIONS = {
    "my card is lost, how is it frozen": "freeze",
    "how many days until a transfer to Japan arrives": "transfer",
    "change the four digits of my PIN": "pin",
    "how much interest do pots earn": "savings",
    "share an account with another adult": "joint",
}


def passages() -> list[Passage]:
    rows = [(k, t, "en") for k, t in TEXTS.items()] + [(k, t, "zh") for k, t in CHINESE.items()]
    return [Passage(f"{language}/{key}", key, title, text, language=language)
            for key, (title, text), language in rows]


def right(base: KnowledgeBase) -> int:
    return sum(base.search(question).hits[0].passage.document == document
               for question, document in QUESTIONS.items())


class CountingEngine(FakeEngine):
    """Counts the texts that were embedded, by model."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded: Counter[tuple[str, str]] = Counter()

    def embed(self, texts: Sequence[str], model: str = "minilm-l6", *,
              recipe: Recipe | str | None = None) -> Embeddings:
        self.embedded.update((model, text) for text in texts)
        return super().embed(texts, model, recipe=recipe)


def test_right_article_first_with_an_exact_quote() -> None:
    base = KnowledgeBase(FakeEngine(), passages())
    assert right(base) == len(QUESTIONS)
    found = base.search("how many days until a transfer to Japan arrives", k=3)
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    assert all(0 <= score <= 1 for score in scores)
    assert found.hits[0].quote == "A transfer to Japan takes four working days."
    for hit in found.hits:
        assert hit.passage.text[hit.start:hit.end] == hit.quote
    assert found.stamp.latency_ms > 0
    assert {p.variant.split("/")[0] for p in found.stamp.parts} == {
        "minilm-l6", "use-multilingual", "reranker"}


def test_order_of_the_passages_decides_nothing_but_their_texts_do() -> None:
    rows = passages()
    mixed = rows[:]
    random.Random(3).shuffle(mixed)
    one, other = KnowledgeBase(FakeEngine(), rows), KnowledgeBase(FakeEngine(), mixed)
    for question in QUESTIONS:
        left, right_ = one.search(question).hits, other.search(question).hits
        assert [h.passage.id for h in left] == [h.passage.id for h in right_]
    english = [p for p in rows if p.language == "en"]
    turned = [replace(p, text=q.text, title=q.title)
              for p, q in zip(english, [*english[1:], english[0]], strict=True)]
    assert right(KnowledgeBase(FakeEngine(), turned)) == 0


def test_searches_in_the_language_of_the_question() -> None:
    engine = FakeEngine()
    base = KnowledgeBase(engine, passages())
    hits = base.search("卡丢失了怎么冻结", language="zh").hits
    assert [h.passage.id for h in hits] == ["zh/freeze", "zh/savings"]
    assert hits[0].quote == "卡丢失后请在应用里冻结。"
    assert engine.calls["rerank"] == 0
    assert {h.passage.language for h in base.search("card lost", language="und").hits} == {"en"}
    assert engine.calls["rerank"] == 1


def test_other_languages_read_english_by_meaning_alone() -> None:
    engine = FakeEngine(synonyms={"karte": "card", "verloren": "lost"})
    base = KnowledgeBase(engine, passages())
    found = base.search("karte verloren", language="de")
    assert found.hits[0].passage.id == "en/freeze"
    assert engine.calls["rerank"] == 0
    assert {p.variant.split("/")[0] for p in found.stamp.parts} == {"use-multilingual"}


@pytest.mark.parametrize(("history", "question", "expected"), [
    (["how long does a transfer to Japan take"], "and at weekends?", "transfer"),
    (["do pots earn interest"], "is it paid monthly?", "savings"),
    (["do pots earn interest", "is it paid monthly?"], "and what about notice?", "savings"),
    (["how is a lost card frozen"], "change the four digits of my PIN", "pin"),
    (["how is a lost card frozen"], "who can share a joint account, and can both owners close it?",
     "joint"),
])
def test_a_follow_up_takes_its_topic_along(history: list[str], question: str,
                                           expected: str) -> None:
    base = KnowledgeBase(FakeEngine(), passages())
    found = base.search(question, history=history)
    assert found.hits[0].passage.document == expected
    assert found.query.endswith(question)


def test_a_follow_up_in_chinese() -> None:
    base = KnowledgeBase(FakeEngine(), passages())
    found = base.search("那利息按月吗？", history=["储蓄罐是什么"], language="zh")
    assert found.query == "储蓄罐是什么。那利息按月吗？"
    assert found.hits[0].passage.document == "savings"


def test_a_question_of_another_world_gets_no_topic() -> None:
    base = KnowledgeBase(FakeEngine(), passages())
    found = base.search("will it rain in Leeds on saturday?", history=["do pots earn interest"])
    assert found.query == "will it rain in Leeds on saturday?"
    assert found.hits[0].score < base.search("do pots earn interest").hits[0].score


@pytest.mark.parametrize(("question", "expected"), [
    ("And how long does that take?", Lean.FULL),
    ("what about abroad?", Lean.FULL),
    ("does it also work on my phone?", Lean.FULL),
    ("why?", Lean.FULL),
    ("How do I change my PIN?", Lean.NONE),
    ("There is a payment on my statement from a shop", Lean.NONE),
    ("I lost my card in a taxi, can you block it?", Lean.SOME),
    ("my whole wallet with cards, keys, licence and phone was stolen yesterday, block it now",
     Lean.NONE),
    ("那要多少钱？", Lean.FULL),
    ("怎么修改我的银行卡密码？", Lean.NONE),
])
def test_leaning(question: str, expected: Lean) -> None:
    language = "zh" if question[0] > "\u3400" else "en"
    assert lean(question, language) is expected


def test_completion_skips_earlier_follow_ups() -> None:
    history = ["How do I open a joint account?", "and what does it cost?"]
    assert completed("is it free?", history) == "How do I open a joint account? is it free?"
    assert completed("is it free?", []) == "is it free?"


def test_the_index_is_built_once_however_many_threads_ask() -> None:
    engine = CountingEngine()
    base = KnowledgeBase(engine, passages())
    threads = [threading.Thread(target=base.search, args=(question,))
               for question in [*QUESTIONS] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    of_passages = {key: n for key, n in engine.embedded.items() if key[1] not in QUESTIONS}
    assert len(of_passages) >= 2 * len(TEXTS)
    assert set(of_passages.values()) == {1}


def test_goes_on_with_one_encoder_and_fails_without_any() -> None:
    lost = ModelUnavailableError("The weights could not be had.")
    base = KnowledgeBase(FakeEngine(fail={"minilm-l6": lost}), passages())
    assert right(base) == len(QUESTIONS)
    with pytest.raises(ModelUnavailableError):
        KnowledgeBase(FakeEngine(fail={"embed": lost}), passages()).search("card")


def test_keywords_find_a_passage_and_are_never_quoted() -> None:
    rows = [replace(p, keywords="where has my plastic gone") if p.id == "en/freeze" else p
            for p in passages()]
    asked = "where has my plastic gone"
    hit = KnowledgeBase(FakeEngine(), rows).search(asked).hits[0]
    plain = KnowledgeBase(FakeEngine(), passages()).search(asked).hits[0]
    assert hit.passage.document == "freeze"
    assert hit.score > plain.score
    assert hit.quote in [span.text for span in split(hit.passage.text)]


def test_a_prior_lifts_its_document() -> None:
    base = KnowledgeBase(FakeEngine(), passages())
    plain = {h.passage.document: h.score for h in base.search("payment").hits}
    lifted = {h.passage.document: h.score
              for h in base.search("payment", prior={"joint": 0.9}).hits}
    assert lifted["joint"] > plain["joint"]
    assert lifted["freeze"] == plain["freeze"]


def test_broken_input_is_a_sentence() -> None:
    with pytest.raises(InputError, match="empty"):
        KnowledgeBase(FakeEngine(), passages()).search(" \n")
    with pytest.raises(InputError, match="passage"):
        KnowledgeBase(FakeEngine(), [])


@given(st.lists(st.sampled_from(["One sentence here. ", "另一句话。", "Why? ", "x" * 500 + ". "]),
                max_size=30).map("".join), st.sampled_from(["en", "zh"]))
def test_windows_are_whole_sentences_in_order(text: str, language: str) -> None:
    found = windows([Passage("a", "a", "t", text, language=language)])
    assert [text[w.start:w.end] for w in found] == [w.text for w in found]
    spans = split(text)
    assert {w.start for w in found} <= {s.start for s in spans}
    assert {w.end for w in found} <= {s.end for s in spans}
    assert all(any(w.start <= s.start and s.end <= w.end for w in found) for s in spans)


def test_tokens_are_stems_and_pairs_of_characters() -> None:
    assert tokens("Cards, declined! 3.5 %") == ["card", "declin", "3.5"]
    assert tokens("我的card丢了") == ["我的", "丢了", "card"]
    assert tokens("?!") == []


def test_bm25_knows_rare_words_and_unknown_ones() -> None:
    index = LexicalIndex(["the card is lost", "the transfer is late", "the card and the transfer"])
    assert int(index.scores("transfers are late").argmax()) == 1
    assert index.scores("zebra").tolist() == [0, 0, 0]
    assert index.known_share("late zebra") == 0.5


def test_fusion_shares_ranks_of_ties_and_skips_lists_without_a_say() -> None:
    says_nothing = np.zeros(3)
    values = np.array([0.1, 0.9, 0.9])
    fused = fuse([values, says_nothing])
    assert fused[1] == fused[2] == 1 / 61
    assert fused[0] == 1 / 63
    assert fuse([says_nothing]).tolist() == [0, 0, 0]
