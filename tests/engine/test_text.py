from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_engine.text import clean, three

# Surrogates are what a raw HTTP body can carry and what hypothesis leaves out by default.
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=200)


@given(ANY_TEXT)
def test_result_can_be_written_and_is_stable(text: str) -> None:
    result = clean(text)
    assert json.loads(json.dumps(result).encode("utf-8")) == result
    result.encode("utf-8")
    assert clean(result) == result
    assert unicodedata.is_normalized("NFC", result)
    assert not [c for c in result if unicodedata.category(c) == "Cc" and c not in "\n\t"]


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert clean("a\ud800b") == "a\ufffdb"
    assert clean("\udc00") == "\ufffd"
    assert clean("\ud83d\ude00!") == "\U0001f600!"


def test_keeps_words_tabs_newlines_and_other_scripts() -> None:
    text = "Café\t卡丢了怎么办？\n— “3.5 %” 🙂 مرحبا"
    assert clean(text) == text


def test_composes_line_ends_controls_and_overrides() -> None:
    assert clean("Cafe\u0301") == "Caf\u00e9"
    assert clean("a\r\nb\rc\u2028d") == "a\nb\nc\nd"
    assert clean("a\x00b\x1b[31m\x7f\ufeff") == "ab[31m"
    assert clean("safe\u202egnp.exe") == "safegnp.exe"


@pytest.mark.parametrize(("value", "text"), [
    (0.85671, "0.857"), (1234.5, "1,230"), (0.9996, "1.00"), (99.96, "100"), (999.6, "1,000"),
    (1, "1.00"), (0, "0"), (-0.04567, "-0.0457"), (123456, "123,000"), (None, "–"),
    (float("nan"), "–"), (12.345, "12.3"), (1e-7, "0.000000100"),
])
def test_three_significant_digits(value: float | None, text: str) -> None:
    assert three(value) == text
