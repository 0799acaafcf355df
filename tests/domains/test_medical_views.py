"""What the medical tab shows: pure functions of a payload, everything escaped."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from domains.medical_qa import views
from domains.medical_qa.knowledge import shipped
from domains.medical_qa.service import build
from domains.shared import texts
from domains.shared.texts import Texts
from tests.fakes import FakeEngine


def payload(question: str) -> dict[str, Any]:
    return build(FakeEngine()).api(question).to_json()


def test_an_answer_shows_its_sentences_marks_and_sources() -> None:
    data = payload("What should I not eat with gout?")
    html = views.answer_html(data, "en")
    assert "<h3>Gout</h3>" in html
    marks = {int(n) for n in re.findall(r'href="#med-source-(\d+)"', html)}
    listed = {int(n) for n in re.findall(r'<li id="med-source-(\d+)"', html)}
    assert marks == listed == set(range(1, len(listed) + 1))
    assert "When to see a doctor" in html
    assert "not checked against a source" in html
    assert "http://nihseniorhealth.gov" in html
    for row in data["answer"]:
        assert row["sentence"].replace("'", "&#x27;") in html


def test_one_page_under_one_title_is_one_source() -> None:
    html = views.answer_html(payload("what causes gout"), "en")
    found = re.findall(r'<li id="med-source-\d+" value="\d+"><a href="([^"]+)"[^>]*>([^<]+)', html)
    assert len(found) == len(set(found)) > 1
    assert all(not title.endswith("??") for _, title in found)


def test_the_headings_follow_the_page_and_the_answer_the_question() -> None:
    html = views.answer_html(payload("什么是痛风"), "en")
    assert "Overview" in html
    assert "痛风" in html
    assert "概述" in views.answer_html(payload("what is gout"), "zh")


def test_an_emergency_is_an_alert_with_the_fixed_text() -> None:
    data = payload("I can't breathe & my lips are blue")
    html = views.answer_html(data, "en")
    assert 'role="alert"' in html
    assert "Call your local emergency number now" in html
    assert "<q>can&#x27;t breathe</q>" in html
    assert "not made by a model" in html


def test_a_question_back_lists_the_names() -> None:
    html = views.answer_html(payload("a cold or the flu?"), "en")
    assert "<li>Common cold</li>" in html
    assert "<li>Influenza (flu)</li>" in html


def test_a_refusal_shows_its_reason() -> None:
    assert "pharmacist" in views.answer_html(payload("how many mg of ibuprofen?"), "en")


def test_nothing_typed_or_stored_becomes_markup() -> None:
    bad = "<img src=x onerror=alert(1)>"
    data = payload(f"{bad} I can't breathe")
    data["red_flags"][0]["text"] = bad
    assert "<img" not in views.answer_html(data, "en")
    answer = payload("what is gout")
    answer["answer"][0]["sentence"] = answer["topics"][0]["name"] = bad
    for row in answer["answer"]:
        row["sources"] = [{"id": "1", "title": bad, "publisher": bad,
                           "address": "javascript:alert(1)"}]
    html = views.answer_html(answer, "en")
    assert "<img" not in html
    assert "javascript:" not in html
    refused = payload("who will win the next world cup")
    refused["reason"] = bad
    assert "<img" not in views.answer_html(refused, "zh")


def test_the_notice_is_there_in_both_languages() -> None:
    assert "not medical advice" in views.notice_html("en")
    assert "不是医疗建议" in views.notice_html("zh")


def test_the_texts_of_both_languages_have_the_same_keys() -> None:
    say = Texts("medical_qa")
    assert say.keys("en") == say.keys("zh")
    assert str(len(shipped().of("en"))) in say("en", "intro")
    assert str(len(shipped().of("zh"))) in say("zh", "intro")
    publishers = {s.publisher for c in shipped().of("en").values()
                  for section in c.sections.values() for s in section.sources}
    assert all(f"publisher.{name}" in say for name in publishers)


def test_the_examples_show_the_range() -> None:
    raw = tomllib.loads((texts.FOLDER / "medical_qa.toml").read_text(encoding="utf-8"))
    found = [payload(row["input"]["question"])["decision"] for row in raw["examples"]]
    assert 3 <= len(found) <= 5
    assert {"answered", "emergency", "abstained"} <= set(found)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_reason_that_the_service_may_give_has_its_text(lang: str) -> None:
    say = Texts("medical_qa")
    for kind in ("language", "animal", "dose", "lab", "diagnosis", "other_condition",
                 "not_in_base", "not_medical", "emergency", "answered_named", "answered_near",
                 "clarify", "not_exact", "follow_up"):
        assert say(lang, f"reason.{kind}", name="x", condition="x", names="x", categories="x")
