"""The Why panel: what it shows, how it escapes, that nothing missing breaks it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from domains.base import Decision, Outcome
from domains.shared.why import ICONS, why_html
from lepton_engine.results import Evidence, Stamp

PASSAGE = "The card was lost. Freeze it in the app at once. A new one costs five euros."
QUOTE = "Freeze it in the app at once."


def payload(**changes: Any) -> dict[str, Any]:
    start = PASSAGE.index(QUOTE)
    evidence = Evidence("base", "Lost cards", "https://bank.example/lost", QUOTE, 0.87654,
                        PASSAGE, start, start + len(QUOTE))
    parts = [Stamp("minilm-l6/original@openvino:cpu", "cpu", "int8", 12.34),
             Stamp("qwen-0.5b/original@openvino:cpu", "cpu", "int4", 1500.0, 30, 20.123)]
    outcome = Outcome(decision=Decision.ANSWERED, reason="One article answers.", confidence=0.91234,
                      evidence=(evidence,), stamp=Stamp.combined(parts, 1600.0))
    return outcome.to_json() | changes


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


def test_everything_is_shown_with_units_and_three_digits() -> None:
    html = why_html(payload())
    text = text_of(html)
    for shown in ("Answered", "0.912", "One article answers.", "Lost cards", "0.877",
                  "minilm-l6/original@openvino:cpu", "12.3 ms", "1.60 s", "20.1 tokens/s", "int4"):
        assert shown in text
    assert f"<mark>{QUOTE}</mark>" in html
    assert 'href="https://bank.example/lost"' in html


def test_decisions_have_icon_and_word_in_both_languages() -> None:
    for decision in Decision:
        assert decision.value in ICONS
        english = why_html(payload(decision=decision.value), "en")
        chinese = why_html(payload(decision=decision.value), "zh")
        assert f">{ICONS[decision.value]}</span>" in english
        assert english != chinese
        assert re.search("[一-鿿]", chinese)


@pytest.mark.parametrize("field", ["reason", "title", "source", "address", "quote", "passage",
                                   "note", "variant", "decision"])
def test_hostile_text_never_becomes_markup(field: str) -> None:
    evil = "\"><script>alert(1)</script>'{{x}}${y}\ud800"
    data = payload()
    if field in ("reason", "decision"):
        data[field] = evil
    elif field in ("note", "variant"):
        data["stamp"] = {**data["stamp"], field: evil, "parts": [{**data["stamp"], field: evil}]}
    else:
        data["evidence"][0][field] = evil
    html = why_html(data)
    assert "<script" not in html
    assert "{{" not in html
    assert "${" not in html
    html.encode("utf-8")


def test_nothing_missing_breaks_it() -> None:
    bare = Outcome(decision=Decision.ABSTAINED, reason="").to_json()
    assert "No confidence" in text_of(why_html(bare))
    assert "No evidence" in text_of(why_html(bare))
    assert "Ask something" in text_of(why_html(None))
    holes = payload(evidence=[{"source": None, "title": None, "address": None, "quote": None,
                               "score": None}], stamp={"variant": None, "latency_ms": None})
    assert "Untitled source" in text_of(why_html(holes))


def test_a_wrong_span_is_mended_or_left_out() -> None:
    data = payload()
    data["evidence"][0] |= {"start": 3, "end": 9}
    assert f"<mark>{QUOTE}</mark>" in why_html(data)
    data["evidence"][0] |= {"passage": "other text"}
    html = why_html(data)
    assert f"<mark>{QUOTE}</mark>" in html
    assert "other text" not in html


def test_a_long_passage_is_cut_around_its_quote_and_folded() -> None:
    long = "x" * 900 + QUOTE + "y" * 900
    data = payload()
    data["evidence"][0] |= {"passage": long, "start": 900, "end": 900 + len(QUOTE)}
    html = why_html(data)
    assert "… " + "x" * 240 + f"<mark>{QUOTE}</mark>" + "y" * 240 + " …" in html
    assert long in html.split("<summary>")[1]


def test_the_shown_part_begins_and_ends_between_words() -> None:
    long = "some word " * 60 + QUOTE + " other word" * 60
    start = long.index(QUOTE)
    data = payload()
    data["evidence"][0] |= {"passage": long, "start": start, "end": start + len(QUOTE)}
    shown = text_of(why_html(data).split("<blockquote>")[1].split("</blockquote>")[0])
    words = shown.replace("…", " ").split()
    assert set(words) == {"some", "word", "other", *QUOTE.split()}
    assert len(words) < 100
