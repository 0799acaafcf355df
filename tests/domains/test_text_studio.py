"""The studio on the fake engine: pieces, checks, refusals, limits, stopping."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.base import Decision
from domains.text_studio import views, work
from domains.text_studio.pieces import PIECE_CHARACTERS, cut, halves
from domains.text_studio.service import build
from domains.text_studio.support import numbers
from lepton_engine.errors import InputError, LimitError, RuntimeFailure
from tests.fakes import FakeEngine

REPORT = ("The harbour town agreed to spend 48 million pounds on a low sea wall. "
          "The council voted 19 to 6 on Tuesday evening. "
          "Flooding reached the fish market on eleven days last year.")
NOTICE = "您的新卡今天已经寄出。通常五个工作日内送达。"


def last_message(messages: Sequence[Mapping[str, str]]) -> str:
    return messages[-1]["content"]


def long_text() -> str:
    return " ".join(f"Sentence number {n} tells of the harbour and the sea wall."
                    for n in range(200))


def test_a_summary_keeps_supported_sentences_and_drops_the_rest() -> None:
    engine = FakeEngine(reply="The council voted 19 to 6 on Tuesday evening. "
                              "Purple elephants danced across Jupiter. "
                              "The harbour town agreed to spend 99 million pounds on a sea wall.")
    outcome = build(engine).api("summarize", REPORT)
    assert outcome.decision is Decision.ANSWERED
    assert outcome.text == "The council voted 19 to 6 on Tuesday evening."
    assert outcome.dropped == 2  # no support; and a number that the text does not have
    assert "2 sentences" in outcome.reason
    [evidence] = outcome.evidence
    assert evidence.passage[evidence.start:evidence.end] == evidence.quote
    assert evidence.quote in REPORT
    assert outcome.stamp is not None
    assert outcome.complete


def test_without_any_support_the_text_itself_is_quoted() -> None:
    outcome = build(FakeEngine(reply="Purple elephants danced.")).api("summarize", REPORT)
    assert outcome.decision is Decision.ANSWERED
    assert "quoted instead" in outcome.reason
    assert outcome.text == REPORT
    assert outcome.dropped == 1
    assert outcome.confidence is None
    assert all(evidence.quote in REPORT for evidence in outcome.evidence)


def test_a_sentence_that_mixes_two_of_the_source_is_dropped() -> None:
    source = ("The committee objected and asked for a phased increase of the rent. "
              "The council refused but offered a discount of half to pensioners. "
              "The new rent begins in the spring.")
    mixed = "The committee objected and offered a discount to pensioners in the spring."
    outcome = build(FakeEngine(reply=f"{mixed} The new rent begins in the spring.")).api(
        "summarize", source)
    assert outcome.text == "The new rent begins in the spring."
    assert outcome.dropped == 1


@pytest.mark.parametrize("reply", ["I'm sorry, but I can't assist with that request.",
                                   "很抱歉，我无法提供帮助。"])
def test_a_model_that_declines_has_not_answered(reply: str) -> None:
    outcome = build(FakeEngine(reply=reply)).api("generate", "Write a story.")
    assert outcome.decision is Decision.ABSTAINED
    assert "declined" in outcome.reason


def test_a_silent_model_is_said_to_be_silent() -> None:
    for task in ("summarize", "generate"):
        outcome = build(FakeEngine(reply="")).api(task, REPORT)  # type: ignore[arg-type]
        assert outcome.decision is Decision.ABSTAINED
        assert "wrote nothing" in outcome.reason


def test_a_repeated_sentence_stands_once() -> None:
    engine = FakeEngine(reply="The council voted 19 to 6 on Tuesday evening. " * 3)
    assert build(engine).api("summarize", REPORT).text.count("voted") == 1


def test_generation_has_neither_evidence_nor_confidence() -> None:
    outcome = build(FakeEngine(reply="Dear supplier, please come on Wednesday.")).api(
        "generate", "Write an e-mail.")
    assert outcome.decision is Decision.ANSWERED
    assert outcome.evidence == ()
    assert outcome.confidence is None
    assert "nothing checks" in outcome.reason


def test_a_translation_in_the_wrong_language_is_not_shown() -> None:
    outcome = build(FakeEngine(reply="Your new card was sent today.")).api(
        "translate", "Your new card was sent today.", "zh")
    assert outcome.decision is Decision.ABSTAINED
    assert "another language" in outcome.reason
    assert outcome.text == ""


def test_a_translation_far_from_the_meaning_is_not_shown() -> None:
    engine = FakeEngine(reply="Bananas grow on tall plants in warm countries.")
    outcome = build(engine).api("translate", NOTICE, "en")
    assert outcome.decision is Decision.ABSTAINED
    assert outcome.confidence is not None
    assert outcome.confidence < 0.4


def test_a_translation_shows_how_near_its_meaning_is() -> None:
    # The fake's vectors are bags of words: the codes that both texts share make them alike.
    notice = "订单 AB12 CD34 EF56 GH78 已经寄出。"
    outcome = build(FakeEngine(reply="Order AB12 CD34 EF56 GH78 was sent.")).api(
        "translate", notice, "en")
    assert outcome.decision is Decision.ANSWERED
    assert outcome.confidence is not None
    assert 0.4 <= outcome.confidence < 1
    assert [e.quote for e in outcome.evidence] == [notice]
    assert outcome.evidence[0].score == pytest.approx(outcome.confidence)


@pytest.mark.parametrize(("text", "target", "decision"), [
    ("The card is lost.", "en", Decision.CLARIFY),
    (NOTICE, "zh", Decision.CLARIFY),
    ("Der Stadtrat hat gestern beschlossen, die alte Brücke zu erneuern und umzubauen.", "en",
     Decision.ABSTAINED),
    ("Городской совет решил обновить старый мост весной.", "en", Decision.ABSTAINED),
])
def test_languages_it_cannot_serve_are_decisions(text: str, target: str,
                                                 decision: Decision) -> None:
    engine = FakeEngine(reply="nothing may be asked")
    outcome = build(engine).api("translate", text, target)
    assert outcome.decision is decision
    assert outcome.reason
    if decision is Decision.ABSTAINED:
        assert "German" in outcome.reason or "Russian" in outcome.reason
    assert engine.calls["stream_chat"] + engine.calls["chat"] == 0


@pytest.mark.parametrize(("task", "text", "target", "words"), [
    ("rhyme", "x", "en", "one of summarize, translate, generate"),
    ("summarize", " \n\t", "en", "empty"),
    ("translate", "hello", "fr", "between English and Chinese only"),
    ("summarize", 7, "en", "must be a text"),
])
def test_broken_input_gets_a_sentence(task: Any, text: Any, target: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        build(FakeEngine()).api(task, text, target)


@pytest.mark.parametrize(("task", "limit"), [("summarize", 20_000), ("generate", 4_000)])
def test_a_text_past_the_limit_names_it(task: Any, limit: int) -> None:
    with pytest.raises(LimitError, match=f"at most {limit:,} characters; this one has "
                                         f"{limit + 1:,}"):
        build(FakeEngine()).api(task, "x" * (limit + 1))


def test_a_long_text_goes_piece_by_piece_and_says_when_time_ends_it(
        monkeypatch: pytest.MonkeyPatch) -> None:
    text = long_text()
    left = itertools.count(60, -12)  # every look at the clock takes twelve seconds
    monkeypatch.setattr(work.Job, "seconds_left", lambda job: next(left))
    engine = FakeEngine(reply=lambda m: "The harbour and the sea wall.")
    outcome = build(engine).api("summarize", text)
    assert not outcome.complete
    assert 0 < outcome.done < outcome.total == len(text)
    assert f"{outcome.done} of {outcome.total}" in outcome.reason
    assert f"{round(100 * outcome.done / outcome.total)} %" in views.result_html(
        outcome.to_json(), "en")


def test_a_long_text_is_done_to_its_end_in_time() -> None:
    text = long_text()
    seen: list[str] = []

    def reply(messages: Sequence[Mapping[str, str]]) -> str:
        seen.append(last_message(messages))
        return "The harbour and the sea wall."

    outcome = build(FakeEngine(reply=reply)).api("summarize", text)
    assert outcome.complete
    assert outcome.done == len(text)
    assert len(seen) == len(cut(text, "summarize", "en")) > 3
    assert all(f"number {n} " in "".join(seen) for n in range(200))


def test_an_engine_failure_reaches_the_caller() -> None:
    engine = FakeEngine(fail={"chat": RuntimeFailure("The worker died. Ask again.")})
    with pytest.raises(RuntimeFailure, match="worker died"):
        build(engine).api("generate", "Write something.")


def test_stopping_closes_the_engines_stream() -> None:
    engine = FakeEngine(reply="one two three four five six seven eight. " * 20)
    stream = build(engine).stream("generate", "Write a lot.")
    next(stream)
    stream.close()
    assert engine.closed == 1
    assert engine.produced < 20


@given(st.text(alphabet="ab .,!?\n中文。，！é🙂", max_size=3_000),
       st.sampled_from(sorted(PIECE_CHARACTERS)))
def test_pieces_hold_the_text_once_in_order_within_the_limit(
        text: str, key: tuple[str, str]) -> None:
    pieces = cut(text, *key)
    assert all(text[p.start:p.end] == p.text for p in pieces)
    assert all(len(p.text) <= PIECE_CHARACTERS[key] for p in pieces)
    assert all(a.end <= b.start for a, b in itertools.pairwise(pieces))
    inside = "".join(p.text for p in pieces)
    assert "".join(inside.split()) == "".join(text.split())
    for piece in pieces:
        parts = halves(text, piece)
        assert (parts[0].start, parts[-1].end) == (piece.start, piece.end)


def test_numbers_are_compared_without_separators() -> None:
    assert numbers("1,200 people, 1.2 m, 19 to 6") == {"1200", "1.2", "19", "6"}


def test_views_escape_what_people_and_models_write() -> None:
    payload = {"text": "<script>alert(1)</script>", "draft": "<b>", "reason": "", "complete": True,
               "evidence": [{"title": "=1+1", "quote": "<i>", "score": 0.5}]}
    page = views.result_html(payload, "en")
    assert "<script>" not in page
    assert "<b>" not in page
    assert views.rows(payload, "zh")["data"] == [["=1+1", "<i>", "0.500"]]
    with open(views.rows_file(payload, "en"), encoding="utf-8-sig") as file:
        assert "'=1+1" in file.read()


def test_numbers_that_a_translation_lost_are_named() -> None:
    notice = "订单 AB12 CD34 EF56 GH78 已经寄出，共 250 元。"
    outcome = build(FakeEngine(reply="Order AB12 CD34 EF56 GH78 was sent.")).api(
        "translate", notice, "en")
    assert outcome.decision is Decision.ANSWERED
    assert "250" in outcome.reason
    assert "12" not in outcome.reason
