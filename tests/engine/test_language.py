from __future__ import annotations

import importlib

import pytest

from lepton_engine.language import LATIN_LANGUAGES, detect, is_english


@pytest.mark.parametrize(("text", "code"), [
    ("What are the symptoms of shingles?", "en"),
    ("help?", "en"),
    ("I lost my card", "en"),
    ("whats the best phone under 300", "en"),
    ("卡丢了怎么办？", "zh"),
    ("我的card丢了", "zh"),
    ("Apple Pay 怎么用", "zh"),
    ("iPhone 15 Pro Max 丢了", "zh"),
    ("Translate 你好 to English", "en"),
    ("What does 转账 mean?", "en"),
    ("カードをなくしました", "ja"),
    ("카드를 잃어버렸어요", "ko"),
    ("где моя новая карта", "ru"),
    ("де моя картка? її немає", "uk"),
    ("أين بطاقتي", "ar"),
    ("Ich habe meine Karte verloren", "de"),
    ("J'ai perdu ma carte hier soir", "fr"),
    ("me duele la cabeza desde ayer", "es"),
    ("come posso cambiare il PIN?", "it"),
    ("Perdi o meu cartão", "pt"),
    ("hoe lang duurt een overschrijving", "nl"),
])
def test_detects(text: str, code: str) -> None:
    assert detect(text) == code


@pytest.mark.parametrize("text", [
    "card lost", "pin", "gout", "migraine", "Lost password", "Cancel a transaction", "overdraft",
    "Apple Pay", "Report stolen card", "top up limits", "is lupus curable", "Diabetes",
    "Nvidia shares plunge", "Thyssenkrupp profit rises", "DNB ASA reports Q4 results",
])
def test_short_english_takes_the_english_route(text: str) -> None:
    assert is_english(detect(text))


@pytest.mark.parametrize("text", ["", "   ", "123 456", "$AAPL", "🙂", "https://lepton.bank/de"])
def test_nothing_to_tell_from_is_undetermined(text: str) -> None:
    assert detect(text) == "und"


def test_spacys_example_sentences() -> None:
    """Sentences that others wrote for each language: 93 % or more are told."""
    pairs = [
        (sentence, code) for code in LATIN_LANGUAGES
        for sentence in importlib.import_module(f"spacy.lang.{code}.examples").sentences
    ]
    right = sum(detect(sentence) == code for sentence, code in pairs)
    assert len(pairs) > 70
    assert right / len(pairs) >= 0.93
