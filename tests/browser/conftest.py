"""A real browser on a real page: Debian's Chromium, driven by Playwright.

The page runs on the fake engine, or on the real one where a test is also marked
``integration``. Without Chromium the tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.films import write_films

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-component-update", "--disable-dev-shm-usage", "--no-first-run"]
# Noise of the browser itself, not of the page.
HARMLESS = ("favicon", "manifest.json", "ERR_INTERNET_DISCONNECTED", "fonts.g")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("No Chromium here (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """One browser page with what went wrong in it."""

    page: Any
    problems: list[str] = field(default_factory=list)

    def open_tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def chip(self, place: int = 0) -> Any:
        """An example of the tab in view."""
        return self.page.locator(".lp-chip:visible").nth(place)

    def status(self) -> str:
        """The line under the input of the tab in view."""
        return str(self.page.locator(".lp-status-line:visible").first.inner_text())

    def wait_idle(self, timeout: float = 30_000) -> None:
        """Until nothing runs in the tab in view."""
        self.page.wait_for_function(
            "() => ![...document.querySelectorAll('.lp-working')].some(e => e.offsetParent)",
            timeout=timeout)

    def width_needed(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def shot(self, name: str) -> None:
        """Keep a picture where LEPTON_SCREENSHOTS points; otherwise nothing."""
        folder = os.environ.get("LEPTON_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visitor]]:
    """``visit(url, width=1440, theme="light", locale="en-GB")`` opens the page."""
    contexts: list[Any] = []

    def go(url: str, *, width: int = 1440, theme: str = "light",
           locale: str = "en-GB") -> Visitor:
        context = chromium.new_context(viewport={"width": width, "height": 900}, locale=locale)
        contexts.append(context)
        visitor = Visitor(context.new_page())
        visitor.page.on("pageerror", lambda e: visitor.problems.append(str(e)))
        visitor.page.on("console", lambda m: visitor.problems.append(m.text)
                        if m.type == "error" and not any(h in m.text for h in HARMLESS) else None)
        visitor.page.goto(f"{url}?__theme={theme}")
        visitor.page.wait_for_selector(".lp-tabs", timeout=30_000)
        return visitor

    yield go
    for context in contexts:
        context.close()


@pytest.fixture
def films_folder(tmp_path: Path) -> Path:
    """A small film data set in the form of the catalogue's."""
    return write_films(tmp_path / "films")
