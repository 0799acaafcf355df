"""The same tour as on the fake engine, on the real one with its small models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from domains import DOMAINS
from domains.shared.texts import Texts
from tests.browser.conftest import Visitor
from tests.browser.tour import take_tour

FIRST_LOAD_MS = 300_000.0

pytestmark = pytest.mark.integration


@pytest.fixture
def real_engine() -> Iterator[Any]:
    from lepton_engine import Engine

    engine = Engine()
    engine.preload(dict.fromkeys(name for domain in DOMAINS for name in domain.needs))
    yield engine
    engine.close()


def test_every_tab_answers_with_real_models(
        launch: Callable[..., str], visit: Callable[..., Visitor], real_engine: Any) -> None:
    seen = visit(launch(real_engine))
    for domain in DOMAINS:
        text = take_tour(seen, Texts(domain.slug)("en", "title"), FIRST_LOAD_MS)
        assert "@openvino:cpu" in text, f"{domain.slug} names no real variant"
        seen.shot(f"{domain.slug}-light-1440")
    seen.page.wait_for_selector(".lp-header >> text=All models are loaded", timeout=FIRST_LOAD_MS)
    assert seen.problems == []
