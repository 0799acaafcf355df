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
