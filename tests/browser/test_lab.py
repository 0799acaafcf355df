"""The Engine lab in a real browser on the fake engine: every section, both widths, keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domains.base import Domain
from domains.shared import page
from tests.browser.conftest import Visitor
from tests.browser.tour import MARKS
from tests.domains.lab import GATE
from tests.fakes import FakeEngine

LAB = Domain("engine_lab", ())
RUNS = {"Side by side": "Ask both", "Tokenizer lens": "Cut", "Attention": "Look inside",
        "Memory and device": "Load"}
Launch = Callable[..., str]
Visit = Callable[..., Visitor]


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded example as the command makes it, from the verdicts of these tests."""
    engine = FakeEngine(gate=GATE)
    payload = LAB.build_service(engine).api().to_json()
    row = {"recorded_at": "2026-11-23", "host": "2 cores", "input": {"name": "finance-sentiment"},
           "payload": payload}
    (tmp_path / "engine_lab.json").write_text(json.dumps(row), encoding="utf-8")
    monkeypatch.setattr(page, "RECORDED", tmp_path)


def press(seen: Visitor, name: str) -> None:
    seen.page.get_by_role("button", name=name, exact=True).click()


def test_the_first_view_shows_what_was_measured(
        recorded: None, launch: Launch, visit: Visit) -> None:
    seen = visit(launch(FakeEngine(gate=GATE), [LAB]))
    seen.page.wait_for_selector(MARKS)
    rows = seen.page.locator(".lp-lab-rows > li")
    assert rows.count() == 3
    assert "0.27 points of weighted F1 lost" in rows.first.inner_text()
    assert "n = 9,543, 2026-11-23" in seen.page.locator(".lp-lab-head").inner_text()
    assert seen.problems == []


def test_recipes_are_measured_and_exported(
        tmp_path: Path, launch: Launch, visit: Visit) -> None:
    seen = visit(launch(FakeEngine(gate=GATE), [LAB]))
    seen.page.set_default_timeout(120_000)  # the first run imports what measuring needs
    seen.page.get_by_label("Own recipes").fill("prune-neurons:0.5+int8")
    press(seen, "Measure")
    # The recorded example has rows as well: the own recipe is only among the measured ones.
    seen.page.wait_for_selector('.lp-lab-rows > li:has-text("prune-neurons:0.5+int8")')
    seen.wait_idle()
    assert "prune-neurons:0.5+int8" in seen.page.locator(".lp-lab-rows").inner_text()
    seen.page.wait_for_selector(MARKS)
    with seen.page.expect_download() as table:
        seen.page.get_by_text("Download table (CSV)").click()
    assert Path(table.value.path()).read_text(encoding="utf-8-sig").count("undecidable") == 3
    with seen.page.expect_download() as report:
        seen.page.get_by_text("Download report").click()
    report.value.save_as(tmp_path / "report.html")
    report_page = seen.page.context.new_page()
    report_page.goto(f"file://{tmp_path / 'report.html'}")
    report_page.wait_for_selector(".js-plotly-plot .scatterlayer path")
    assert report_page.locator(".lp-lab-rows > li").count() == 3
    assert seen.problems == []


def test_stop_keeps_the_rows_so_far(launch: Launch, visit: Visit) -> None:
    seen = visit(launch(FakeEngine(delay_s=1.0), [LAB]))
    press(seen, "Measure")
    seen.page.wait_for_selector(".lp-lab-head >> text=1 of 2 recipes")  # the recording is gone
    press(seen, "Stop")
    seen.page.wait_for_selector("text=Stopped. What was done until then is shown.")
    assert seen.page.locator(".lp-lab-rows > li").count() == 1
    assert "1 of 2 recipes" in seen.page.locator(".lp-lab-head").inner_text()


def test_errors_stand_under_the_input(launch: Launch, visit: Visit) -> None:
    seen = visit(launch(FakeEngine(), [LAB]))
    own = seen.page.get_by_label("Own recipes")
    own.fill("prune-noses:0.5")
    press(seen, "Measure")
    seen.page.wait_for_selector("[role=alert] >> text=no compression step called “prune-noses”")
    assert own.input_value() == "prune-noses:0.5"
    own.fill("")
    seen.page.get_by_label("my CSV file").check()
    press(seen, "Measure")
    seen.page.wait_for_selector("[role=alert] >> text=There is no file yet")
    seen.page.locator("input[type=file]").set_input_files(
        {"name": "t.csv", "mimeType": "text/csv", "buffer": b"text,label\na,up\nb,up\n"})
    seen.page.wait_for_selector("text=t.csv")
    press(seen, "Measure")
    seen.page.wait_for_selector("[role=alert] >> text=Every row has the same label")


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_every_section_answers_and_fits(
        launch: Launch, visit: Visit, width: int, theme: str) -> None:
    seen = visit(launch(FakeEngine(), [LAB]), width=width, theme=theme)
    for tab, button in RUNS.items():
        seen.page.get_by_role("tab", name=tab, exact=True).click()
        press(seen, button)
        seen.page.wait_for_selector(".lp-tab .lp-tab:visible .lp-view:visible", timeout=120_000)
        seen.wait_idle()
        assert not seen.page.locator("[role=alert]:visible").count(), f"{tab}: {seen.status()}"
        assert seen.width_needed() <= width, tab
        seen.shot(f"lab-{tab}-{theme}-{width}")
    assert seen.page.locator(".lp-lab-table >> text=minilm-l6/int8").count() == 1
    press(seen, "Unload")
    seen.page.wait_for_selector("text=minilm-l6/int8 is unloaded")
    assert seen.problems == []


def test_another_layer_and_head_are_drawn(launch: Launch, visit: Visit) -> None:
    seen = visit(launch(FakeEngine(), [LAB]))
    seen.page.get_by_role("tab", name="Attention", exact=True).click()
    press(seen, "Look inside")
    seen.page.wait_for_selector("text=layer 1 · mean of the heads")
    seen.page.get_by_label("Head", exact=True).click()
    seen.page.get_by_role("option", name="4", exact=True).click()
    seen.page.wait_for_selector("text=layer 1 · head 4")
    seen.page.wait_for_selector("text=prune-heads:0.25 has 3 heads left in layer 1")


def test_it_is_chinese_and_reached_by_keyboard(
        recorded: None, launch: Launch, visit: Visit) -> None:
    seen = visit(launch(FakeEngine(gate=GATE), [LAB]), locale="zh-CN")
    seen.page.wait_for_selector(".lp-lab-rows >> text=加权 F1 损失 0.27 点")
    seen.page.get_by_role("tab", name="比较", exact=True).focus()
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.matches('[role=tab], input, textarea')")
    seen.page.get_by_role("tab", name="分词透镜", exact=True).focus()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector(".lp-lens-block >> nth=3")
    assert "个词元" in seen.page.locator(".lp-lens-legend").inner_text()
