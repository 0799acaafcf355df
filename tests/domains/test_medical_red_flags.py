"""Red flags: the judging set with its floors, and what the rules must tell apart.

``tests/data/red_flags.json`` was written apart from the rules; misses and false alarms are
printed (``pytest -s``). ``benchmarks/red_flag_phrases.json`` are the author's own phrases:
they guard what worked, and measure nothing.
"""

from __future__ import annotations

import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from domains.medical_qa.red_flags import RULES_FILE, RedFlagRules, rules

DATA = Path(__file__).resolve().parents[1] / "data"
JUDGING: list[dict[str, Any]] = json.loads(
    (DATA / "red_flags.json").read_text(encoding="utf-8"))
PHRASES = json.loads((Path(__file__).resolve().parents[2] / "benchmarks" /
                      "red_flag_phrases.json").read_text(encoding="utf-8"))
RECALL, FALSE_ALARMS, RIGHT_CATEGORY = 0.95, 0.10, 0.90
CATEGORIES = {"heart", "stroke", "breathing", "anaphylaxis", "self_harm", "bleeding", "meningitis",
              "unconscious", "poisoning", "abdomen", "infant", "pregnancy", "head_injury"}


def categories(text: str) -> set[str]:
    return {flag.category for flag in rules().find(text)}


def judged(found: RedFlagRules) -> tuple[list[str], list[str], list[str], int, int]:
    """Misses, false alarms, wrong categories, and how many there are of each kind."""
    urgent = [row for row in JUDGING if row["expected"]]
    harmless = [row for row in JUDGING if not row["expected"]]
    got = {row["text"]: {f.category for f in found.find(row["text"])} for row in JUDGING}
    missed = [row["text"] for row in urgent if not got[row["text"]]]
    alarms = [f"{sorted(got[row['text']])} {row['text']}" for row in harmless if got[row["text"]]]
    other = [f"{sorted(got[row['text']])} instead of {row['expected']}: {row['text']}"
             for row in urgent if got[row["text"]] and row["expected"] not in got[row["text"]]]
    return missed, alarms, other, len(urgent), len(harmless)


def test_the_judging_set() -> None:
    missed, alarms, other, urgent, harmless = judged(rules())
    print(f"\nemergencies {urgent - len(missed)} of {urgent} flagged; false alarms {len(alarms)} "
          f"of {harmless}; another category {len(other)}")
    print("\n".join([*(f"missed: {m}" for m in missed), *(f"false alarm: {a}" for a in alarms),
                     *other]))
    assert urgent + harmless >= 80
    assert 1 - len(missed) / urgent >= RECALL
    assert len(alarms) / harmless <= FALSE_ALARMS
    assert 1 - len(other) / urgent >= RIGHT_CATEGORY


def test_the_check_fails_without_the_scope_rules() -> None:
    """Without negation, history, general questions and figures of speech the set is red."""
    table = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))
    for code in ("en", "zh"):
        table["negation"][code]["before"] = ["(?!)"]
        for cue in ("past", "past_lead", "knowledge", "fiction"):
            table["context"][code][cue] = ["(?!)"]
        table["masks"][code] = ["(?!)"]
    _, alarms, _, _, harmless = judged(RedFlagRules(table))
    assert len(alarms) / harmless > 3 * FALSE_ALARMS


def test_the_authors_phrases_stay_told_apart() -> None:
    assert [p for p in PHRASES["emergency"] if not rules().find(p)] == []
    alarms = [p for p in PHRASES["harmless"] if rules().find(p)]
    assert len(alarms) <= 3, alarms


@pytest.mark.parametrize(("text", "expected"), [
    ("I have chest pain", True), ("I have no chest pain", False),
    ("No fever, no chest pain, only a cough", False),
    ("No chest pain, shortness of breath or fainting", False),
    ("No fever, chest pain since this morning", True),
    ("I'm not sure why my chest hurts", True), ("No idea why, but my chest hurts", True),
    ("I have never had chest pain", False),
    ("I have never had chest pain like this before", True),
    ("He hasn't got chest pain but he can't breathe", True),
    ("chest pain: no", False), ("He is not breathing", True), ("My father cannot breathe", True),
    ("我没有胸痛", False), ("没有胸痛、呼吸困难", False), ("没有发烧，但是胸口很痛", True),
    ("胸口不痛", False), ("他没有呼吸了", True), ("不知道为什么胸口很痛", True),
    ("以前从来没有过这样的胸痛", True),
])
def test_negation_reaches_as_far_as_it_is_meant(text: str, expected: bool) -> None:
    assert bool(rules().find(text)) is expected


