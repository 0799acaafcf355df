"""The grounded questions themselves, and what counts as a right reply."""

from __future__ import annotations

import collections

import pytest

from lepton_engine.compression.decoder_questions import (
    Question,
    declines,
    digest,
    holds,
    load_questions,
    words,
)

QUESTIONS = load_questions()


def test_counts_and_ids() -> None:
    languages = collections.Counter(q.language for q in QUESTIONS)
    assert languages["en"] >= 240
    assert languages["zh"] >= 80
    assert len({q.id for q in QUESTIONS}) == len(QUESTIONS)
    assert len({(q.passage, q.question) for q in QUESTIONS}) == len(QUESTIONS)
    without = sum(not q.answers for q in QUESTIONS)
    assert 0.12 <= without / len(QUESTIONS) <= 0.18


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q.answers], ids=lambda q: q.id)
def test_answers_stand_in_the_passage_and_not_in_the_question(question: Question) -> None:
    assert question.right(question.passage)
    assert not question.right(question.question)


@pytest.mark.parametrize("question", [q for q in QUESTIONS if not q.answers], ids=lambda q: q.id)
def test_neither_passage_nor_question_counts_as_declining(question: Question) -> None:
    assert not question.right(question.passage)
    assert not question.right(question.question)


@pytest.mark.parametrize(("text", "answer", "language", "right"), [
    ("It takes 35 minutes.", "35 minutes", "en", True),
    ("It takes 135 minutes.", "35 minutes", "en", False),
    ("At 16:05.", "16", "en", False),
    ("It cost £6,000.", "6000", "en", True),
    ("15 % off", "15 percent", "en", True),
    ("On New Year’s Eve", "New Year's Eve", "en", True),
    ("Wednesdays", "Wednesday", "en", False),
    ("the cats", "a cat", "en", False),
    ("最多可以借十本书。", "十本", "zh", True),
    ("三十天", "十", "zh", False),
    ("票价是 28 元", "28元", "zh", True),
    ("128元", "28元", "zh", False),
    ("屏幕是6.15英寸", "6.1", "zh", False),
    ("首班车：５：４０", "5:40", "zh", True),
])
def test_holds(text: str, answer: str, language: str, right: bool) -> None:
    assert holds(text, answer, language) is right


@pytest.mark.parametrize(("reply", "language", "expected"), [
    ("The passage does not say.", "en", True),
    ("The passage doesn't mention the price.", "en", True),
    ("This is not stated.", "en", True),
    ("It does not sail.", "en", False),
    ("No, nine.", "en", False),
    ("文中没有提到。", "zh", True),
    ("短文未提及价格。", "zh", True),
    ("没有空调", "zh", False),
])
def test_declines(reply: str, language: str, expected: bool) -> None:
    assert declines(reply, language) is expected


def test_words_drop_articles_and_marks() -> None:
    assert words("The 1,200 cats, a dog (at 7:15).") == ["1200", "cats", "dog", "at", "7:15"]


def test_the_digest_changes_with_an_answer() -> None:
    first = QUESTIONS[0]
    other = Question(first.id, first.language, first.passage, first.question, ("no",))
    assert digest((other, *QUESTIONS[1:])) != digest(QUESTIONS)


def test_a_prompt_holds_passage_and_question() -> None:
    for question in (QUESTIONS[0], QUESTIONS[-1]):
        system, user = question.messages
        assert system["role"] == "system"
        assert question.passage in user["content"]
        assert user["content"].endswith(question.question)
