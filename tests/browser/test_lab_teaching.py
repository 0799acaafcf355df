"""“Teach your own” in a real browser on the fake engine, whose vectors are bags of words."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from domains.base import Domain
from tests.browser.conftest import Visitor
from tests.fakes import FakeEngine

LAB = Domain("engine_lab", ())
SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "teach.csv"
Launch = Callable[..., str]
Visit = Callable[..., Visitor]


def opened(seen: Visitor, tab: str = "Teach your own") -> Visitor:
    seen.page.set_default_timeout(120_000)  # the first run imports what fitting needs
    seen.page.get_by_role("tab", name=tab, exact=True).click()
    return seen


def press(seen: Visitor, name: str) -> None:
    seen.page.get_by_role("button", name=name, exact=True).click()


def test_a_file_is_taught_shown_tried_and_downloaded(launch: Launch, visit: Visit) -> None:
    seen = opened(visit(launch(FakeEngine(), [LAB])))
    seen.page.locator("input[type=file]:not([disabled])").last.set_input_files(
        {"name": "t.csv", "mimeType": "text/csv", "buffer": SAMPLE.read_bytes()})
    seen.page.wait_for_selector("text=t.csv")
    press(seen, "Teach")
    tiles = seen.page.locator(".lp-teach-tiles")
    tiles.wait_for()
    assert "%" in tiles.inner_text()
    assert "60" in tiles.inner_text()
    seen.page.wait_for_selector(".heatmaplayer image", state="attached")
    assert seen.page.locator(".js-plotly-plot:visible .annotation").count() >= 4
    assert "delivery" in seen.page.locator(".lp-teach-classes").first.inner_text()
    seen.page.get_by_label("Try it on a text of your own").fill("My parcel has not come")
    press(seen, "Classify")
    seen.page.wait_for_selector(".lp-teach-own .lp-answer")
    assert "delivery" in seen.page.locator(".lp-teach-own table").inner_text()
    with seen.page.expect_download() as file:
        seen.page.get_by_text("Download classifier (ZIP)").click()
    with zipfile.ZipFile(file.value.path()) as archive:
        assert sorted(archive.namelist()) == ["CARD.md", "card.json", "head.safetensors"]
    assert seen.problems == []


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_an_example_of_one_click_fits(
        launch: Launch, visit: Visit, width: int, theme: str) -> None:
    seen = opened(visit(launch(FakeEngine(), [LAB]), width=width, theme=theme))
    seen.shot(f"teach-before-{theme}-{width}")
    press(seen, "Example: a parcel shop, 60 texts in 4 labels")
    seen.page.locator(".lp-teach-tiles").wait_for()
    seen.page.wait_for_selector(".heatmaplayer image", state="attached")
    seen.wait_idle()
    seen.page.get_by_label("Try it on a text of your own").fill("My parcel has not come")
    press(seen, "Classify")
    seen.page.wait_for_selector(".lp-teach-own .lp-answer")
    assert seen.width_needed() <= width
    seen.shot(f"teach-{theme}-{width}")
    assert seen.problems == []


def test_a_bad_file_gets_its_sentence_and_chinese_its_own(launch: Launch, visit: Visit) -> None:
    seen = opened(visit(launch(FakeEngine(), [LAB])))
    press(seen, "Teach")
    seen.page.wait_for_selector("[role=alert] >> text=There is no file yet")
    seen.page.get_by_label("pasted rows").check()
    seen.page.get_by_label("Rows, one in each line").fill("one, a\ntwo, a")
    press(seen, "Teach")
    seen.page.wait_for_selector("[role=alert] >> text=Every row has the same label")
    chinese = opened(visit(launch(FakeEngine(), [LAB]), locale="zh-CN"), "教它你自己的标签")
    press(chinese, "示例（中文）：48 条文本，4 个标签")
    chinese.page.wait_for_selector(".lp-teach-tiles >> text=准确率")
    assert "物流" in chinese.page.locator(".lp-teach-classes").first.inner_text()
