"""Lens, attention and memory: what the lab shows of a model's insides."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.engine_lab import sections
from domains.engine_lab.charts import heat_figure
from domains.engine_lab.heat import MEAN, shown
from domains.engine_lab.lens import blocks, names_for
from domains.engine_lab.outcome import Stage
from domains.engine_lab.service import build
from lepton_engine.errors import InputError, LimitError, ModelUnavailableError, UnknownNameError
from tests.fakes import FakeEngine

SENTENCE = "The bank froze the card because it was lost."
MIXED = "Tokenizers 您的新卡 👩‍🚀🙂 <b>&"


@settings(deadline=None)
@given(st.text(alphabet="ab 中🙂", max_size=30), st.data())
def test_blocks_hold_the_text_once_and_no_token_crosses_their_borders(
        text: str, data: st.DataObject) -> None:
    span = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(
        lambda pair: (min(pair), max(pair)))
    rows = data.draw(st.lists(st.lists(span, max_size=6), max_size=3))
    found = blocks(text, rows)
    assert "".join(text[start:end] for start, end in found) == text
    borders = {start for start, _ in found}
    for row in rows:
        for start, end in row:
            assert not any(start < border < end for border in borders)


@settings(deadline=None, max_examples=25)
@given(st.text(min_size=1, max_size=40).filter(str.strip))
def test_the_lens_takes_any_text(text: str) -> None:
    found = LAB.lens(text)
    for row in found.rows:
        assert all(0 <= start <= end <= len(text) for _, start, end in row["tokens"])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_lens_shows_markup_as_text(lang: str) -> None:
    page = sections.lens_html(LAB.lens('<img src=x onerror="alert(1)"> x').to_json(), lang)
    assert "&lt;" in page
    assert "&quot;" in page
    tags, attributes = marks_of(page)
    assert tags == {"ul", "li", "i", "b", "span", "small", "div"}
    assert attributes == {"class", "title", "role", "aria-label", "aria-hidden"}


def marks_of(page: str) -> tuple[set[str], set[str]]:
    """The tags and attributes that a browser would see."""
    tags: set[str] = set()
    attributes: set[str] = set()

    class Marks(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            attributes.update(name for name, _ in attrs)

    Marks().feed(page)
    return tags, attributes


LAB = build(FakeEngine())


def test_three_kinds_of_tokenizer_are_aligned() -> None:
    found = LAB.lens(MIXED)
    assert [row["name"] for row in found.rows] == ["spacy-xx-large", "minilm-l6", "qwen-0.5b"]
    words, pieces, pairs = ([raw for raw, _, _ in row["tokens"]] for row in found.rows)
    assert words[0] == "Tokenizers"
    assert pieces[:3] == ["token", "##izer", "##s"]
    assert len(pairs) > len(words)
    assert MIXED[slice(*found.blocks[0])] == "Tokenizers"
    page = sections.lens_html(found.to_json(), "en")
    assert "##izer" in page
    assert "🙂 1/4" in page  # four bytes of one character, four tokens
    assert "&lt;" in page
    assert "<b>&<" not in page
    assert len(sections.lens_table(found.to_json(), "en")["data"]) == sum(
        len(row["tokens"]) for row in found.rows)


def test_tokens_that_share_a_character_say_so() -> None:
    assert sections.labels("a 您", [("a", 0, 1), ("Ġx", 1, 3), ("y", 2, 3)]) == [
        "a", "␣您 1/2", "您 2/2"]
    assert sections.labels("[UNK]~", [("[", 0, 1), ("UNK", 1, 4), ("]", 4, 5), ("[UNK]", 5, 6)]
                           ) == ["[", "UNK", "]", "[UNK]"]


def test_chinese_goes_to_its_own_words() -> None:
    assert names_for("您的新卡已经寄出。")[0] == "spacy-zh"
    assert names_for("Your card 已寄出")[0] == "spacy-xx-large"
    assert names_for("👍")[0] == "spacy-xx-large"


@pytest.mark.parametrize(("text", "error"), [("  ", InputError), ("x" * 1001, LimitError)])
def test_the_lens_refuses_nothing_and_too_much(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        LAB.lens(text)


def test_attention_of_original_and_pruned_and_what_is_gone() -> None:
    *_, seen = LAB.attention("minilm-l6", "prune-heads:0.25", SENTENCE)
    found: dict[str, Any] = seen.to_json()
    first, second = found["sides"]
    assert [len(layer) for layer in first["weights"]] == [4, 4, 4]
    assert [len(layer) for layer in second["weights"]] == [3, 3, 3]
    assert "has removed 3 heads" in found["reason"]
    assert "layer 2: 1 of 4" in sections.heat_html(found, "en")
    assert shown(second, 1, 3) is None
    whole = shown(second, 1, MEAN)
    assert whole is not None
    assert np.allclose(whole.sum(axis=-1), 1, atol=2e-3)
    said = heat_figure({**found, "layer": 1, "head": 3}, "en", 1)
    assert "has 3 heads left in layer 2" in said.layout.annotations[0].text
    drawn = heat_figure({**found, "layer": 1, "head": 2}, "en", 1)
    assert len(drawn.data[0].z) == len(first["tokens"])


def test_the_original_stands_alone_where_no_recipe_is_asked() -> None:
    *_, seen = LAB.attention("minilm-l6", "original", SENTENCE)
    found: dict[str, Any] = seen.to_json()
    assert len(found["sides"]) == 1
    assert "pick a recipe" in heat_figure(found, "en", 1).layout.annotations[0].text


@pytest.mark.parametrize(("name", "text", "words"), [
    ("minilm-l6", "x" * 601, "at most 600 characters"), ("minilm-l6", "", "The text is empty"),
    ("qwen-0.5b", "x", "Attention is drawn for an encoder"),
])
def test_attention_refuses_with_a_sentence(name: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(LAB.attention(name, "int8", text))


def test_loading_and_unloading_are_seen_at_once() -> None:
    lab = build(FakeEngine())
    *stages, panel = lab.load("minilm-l6", "int8")
    assert stages
    assert all(isinstance(step, Stage) for step in stages)
    assert "Loading minilm-l6/int8" in stages[0].text
    assert [m["key"] for m in panel.models] == ["minilm-l6/int8"]
    assert lab.loaded_keys() == ["minilm-l6/int8"]
    page = sections.panel_html(panel.to_json(), "en")
    assert "minilm-l6/int8" in page
    assert "23.4 MB" in page
    after = lab.unload("minilm-l6/int8")
    assert after.models == ()
    assert "23.4 MB of weights are free again" in after.reason
    assert "Nothing is loaded yet" in sections.panel_html(after.to_json(), "en")


def test_what_cannot_be_loaded_or_is_not_there_is_said() -> None:
    failing = build(FakeEngine(fail={"load": ModelUnavailableError("It is not here.")}))
    with pytest.raises(ModelUnavailableError, match="not here"):
        list(failing.load("minilm-l6", "int8"))
    with pytest.raises(UnknownNameError, match="loaded variant"):
        failing.unload("mpnet")
    for nothing in ("", None):
        unload: Any = failing.unload
        with pytest.raises(InputError, match="nothing is picked"):
            unload(nothing)


def test_calls_that_wait_are_shown() -> None:
    panel = build(FakeEngine()).panel().to_json()
    assert "wait" not in sections.panel_html({**panel, "queue": 0}, "en")
    assert "3 calls wait." in sections.panel_html({**panel, "queue": 3}, "en")
