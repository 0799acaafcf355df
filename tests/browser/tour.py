"""What the browser tests do on every tab, on the fake engine and on the real one."""

from __future__ import annotations

from tests.browser.conftest import Visitor

# Whichever of these a plot draws its data with.
MARKS = ".js-plotly-plot .main-svg :is(.barlayer, .scatterlayer, .boxlayer, .heatmaplayer) path"
CHARACTERS = 20


def take_tour(seen: Visitor, title: str, timeout: float = 30_000) -> str:
    """Open a tab, click its first example, read the answer, see the plot; gives the text."""
    seen.open_tab(title)
    seen.chip(0).wait_for(state="visible", timeout=timeout)
    seen.chip(0).click()
    outcome = seen.page.wait_for_function(ANSWERED_OR_FAILED, arg=CHARACTERS, timeout=timeout)
    assert outcome.json_value() == "answered", f"{title}: {seen.status()}"
    seen.wait_idle(timeout)
    assert not seen.page.locator("[role=alert]:visible").count(), f"{title}: {seen.status()}"
    plots = seen.page.locator(".block:has(.js-plotly-plot):visible")
    if plots.count():
        seen.page.wait_for_selector(MARKS, state="attached", timeout=timeout)
    return str(seen.page.locator(".lp-tab:visible").first.text_content())


# An answer is there when the tab is no longer greyed, the Why panel shows a decision of its
# own, and the views hold some text. A sentence with role alert ends the waiting at once.
ANSWERED_OR_FAILED = """(least) => {
  const tab = [...document.querySelectorAll('.lp-tab')].find(e => e.offsetParent);
  if ([...document.querySelectorAll('[role=alert]')].some(e => e.offsetParent)) return 'failed';
  if (!tab || tab.classList.contains('lp-old')) return false;
  const decided = tab.querySelector('.lp-why .lp-badge');
  const text = [...tab.querySelectorAll('.block.lp-view:not(.lp-why-panel)')]
    .map(e => e.innerText || '').join(' ').trim();
  return Boolean(decided) && text.length >= least && 'answered';
}"""
