"""Header and waiting lines: pure views of the engine's status."""

from __future__ import annotations

import re
from html import unescape

from domains.shared.header import (
    StatusCache,
    header_html,
    loading,
    seconds_until_next,
    waiting_html,
)
from domains.shared.language import browser_language
from lepton_engine.results import EngineStatus, LoadState


def status(*models: LoadState, queue: int = 0) -> EngineStatus:
    return EngineStatus("cpu", "int8", 'No "GPU" <here>.', models, 1_234_000_000, 4_000_000_000,
                        queue)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


READY = LoadState("minilm-l6", "ready", 1.0)
COMING = LoadState("qwen-0.5b", "loading", 0.426, "downloading 491 MB")
LATER = LoadState("reranker", "waiting")
BROKEN = LoadState("spacy-en", "failed", None, "The file is damaged; it was put aside.")


def test_header_says_device_reason_memory_and_progress() -> None:
    html = header_html(status(READY, COMING, LATER, queue=3))
    text = text_of(html)
    assert "cpu · int8" in text
    assert "Memory 1.23 GB of 4.00 GB" in text
    assert "3 waiting" in text
    assert "Loading qwen-0.5b 43 % · 1 more to load" in text
    assert 'title="No &quot;GPU&quot; &lt;here&gt;."' in html
    assert "downloading 491 MB" in html


def test_header_in_its_other_states() -> None:
    assert "All models are loaded" in text_of(header_html(status(READY)))
    assert "Models load on first use" in text_of(header_html(status()))
    assert "1 could not be loaded" in text_of(header_html(status(READY, BROKEN)))
    assert "could not be read" in text_of(header_html(None))
    assert "正在加载 qwen-0.5b 43 %" in text_of(header_html(status(COMING), "zh"))
    assert "2 more to load" in text_of(header_html(status(LATER, LATER)))


def test_a_tab_names_only_what_it_needs_itself() -> None:
    now = status(READY, COMING, LATER, BROKEN)
    text = text_of(waiting_html(now, ("minilm-l6", "qwen-0.5b", "reranker")))
    assert "Still loading for this tab: qwen-0.5b (43 %), reranker." in text
    assert "spacy-en" not in text
    assert waiting_html(now, ("minilm-l6", "never-asked-for")) == ""
    failed = text_of(waiting_html(now, ("spacy-en",)))
    assert failed == "! Not available here: spacy-en. The file is damaged; it was put aside."
    assert waiting_html(None, ("spacy-en",)) == ""


def test_the_timer_is_quick_only_while_something_loads() -> None:
    assert loading(status(COMING))
    assert not loading(status(READY, BROKEN))
    assert seconds_until_next(status(LATER)) == 2.0
    assert seconds_until_next(status(READY)) == 5.0


def test_one_status_is_shared_until_it_is_old() -> None:
    asked, now = [], [0.0]

    def ask() -> EngineStatus:
        asked.append(now[0])
        return status(READY)

    cache = StatusCache(ask, 1.0, clock=lambda: now[0])
    for now[0] in (0.0, 0.4, 0.99, 1.0, 1.5, 2.1):
        cache.get()
    assert asked == [0.0, 1.0, 2.1]


def test_the_browsers_language() -> None:
    assert browser_language("zh-CN,zh;q=0.9,en;q=0.8") == "zh"
    assert browser_language("fr,en;q=0.5,zh;q=0.8") == "zh"
    assert browser_language("de") == browser_language(None) == browser_language("") == "en"
    assert browser_language("zh;q=0, en;q=nonsense, de") == "en"
    assert browser_language("en-GB, zh-TW") == "en"
