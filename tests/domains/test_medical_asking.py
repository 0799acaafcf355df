"""What a question names and wishes for, and what is refused before anything is looked up."""

from __future__ import annotations

import pytest

from domains.medical_qa import refusals
from domains.medical_qa.asking import Reader, names_of
from domains.medical_qa.knowledge import shipped
from domains.medical_qa.rules import rules


def reader(language: str) -> Reader:
    return Reader(shipped().of(language), rules(), language)


@pytest.mark.parametrize(("question", "named"), [
    ("what helps against gout?", ("gout",)), ("I have the flu", ("influenza",)),
    ("what is GERD", ("acid-reflux",)), ("UTIs again", ("urinary-tract-infection",)),
    ("kidney stone", ("kidney-stones",)), ("anaemia from low iron", ("iron-deficiency-anemia",)),
    ("I have a cold", ("common-cold",)), ("a chest cold", ("acute-bronchitis",)),
    ("I am always cold", ()), ("cold air hurts", ()), ("my migranes", ("migraine",)),
    ("is it a cold or the flu?", ("influenza", "common-cold")), ("is lupus curable", ()),
])
def test_names_in_english(question: str, named: tuple[str, ...]) -> None:
    assert set(reader("en").read(question).named) == set(named)


@pytest.mark.parametrize(("question", "named"), [
    ("痛风能吃海鲜吗", ("gout",)), ("得了流感怎么办", ("influenza",)),
    ("感冒和流感有什么区别", ("influenza", "common-cold")), ("地中海贫血是什么", ()),
])
def test_names_in_chinese(question: str, named: tuple[str, ...]) -> None:
    assert set(reader("zh").read(question).named) == set(named)


@pytest.mark.parametrize(("language", "question", "sections"), [
    ("en", "What are the symptoms of flu?", ("symptoms",)),
    ("en", "what causes gout", ("causes",)), ("en", "is pink eye catching?", ("causes",)),
    ("en", "what can I do at home for earache", ("self_care",)),
    ("en", "when should I see a doctor about a cough", ("see_doctor",)),
    ("en", "what is angina", ("overview",)), ("en", "is asthma dangerous", ("emergency",)),
    ("en", "emergency signs of asthma", ("symptoms", "emergency")), ("en", "my big toe", ()),
    ("zh", "偏头痛的诱因有哪些，平时要注意什么？", ("causes", "self_care")),
    ("zh", "肺炎什么时候要看医生", ("see_doctor",)), ("zh", "湿疹的症状", ("symptoms",)),
    ("zh", "什么是心绞痛", ("overview",)), ("zh", "哮喘危险吗", ("emergency",)),
])
def test_the_section_that_is_asked_for(language: str, question: str,
                                       sections: tuple[str, ...]) -> None:
    assert reader(language).read(question).sections == sections


def test_names_stand_also_in_brackets() -> None:
    condition = shipped().of("en")["acid-reflux"]
    assert names_of(condition)[:3] == ["acid reflux", "heartburn", "gerd"]


@pytest.mark.parametrize(("question", "vague"), [
    ("I have a headache", True), ("cough", True),
    ("throbbing pain on one side of my head with zigzag lines before", False),
])
def test_a_single_symptom_is_vague(question: str, vague: bool) -> None:
    assert reader("en").read(question).vague is vague


def refused(question: str, language: str = "en") -> str:
    found = refusals.by_rule(question, language, rules(), named=False)
    return found.kind if found else ""


@pytest.mark.parametrize(("language", "question", "kind"), [
    ("en", "How many ml of ibuprofen may a child of 12 kg have?", "dose"),
    ("en", "should I double my metformin dose", "dose"),
    ("en", "can I take aspirin with my blood pressure pills", "dose"),
    ("en", "my ferritin is 9, is that low?", "lab"),
    ("en", "what do my blood results mean", "lab"),
    ("en", "do I have cancer?", "diagnosis"), ("en", "here is a photo of my rash", "diagnosis"),
    ("en", "how is malaria treated", "other_condition"),
    ("zh", "布洛芬一次吃几片", "dose"), ("zh", "血红蛋白98正常吗", "lab"),
    ("zh", "我是不是得了癌症", "diagnosis"), ("zh", "红斑狼疮能治好吗", "other_condition"),
    ("en", "what helps against heartburn", ""), ("en", "how much water should I drink", ""),
    ("en", "my blood pressure is 150 over 95", ""), ("zh", "痛风不能吃什么", ""),
    ("zh", "发烧怎么办", ""),
])
def test_refusals_by_rule(language: str, question: str, kind: str) -> None:
    assert refused(question, language) == kind


def test_a_condition_of_the_base_wins_over_another_name() -> None:
    question = "can gout lead to kidney failure"
    assert refusals.by_rule(question, "en", rules(), named=True) is None
    assert refusals.by_rule(question, "en", rules(), named=False) == refusals.Refusal(
        "other_condition", "kidney failure")


@pytest.mark.parametrize(("language", "question", "topic", "unknown"), [
    ("en", "What is sarcoidosis?", "sarcoidosis", True),
    ("en", "what are the symptoms of Wilson's disease", "Wilson's disease", True),
    ("en", "how is porphyria treated?", "porphyria", True),
    ("en", "what causes fever", "fever", False), ("en", "what causes my cough", "", False),
    ("en", "my knee hurts", "", False),
    ("zh", "川崎病有哪些症状", "川崎病", True), ("zh", "怎么预防肺炎", "肺炎", False),
])
def test_a_topic_that_the_base_never_mentions(language: str, question: str, topic: str,
                                              unknown: bool) -> None:
    topics = refusals.Topics(shipped().of(language), rules(), language)
    assert topics.named(question) == topic
    assert bool(topic and topics.is_unknown(topic)) is unknown


def test_beyond_the_base_says_whether_it_is_about_health_at_all() -> None:
    def kind(question: str, score: float) -> str:
        return refusals.beyond_base(question, "en", rules(), score).kind

    assert kind("who will win the world cup", -7.0) == "not_medical"
    assert kind("my elbow hurts when I play the cello", -7.0) == "not_in_base"
    assert kind("nothing gives me joy", -4.0) == "not_in_base"
