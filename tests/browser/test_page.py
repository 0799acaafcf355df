"""Every tab of the application in a real browser: an example, its answer, its picture.

On the fake engine here; ``tests/integration`` runs the same tour on the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domains import DOMAINS
from domains.shared.texts import Texts
from tests.browser.conftest import Visitor
from tests.browser.tour import take_tour
from tests.engine.verdict_rows import verdict
from tests.fakes import FakeEngine

Launch = Callable[..., str]
Visit = Callable[..., Visitor]


@pytest.fixture
def fake_engine(films_folder: Any) -> FakeEngine:
    """A fake engine with the small film data set, all models ready."""
    engine = FakeEngine(data={"films": films_folder})
    engine.preload(dict.fromkeys(n for d in DOMAINS for n in d.needs))
    return engine


def test_every_tab_answers_its_first_example(
        launch: Launch, visit: Visit, fake_engine: FakeEngine) -> None:
    seen = visit(launch(fake_engine))
    for domain in DOMAINS:
        take_tour(seen, Texts(domain.slug)("en", "title"))
    assert seen.problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_a_telephone(
        launch: Launch, visit: Visit, fake_engine: FakeEngine, theme: str) -> None:
    seen = visit(launch(fake_engine), width=390, theme=theme)
    for domain in DOMAINS:
        title = Texts(domain.slug)("en", "title")
        seen.open_tab(title)
        assert seen.width_needed() <= 390, f"{title} before an answer"
        take_tour(seen, title)
        seen.shot(f"{domain.slug}-{theme}-390")
        assert seen.width_needed() <= 390, f"{title} with an answer"


def test_every_tab_is_chinese_for_a_chinese_browser(
        launch: Launch, visit: Visit, fake_engine: FakeEngine) -> None:
    seen = visit(launch(fake_engine), locale="zh-CN")
    for domain in DOMAINS:
        say = Texts(domain.slug)
        seen.page.get_by_role("tab", name=say("zh", "title"), exact=True).click()
        seen.page.wait_for_selector(f".lp-intro:visible >> text={say('zh', 'intro')[:12]}")
    assert seen.problems == []


PATIENCE_MS = 120_000.0  # ten answers in one test
LINE_OF_FILMS = 1  # the example that asks for films by a line
VARIED = ("minilm-l6", "use-multilingual", "reranker", "qwen-0.5b", "finance-sentiment",
          "bank-intent")

WHY_NAMES_INT4 = """() => [...document.querySelectorAll('.lp-why')].some(
  panel => panel.offsetParent && panel.textContent.includes('/int4@fake'))"""


def test_every_tab_follows_the_profile(
        launch: Launch, visit: Visit, films_folder: Any) -> None:
    gate = [verdict(name, "int4", loss_points=2.14, decision="refused") for name in VARIED]
    seen = visit(launch(FakeEngine(data={"films": films_folder}, gate=gate)))
    note = seen.page.locator(".lp-profile-note")
    seen.page.locator(".lp-profile label", has_text="original").click()
    note.filter(has_text="Every model runs as published.").wait_for()
    answering = [d for d in DOMAINS if d.needs]
    for domain in answering:
        text = take_tour(seen, Texts(domain.slug)("en", "title"), PATIENCE_MS)
        assert "/original@fake" in text, domain.slug
        assert "int4@fake" not in text, domain.slug
    seen.page.locator(".lp-profile label", has_text="fast").click()
    note.filter(has_text="minilm-l6 int4 −2.14 points (n = 9,543)").wait_for()
    seen.shot("profile-fast")
    for domain in answering:
        seen.open_tab(Texts(domain.slug)("en", "title"))
        # Films alone are compared in the index, which is the original's; a line is read anew.
        seen.chip(LINE_OF_FILMS if domain.slug == "recommendation" else 0).click()
        seen.page.wait_for_function(WHY_NAMES_INT4, timeout=PATIENCE_MS)
        seen.wait_idle()
    assert seen.problems == []
