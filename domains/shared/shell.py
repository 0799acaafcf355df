"""Around the tabs: header, language control, and the one timer that keeps them true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from domains.base import Domain
from domains.shared.failures import failure_of
from domains.shared.header import StatusCache, header_html, seconds_until_next, waiting_html
from domains.shared.language import LanguageRegistry, browser_language
from domains.shared.markup import escape
from domains.shared.running import SKIP
from domains.shared.tabs import Tab, build_tab
from domains.shared.texts import Texts
from lepton_engine.results import EngineStatus

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build_shell(engine: Any, domains: Sequence[Domain]) -> list[Tab]:
    """Build header, tabs and footer in the Blocks at hand, and wire what they share."""
    say = Texts("page")
    registry = LanguageRegistry()
    lang = gr.State("en")
    with gr.Row(elem_classes="lp-top"):
        header = gr.HTML(header_html(engine.status()), elem_classes="lp-header-line",
                         js_on_load=None)
        control = gr.Radio([("English", "en"), ("中文", "zh")], value="en", container=False,
                           show_label=False, label=say("en", "language"), scale=0, min_width=150,
                           elem_classes="lp-language")
    with gr.Tabs(overflow_behavior="wrap", elem_classes="lp-tabs"):
        tabs = [build_tab(domain, engine, lang, registry) for domain in domains]
    footer = gr.HTML(f"<p>{escape(say('en', 'footer'))}</p>", elem_classes="lp-footer",
                     js_on_load=None)
    registry.label(footer, {"value": lambda to: f"<p>{escape(say(to, 'footer'))}</p>"})
    _wire(StatusCache(engine.status), registry, lang, control, header, tabs)
    return tabs


def _wire(status: StatusCache, registry: LanguageRegistry, lang: gr.State, control: gr.Radio,
          header: gr.HTML, tabs: Sequence[Tab]) -> None:
    timer = gr.Timer(seconds_until_next(status.get()))
    lines = [header, *(tab.waiting for tab in tabs), timer]
    payloads = registry.payloads

    def state_lines(to: str, seconds: float | None) -> list[Any]:
        try:
            return _lines(status.get(), tabs, to, seconds)
        except Exception as error:  # a dead engine must not be asked for ever
            failure_of(error, "status")
            return [header_html(None, to), *("" for _ in tabs), gr.Timer(active=False)]

    def speak(to: str, *states: Any) -> list[Any]:
        return [to, *registry.updates(to, states), *state_lines(to, None)]

    def arrive(request: gr.Request, *states: Any) -> list[Any]:
        to = browser_language(request.headers.get("accept-language"))
        rows = [SKIP] * (1 + len(registry.outputs)) if to == "en" else [
            to, *registry.updates(to, states)]
        return [SKIP if to == "en" else to, *rows, *state_lines(to, None)]

    assert_blocks = gr.context.Context.root_block
    assert assert_blocks is not None
    assert_blocks.load(arrive, payloads, [control, lang, *registry.outputs, *lines],
                       api_name="page_load", **QUIET)
    control.input(speak, [control, *payloads], [lang, *registry.outputs, *lines],
                  api_name="page_language", **QUIET)
    timer.tick(state_lines, [lang, timer], lines, api_name="page_status", **QUIET)


def _lines(status: EngineStatus, tabs: Sequence[Tab], to: str, seconds: float | None) -> list[Any]:
    wanted = seconds_until_next(status)
    return [header_html(status, to),
            *(waiting_html(status, tab.domain.needs, to) for tab in tabs),
            SKIP if seconds == wanted else gr.Timer(wanted, active=True)]
