"""The tables of texts: same keys in both languages, fall-back, examples."""

from __future__ import annotations

import re
import tomllib

import pytest

from domains import DOMAINS
from domains.shared import texts as module
from domains.shared.texts import LANGUAGES, Texts

FILES = sorted(module.FOLDER.glob("*.toml"))
HOLES = re.compile(r"\{(\w*)\}")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_both_languages_have_the_same_keys_and_holes(path: object) -> None:
    say = Texts(path.stem)  # type: ignore[attr-defined]
    assert say.keys("en") == say.keys("zh")
    tables = say._tables
    for key in say.keys("en"):
        assert set(HOLES.findall(tables["en"][key])) == set(HOLES.findall(tables["zh"][key])), key


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_chinese_texts_are_chinese(path: object) -> None:
    """A text copied from English into [zh] is found, but for names and empty words."""
    tables = Texts(path.stem)._tables  # type: ignore[attr-defined]
    copied = [key for key, text in tables["zh"].items()
              if text == tables["en"][key] and len(text.split()) > 3
              and not key.endswith(".hint")]  # a hint may be an example in the other language
    assert copied == []


def test_a_finished_domain_has_title_intro_and_three_to_five_examples() -> None:
    for domain in DOMAINS:
        if not (module.FOLDER / f"{domain.slug}.toml").exists():
            continue
        say = Texts(domain.slug)
        assert say("en", "title")
        assert say("zh", "intro")
        assert 3 <= len(say.examples) <= 5, domain.slug


def test_values_are_filled_in_and_unknown_names_are_errors(demo_texts: object) -> None:
    say = Texts("demo")
    assert say("en", "question.label") == "Question"
    assert say("zh", "question.label") == "问题"
    assert say("fr", "ask") == "Ask"
    assert say("en", "error.id", id="ab{c}") == "id ab{c}"
    assert "button.stop" in say
    assert "no.such" not in say
    with pytest.raises(KeyError):
        say("en", "no.such")


def test_examples_have_labels_by_language(demo_texts: object) -> None:
    first = Texts("demo").examples[0]
    assert first.label("zh") == "卡片丢失"
    assert first.label("xx") == "Lost card"
    assert first.inputs == {"question": "What does a lost card cost?"}


def test_every_file_is_toml_with_two_languages() -> None:
    assert FILES
    for path in FILES:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(LANGUAGES) <= set(raw)
