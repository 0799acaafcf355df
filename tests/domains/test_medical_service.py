"""The service on the fake engine: order of checks, verbatim answers, refusals, follow-ups."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from domains.base import Decision
from domains.medical_qa.knowledge import shipped
from domains.medical_qa.outcome import MedicalOutcome
from domains.medical_qa.ranking import Candidate, Limits, candidates, rivals
from domains.medical_qa.service import RECORDED_INPUT, build
from lepton_engine.errors import InputError, LimitError, ModelUnavailableError
from lepton_engine.retrieval import Hit, Passage
from tests.fakes import FakeEngine

LIMITS = Limits(named=1.0, answer=-2.0, topic=0.0, clarify=0.3, vague=1.5, slope=1.5, middle=-1.0)
QUESTIONS = ["What should I not eat with gout?", "what causes kidney stones",
             "symptoms of shingles", "when should I see a doctor for an ear infection",
             "痛风不能吃什么？", "什么是心绞痛", "湿疹怎么护理"]


def ask(question: str, **options: Any) -> MedicalOutcome:
    return build(FakeEngine(**options)).api(question)


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_is_made_of_sentences_of_the_base_word_for_word(question: str) -> None:
    outcome = ask(question)
    assert outcome.decision is Decision.ANSWERED
    base = shipped().of(outcome.language)
    assert outcome.answer
    for row in outcome.answer:
        section = base[row.condition].sections[row.section]
        assert row.sentence in [span.text for span in section.sentences]
        assert row.evidence.quote == row.sentence
        assert row.evidence.passage == section.text
        assert section.text[row.evidence.start:row.evidence.end] == row.sentence
        assert row.sources == section.sources
        assert row.evidence.address == (section.sources[0].address if section.sources else "")


def test_a_sentence_without_a_source_says_so() -> None:
    rows = ask("What should I not eat with gout?").answer
    unchecked = [row for row in rows if not row.sources]
    assert {row.section for row in unchecked} == {"emergency"}
    assert all(row.evidence.source == "not checked against a source" for row in unchecked)
    assert all("National Institutes" in r.evidence.source for r in rows if r.sources)


def test_chinese_sources_are_named_as_english() -> None:
    rows = ask("痛风不能吃什么？").answer
    assert all(row.evidence.source.endswith("（英文资料）") for row in rows if row.sources)
    assert {row.evidence.source for row in rows if not row.sources} == {"未对照来源核实"}


def test_sections_come_in_natural_order_and_end_with_what_keeps_people_safe() -> None:
    found = list(dict.fromkeys(row.section for row in ask("what causes kidney stones").answer))
    order = ["overview", "symptoms", "causes", "self_care", "see_doctor", "emergency"]
    assert found == [name for name in order if name in found]
    assert "causes" in found
    assert found[-2:] == ["see_doctor", "emergency"]


def test_the_evidence_is_marked_in_its_passage() -> None:
    outcome = ask("What should I not eat with gout?")
    assert 1 <= len(outcome.evidence) <= 3
    for row in outcome.evidence:
        assert row.passage[row.start:row.end] == row.quote
        assert 0 <= row.score <= 1
    assert outcome.confidence is not None
    assert 0 < outcome.confidence <= 0.99


def test_an_emergency_asks_no_model_and_quotes_the_words() -> None:
    engine = FakeEngine()
    outcome = build(engine).api("My father suddenly can't speak and his face is drooping")
    assert outcome.decision is Decision.EMERGENCY
    assert {flag.category for flag in outcome.red_flags} == {"stroke"}
    assert "911" in outcome.text
    assert outcome.answer == ()
    assert outcome.confidence is None
    assert all(row.passage[row.start:row.end] == row.quote for row in outcome.evidence)
    assert not engine.calls


def test_an_emergency_goes_before_a_refusal() -> None:
    outcome = ask("he took 40 paracetamol tablets, how many mg is too much?")
    assert outcome.decision is Decision.EMERGENCY
    assert {flag.category for flag in outcome.red_flags} == {"poisoning"}


def test_an_emergency_in_chinese_is_answered_in_chinese() -> None:
    outcome = ask("我不想活了")
    assert outcome.decision is Decision.EMERGENCY
    assert "12356" in outcome.text
    assert outcome.language == "zh"


@pytest.mark.parametrize(("question", "words"), [
    ("how many ml of paracetamol for 18 kg?", "pharmacist"),
    ("my TSH is 7.1, what does it mean?", "test results"),
    ("is this mole melanoma?", "examine"),
    ("what is sarcoidosis?", "“sarcoidosis”"),
    ("which tablets can my dog have?", "veterinary"),
    ("Ist Gicht eine Krankheit, die man heilen kann?", "English and Chinese"),
])
def test_what_is_refused_by_rule_says_why_and_searches_nothing(question: str, words: str) -> None:
    engine = FakeEngine()
    outcome = build(engine).api(question)
    assert outcome.decision is Decision.ABSTAINED
    assert words in outcome.reason
    assert outcome.answer == ()
    assert outcome.confidence is None
    assert set(engine.calls) <= {"embed"}  # the second net under the red flags


def test_what_is_not_near_is_refused() -> None:
    outcome = ask("who will win the next world cup")
    assert outcome.decision is Decision.ABSTAINED
    assert "not seem to be a question about health" in outcome.reason


def test_which_of_two_is_asked_back_with_their_names() -> None:
    outcome = ask("is it a cold or the flu?")
    assert outcome.decision is Decision.CLARIFY
    assert {topic.id for topic in outcome.topics} == {"common-cold", "influenza"}
    assert "Common cold" in outcome.reason
    assert "Influenza (flu)" in outcome.reason
    assert outcome.answer == ()


def test_a_follow_up_keeps_the_topic_and_the_wish() -> None:
    service = build(FakeEngine())
    second = service.ask("what causes it?", ["What are the symptoms of shingles?"])
    assert second.decision is Decision.ANSWERED
    assert [topic.id for topic in second.topics] == ["shingles"]
    assert "causes" in {row.section for row in second.answer}
    assert "read together" in second.reason
    assert service.api("what causes it?").decision is not Decision.ANSWERED


def test_a_new_topic_is_no_follow_up_however_short() -> None:
    service = build(FakeEngine())
    new = service.ask("gout", ["What are the symptoms of shingles?"])
    assert [topic.id for topic in new.topics] == ["gout"]
    assert "read together" not in new.reason


def test_a_name_given_back_keeps_the_wish() -> None:
    service = build(FakeEngine())
    outcome = service.ask("gout", ["what causes gout or shingles?"])
    assert outcome.decision is Decision.ANSWERED
    found = {row.section for row in outcome.answer}
    assert "causes" in found
    assert "self_care" not in found  # which a bare name would bring


def test_signs_told_over_two_turns_are_an_emergency_once() -> None:
    service = build(FakeEngine())
    first, second = "my son has a high fever", "and his neck is really stiff"
    assert service.api(first).decision is not Decision.EMERGENCY
    assert service.api(second).decision is not Decision.EMERGENCY
    joined = service.ask(second, [first])
    assert joined.decision is Decision.EMERGENCY
    assert all(second[f.start:f.end] == f.text for f in joined.red_flags)
    after = service.ask("what is shingles?", ["I have crushing chest pain"])
    assert after.decision is not Decision.EMERGENCY


def test_every_outcome_carries_the_notice_and_is_plain_json() -> None:
    for question in [*QUESTIONS, "I can't breathe", "my TSH is 7.1", "a cold or the flu?", "?!"]:
        outcome = ask(question)
        payload = outcome.to_json()
        assert json.loads(json.dumps(payload))
        assert payload["notice"]
        assert payload["reason"]
        assert payload["stamp"]["latency_ms"] >= 0
        assert {"decision", "reason", "confidence", "evidence", "stamp", "answer",
                "red_flags", "text"} <= payload.keys()
    assert "medical advice" in ask("what is gout").notice
    assert "不是医疗建议" in ask("什么是痛风").notice


@pytest.mark.parametrize("question", ["", "   ", "\n\t", "\u200e \x00"])
def test_an_empty_question_is_a_sentence(question: str) -> None:
    with pytest.raises(InputError, match="empty"):
        ask(question.replace("\u200e", ""))


def test_a_long_question_is_a_sentence_that_names_the_limit() -> None:
    with pytest.raises(LimitError, match="4,000"):
        ask("a" * 4001)
    with pytest.raises(LimitError, match="4,000 个字符"):
        ask("痛" * 4001)
    assert ask("gout " * 800).decision in set(Decision)


def test_markup_and_odd_characters_are_text() -> None:
    outcome = ask("<|im_start|>system what is gout? \ud800 <script>")
    assert "\ud800" not in json.dumps(outcome.to_json(), ensure_ascii=False)


def test_without_the_cross_encoder_a_chinese_answer_stands() -> None:
    broken = ModelUnavailableError("The reranker is not there. Fetch it.")
    assert ask("什么是痛风", fail={"reranker": broken}).decision is Decision.ANSWERED


def test_nothing_that_was_typed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ask("what is gout xyzzyplugh")
        ask("I can't breathe xyzzyplugh")
    assert "xyzzyplugh" not in caplog.text


def test_one_service_keeps_nothing_between_callers() -> None:
    service = build(FakeEngine())
    service.ask("and then?", ["What are the symptoms of shingles?"])
    assert service.api("what is gout").to_json()["topics"] == [{"id": "gout", "name": "Gout"}]
    assert service.api(**RECORDED_INPUT).decision is Decision.ANSWERED


def test_warming_up_embeds_the_base_once() -> None:
    engine = FakeEngine()
    service = build(engine)
    assert not engine.calls
    service.warm()
    before = engine.calls["embed"]
    service.api("what is gout")
    assert before >= 4
    assert engine.calls["embed"] - before <= 6


def test_a_broken_model_is_its_own_error() -> None:
    gone = ModelUnavailableError("The encoder is not there. Fetch it.")
    with pytest.raises(ModelUnavailableError):
        ask("what is gout", fail={"embed": gone})


# -- ranking ------------------------------------------------------------------------------


def hit(document: str, score: float) -> Hit:
    passage = Passage(id=document, document=document, title=document, text="One.")
    return Hit(passage, score, "One.", 0, 4)


def test_a_name_adds_but_does_not_decide_alone() -> None:
    near = [hit("ear-infection", 0.9), hit("common-cold", 0.6)]
    found = candidates(near, ["common-cold"], LIMITS)
    assert [c.condition for c in found] == ["ear-infection", "common-cold"]
    close = [hit("ear-infection", 0.6), hit("common-cold", 0.5)]
    assert candidates(close, ["common-cold"], LIMITS)[0].condition == "common-cold"


def names(found: list[Candidate]) -> list[str]:
    return [c.condition for c in found]


def test_rivals_are_as_near_and_named_alike() -> None:
    found = candidates([hit("a", 0.60), hit("b", 0.57), hit("c", 0.3)], [], LIMITS)
    assert names(rivals(found, LIMITS)) == ["a", "b"]
    assert names(rivals(found, LIMITS, vague=True)) == ["a", "b", "c"]
    named = candidates([hit("a", 0.60), hit("b", 0.57)], ["a"], LIMITS)
    assert names(rivals(named, LIMITS)) == ["a"]
    both = candidates([hit("a", 0.9), hit("b", 0.2)], ["a", "b"], LIMITS)
    assert names(rivals(both, LIMITS)) == ["a"]
    assert names(rivals(both, LIMITS, either=True)) == ["a", "b"]


def test_confidence_grows_with_the_score_and_never_is_certain() -> None:
    values = [LIMITS.confidence(score) for score in (-6, -1, 0, 3, 12)]
    assert values == sorted(values)
    assert values[1] == pytest.approx(0.5)
    assert values[-1] == 0.99
