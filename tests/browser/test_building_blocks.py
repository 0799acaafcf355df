"""What every tab gets from the shared parts, proved on the demo domain in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lepton_engine.errors import RuntimeFailure
from lepton_engine.results import EngineStatus, LoadState
from tests.browser.conftest import Visitor
from tests.demo import DEMO
from tests.fakes import FakeEngine

Serve = Callable[..., str]
Visit = Callable[..., Visitor]


def test_an_example_runs_on_one_click(serve: Serve, visit: Visit) -> None:
    seen = visit(serve(FakeEngine()))
    seen.chip(0).click()
    seen.page.wait_for_selector(".lp-answer >> text=A lost card costs five euros")
    assert "Answered" in seen.page.locator(".lp-why").inner_text()
    assert seen.page.locator(".lp-why mark").inner_text().startswith("A lost card costs")
    assert seen.page.locator("textarea").first.input_value() == "What does a lost card cost?"
    seen.page.wait_for_selector(".js-plotly-plot .main-svg .barlayer path")
    seen.page.get_by_text("Show as a table").click()
    seen.page.wait_for_selector(".table-wrap >> text=Transfers")
    assert seen.problems == []


def test_hostile_text_is_only_text(serve: Serve, visit: Visit) -> None:
    evil = "<img src=x onerror=\"window.hit=1\"> ${window.hit=2} {{constructor}} card cost"
    seen = visit(serve(FakeEngine(reply=evil)))
    seen.chip(0).click()
    seen.page.wait_for_selector(".lp-answer >> text=constructor")
    assert seen.page.locator(".lp-answer").inner_text().strip() == evil
    assert seen.page.evaluate("window.hit") is None
    assert seen.page.locator(".lp-answer img, .lp-why img").count() == 0


def test_an_error_stands_under_the_input_and_keeps_it(serve: Serve, visit: Visit) -> None:
    failing = FakeEngine(fail={"chat": RuntimeFailure("The worker stopped. Ask again.")})
    seen = visit(serve(failing))
    box = seen.page.locator("textarea").first
    box.fill("What does a lost card cost me?")
    seen.page.get_by_role("button", name="Ask").click()
    seen.page.wait_for_selector("[role=alert] >> text=The worker stopped. Ask again. (id ")
    assert box.input_value() == "What does a lost card cost me?"
    assert seen.page.get_by_role("button", name="Ask").is_enabled()
    box.fill("   ")
    seen.page.get_by_role("button", name="Ask").click()
    seen.page.wait_for_selector("[role=alert] >> text=The question is empty. Write one.")


def test_stop_ends_the_work(serve: Serve, visit: Visit) -> None:
    engine = FakeEngine(reply="word " * 60, delay_s=0.1)
    seen = visit(serve(engine))
    seen.page.locator("textarea").first.fill("What does a lost card cost?")
    seen.page.get_by_role("button", name="Ask").click()
    seen.page.wait_for_selector(".lp-working >> text=Working")
    stop = seen.page.get_by_role("button", name="Stop")
    assert stop.is_enabled()
    stop.click()
    seen.page.wait_for_selector("text=Stopped. What was done until then is shown.")
    assert seen.page.get_by_role("button", name="Ask").is_enabled()
    assert seen.page.locator(".lp-answer").count() == 0


def test_the_recorded_example_is_marked_and_gives_way(
        demo_recorded: Path, serve: Serve, visit: Visit) -> None:
    seen = visit(serve(FakeEngine()))
    note = seen.page.locator(".lp-recorded")
    assert "Recorded example · 2026-11-23 · 2 CPU cores" in note.inner_text()
    assert "What does a lost card cost?" in note.inner_text()
    view = seen.page.locator(".block.lp-view").first
    assert float(view.evaluate("e => getComputedStyle(e).opacity")) < 0.7
    seen.page.get_by_role("button", name="Run this example now").click()
    note.wait_for(state="hidden")
    seen.wait_idle()
    assert float(view.evaluate("e => getComputedStyle(e).opacity")) == 1
    assert seen.page.locator("textarea").first.input_value() == "What does a lost card cost?"


def test_chinese_by_browser_and_by_control(
        demo_recorded: Path, serve: Serve, visit: Visit) -> None:
    url = serve(FakeEngine())
    chinese = visit(url, locale="zh-CN")
    chinese.page.wait_for_selector("text=从三个段落中找出回答问题的句子")
    chinese.page.wait_for_selector(".lp-why >> text=已回答")
    assert chinese.page.get_by_role("tab", name="演示").count() == 1
    english = visit(url)
    english.page.wait_for_selector("text=Finds the sentence of three passages")
    english.chip(1).click()
    english.page.wait_for_selector(".lp-answer >> text=one working day")
    english.page.locator("textarea").first.fill("typed before the change")
    english.page.get_by_text("中文", exact=True).click()
    english.page.wait_for_selector(".lp-why >> text=证据")
    assert english.page.locator("textarea").first.input_value() == "typed before the change"
    assert "one working day" in english.page.locator(".lp-answer").inner_text()
    english.page.get_by_role("button", name="提问").click()
    english.page.wait_for_selector(".lp-answer >> text=没有答案")
    assert chinese.problems == english.problems == []


def test_loading_is_seen_and_goes_away(serve: Serve, visit: Visit) -> None:
    engine = FakeEngine()
    engine.fixed_status = EngineStatus("cpu", "int8", "No GPU here.", (
        LoadState("minilm-l6", "loading", 0.4), LoadState("other", "waiting")))
    seen = visit(serve(engine))
    seen.page.wait_for_selector(".lp-header >> text=Loading minilm-l6 40 %")
    seen.page.wait_for_selector(".lp-wait >> text=Still loading for this tab: minilm-l6 (40 %).")
    engine.fixed_status = EngineStatus("cpu", "int8", "No GPU here.", (
        LoadState("minilm-l6", "failed", None, "The file is damaged."),))
    seen.page.wait_for_selector(".lp-wait >> text=Not available here: minilm-l6. The file")
    engine.fixed_status = None
    engine.preload(["minilm-l6"])
    seen.page.wait_for_selector(".lp-header >> text=All models are loaded", timeout=15_000)
    assert seen.page.locator(".lp-wait").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_and_why_folds_when_narrow(
        demo_recorded: Path, serve: Serve, visit: Visit, width: int, theme: str) -> None:
    seen = visit(serve(FakeEngine()), width=width, theme=theme)
    seen.chip(0).click()
    seen.wait_idle()
    seen.page.wait_for_selector(".js-plotly-plot .main-svg .barlayer path")
    assert seen.width_needed() <= width
    evidence = seen.page.locator(".lp-evidence")
    assert evidence.is_visible() is (width == 1440)
    seen.shot(f"demo-{theme}-{width}")
    if width == 390:
        seen.page.get_by_role("checkbox", name="Show why").focus()
        seen.page.keyboard.press("Space")
        assert evidence.is_visible()
        assert seen.width_needed() <= width
    ink, paper = seen.page.evaluate(
        "() => [getComputedStyle(document.querySelector('.lp-intro p')).color,"
        " getComputedStyle(document.querySelector('gradio-app')).backgroundColor]")
    assert (_light(ink) < _light(paper)) is (theme == "light")


def _light(colour: str) -> float:
    numbers: list[Any] = [float(n) for n in colour[colour.index("(") + 1:-1].split(",")[:3]]
    return float(sum(numbers))


def test_a_broken_tab_takes_down_itself_only(serve: Serve, visit: Visit) -> None:
    class Broken(type(DEMO)):  # type: ignore[misc]
        def build_service(self, engine: Any) -> Any:
            raise ImportError("no module at /home/someone")

    seen = visit(serve(FakeEngine(), (Broken("broken", ()), DEMO)))
    alert = seen.page.locator("[role=alert]")
    assert "This tab could not be opened" in alert.inner_text()
    assert "/home" not in seen.page.content()
    seen.open_tab("Demonstration")
    seen.chip(0).click()
    seen.page.wait_for_selector(".lp-answer >> text=A lost card costs five euros")