@pytest.mark.parametrize(("text", "expected"), [
    ("My dad had a stroke two years ago", False),
    ("Two years ago, my dad had chest pain", False),
    ("My dad had a stroke two years ago and now he has chest pain", True),
    ("My dad, who had a stroke last year, can't lift his arm", True),
    ("As a child I had seizures", False), ("I had a seizure an hour ago", True),
    ("He has a history of seizures", False),
    ("我爷爷三年前中风了", False), ("以前得过心梗，今天胸口又疼了", True),
])
def test_the_past_is_told_from_the_present(text: str, expected: bool) -> None:
    assert bool(rules().find(text)) is expected


@pytest.mark.parametrize(("text", "expected"), [
    ("What are the signs of a stroke?", False),
    ("What are the signs of a stroke? My mum's face is drooping.", True),
    ("Can stress cause chest pain?", False), ("Could my chest pain be stress?", True),
    ("What should I do if someone is choking?", True),
    ("For my first aid course: how do I treat someone who is choking?", False),
    ("中风有哪些前兆？", False), ("我妈嘴歪了，是中风吗？", True),
])
def test_a_general_question_is_told_from_a_cry_for_help(text: str, expected: bool) -> None:
    assert bool(rules().find(text)) is expected


@pytest.mark.parametrize("text", [
    "I laughed so hard I couldn't breathe", "this traffic is killing me", "a stroke of luck",
    "that film nearly gave me a heart attack", "I'm dying for a coffee",
    "my phone is not responding",
    "笑死我了", "想死你了", "累死了", "这部剧精彩得让人窒息", "手机没反应",
])
def test_figures_of_speech_are_no_emergency(text: str) -> None:
    assert rules().find(text) == ()


def test_an_animal_is_no_emergency_but_its_bite_is() -> None:
    assert rules().find("my dog collapsed and has no pulse") == ()
    assert rules().about_a_pet("which tablets can my dog have?")
    assert not rules().about_a_pet("I sneeze whenever I am near my cat")
    assert categories("my dog bit me and the bleeding won't stop") == {"bleeding"}


@pytest.mark.parametrize(("typed", "category"), [
    ("CAN'T BREATHE", "breathing"), ("cant breath", "breathing"), ("can’t breathe", "breathing"),
    ("he is unconcious", "unconscious"), ("chest  pian", "heart"), ("ｃｈｅｓｔ ｐａｉｎ", "heart"),
    ("胸悶喘不過氣", "breathing"), ("奶奶暈倒了", "unconscious"),
])
def test_spelling_case_and_script_do_not_matter(typed: str, category: str) -> None:
    assert category in categories(typed)


@pytest.mark.parametrize(("text", "expected"), [
    ("I have no chest pain", True), ("My dad had a stroke two years ago", True),
    ("I laughed so hard I couldn't breathe", True), ("my cat has collapsed", True),
    ("runny nose and sneezing", False), ("I have chest pain", False),
])
def test_what_was_taken_out_is_known(text: str, expected: bool) -> None:
    assert rules().took_out(text) is expected


def test_a_flag_quotes_the_words_as_they_were_typed() -> None:
    for text in [*PHRASES["emergency"], *(row["text"] for row in JUDGING)]:
        for flag in rules().find(text):
            assert text[flag.start:flag.end] == flag.text
            assert flag.text.strip()


def test_the_gravest_category_comes_first() -> None:
    found = rules().find("severe stomach pain since noon and now she is unconscious")
    assert next(flag.category for flag in found) == "unconscious"


def test_every_category_has_a_name_and_a_fixed_text_in_both_languages() -> None:
    assert set(rules().order) >= CATEGORIES
    for language in ("en", "zh"):
        for category in rules().order:
            assert rules().name(category, language)
            assert len(rules().advice(category, language)) > 60
    table = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))
    assert {row["category"] for row in table["combine"]["rules"]} == set(rules().order)


def test_fixed_texts_hold_only_numbers_that_are_known_to_be_right() -> None:
    known = {"911", "999", "112", "120", "988", "116 123", "12356", "1-800-222-1222", "38", "100.4"}
    for language in ("en", "zh"):
        for category in rules().order:
            text = rules().advice(category, language)
            assert set(re.findall(r"\d[\d .-]*\d", text)) <= known
            if category != "self_harm":
                assert "911" in text
                assert "120" in text
    assert {"988", "116 123", "12356"} <= set(
        re.findall(r"\d[\d ]*\d", rules().advice("self_harm", "en")))


@pytest.mark.parametrize("piece", ["血", "吃了", "pain in my chest ", "no chest pain, ", "胸口 ",
                                   "baby is 5 weeks old fever ", "what is a stroke "])
def test_a_long_text_is_no_way_to_stall_the_rules(piece: str) -> None:
    started = time.thread_time()
    rules().find((piece * 4000)[:4000])
    assert time.thread_time() - started < 5  # a quadratic search took over 12 s here
