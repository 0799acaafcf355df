"""Around the tabs: header, profile, language, and the one timer that keeps them true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from domains.base import Domain
from domains.shared.failures import failure_of
from domains.shared.header import StatusCache, header_html, seconds_until_next, waiting_html
from domains.shared.language import LanguageRegistry, browser_language
from domains.shared.markup import escape
from domains.shared.profile import profile_html, running
from domains.shared.running import SKIP
from domains.shared.session import Session
from domains.shared.tabs import Tab, build_tab
from domains.shared.texts import Texts
from lepton_engine.profiles import DEFAULT, PROFILES
from lepton_engine.results import EngineStatus

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build_shell(engine: Any, domains: Sequence[Domain]) -> list[Tab]:
    """Build header, tabs and footer in the Blocks at hand, and wire what they share."""
    say = Texts("page")
    registry = LanguageRegistry()
    lang, session = gr.State("en"), gr.State(Session())
    with gr.Row(elem_classes="lp-top"):
        header = gr.HTML(header_html(engine.status()), elem_classes="lp-header-line",
                         js_on_load=None)
        profile = gr.Radio(_profiles("en"), value=DEFAULT, container=False, show_label=False,
                           label=say("en", "profile.label"), scale=0, min_width=150,
                           elem_classes="lp-language lp-profile")
        language = gr.Radio([("English", "en"), ("中文", "zh")], value="en", container=False,
                            show_label=False, label=say("en", "language"), scale=0, min_width=150,
                            elem_classes="lp-language")
    note = gr.HTML("", elem_classes="lp-profile-line", js_on_load=None)
    registry.label(profile, {"choices": _profiles, "label": lambda to: say(to, "profile.label")})
    with gr.Tabs(overflow_behavior="wrap", elem_classes="lp-tabs"):
        tabs = [build_tab(domain, engine, lang, session, registry) for domain in domains]
    footer = gr.HTML(f"<p>{escape(say('en', 'footer'))}</p>", elem_classes="lp-footer",
                     js_on_load=None)
    registry.label(footer, {"value": lambda to: f"<p>{escape(say(to, 'footer'))}</p>"})
    lines = Lines(engine, StatusCache(engine.status), tabs)
    timer = gr.Timer(seconds_until_next(lines.status.get()))
    _wire(lines, registry, Controls(lang, session, language, profile, header, note, timer))
    return tabs


def _profiles(lang: str) -> list[tuple[str, str]]:
    say = Texts("page")
    return [(say(lang, f"profile.{name}"), name) for name in PROFILES]


@dataclass(frozen=True)
class Controls:
    """The components of the header."""

    lang: gr.State
    session: gr.State
    language: gr.Radio
    profile: gr.Radio
    header: gr.HTML
    note: gr.HTML
    timer: gr.Timer


@dataclass(frozen=True)
class Lines:
    """What the timer keeps true: header, profile's note, each tab's waiting line."""

    engine: Any
    status: StatusCache
    tabs: Sequence[Tab]

    def row(self, session: Session, seconds: float | None) -> list[Any]:
        """Their values in the order header, note, waiting lines, timer."""
        to = session.lang
        try:
            status = self.status.get()
            wanted = seconds_until_next(status)
            return [header_html(status, to), self._note(session, status),
                    *(waiting_html(status, tab.domain.needs, to) for tab in self.tabs),
                    SKIP if seconds == wanted else gr.Timer(wanted, active=True)]
        except Exception as error:  # a dead engine must not be asked for ever
            failure_of(error, "status")
            return [header_html(None, to), "", *("" for _ in self.tabs), gr.Timer(active=False)]

    def _note(self, session: Session, status: EngineStatus) -> str:
        names = [name for tab in self.tabs for name in tab.domain.needs]
        rows = running(self.engine, names, session.profile)
        return profile_html(session.profile, rows, status.notes, session.lang)


def _wire(lines: Lines, registry: LanguageRegistry, on: Controls) -> None:
    shown = [on.header, on.note, *(tab.waiting for tab in lines.tabs), on.timer]
    payloads = registry.payloads

    def speak(to: str, session: Session, *states: Any) -> list[Any]:
        session.lang = to
        return [to, *registry.updates(to, states), *lines.row(session, None)]

    def arrive(request: gr.Request, session: Session, *states: Any) -> list[Any]:
        to = session.lang = browser_language(request.headers.get("accept-language"))
        rows = [SKIP] * (1 + len(registry.outputs)) if to == "en" else [
            to, *registry.updates(to, states)]
        return [SKIP if to == "en" else to, *rows, *lines.row(session, None)]

    def choose(profile: str, session: Session) -> list[Any]:
        if profile in PROFILES:
            session.profile = profile
        return lines.row(session, None)

    blocks = gr.context.Context.root_block
    assert blocks is not None
    blocks.load(arrive, [on.session, *payloads],
                [on.language, on.lang, *registry.outputs, *shown], api_name="page_load", **QUIET)
    on.language.input(speak, [on.language, on.session, *payloads],
                      [on.lang, *registry.outputs, *shown], api_name="page_language", **QUIET)
    on.profile.input(choose, [on.profile, on.session], shown, api_name="page_profile", **QUIET)
    on.timer.tick(lines.row, [on.session, on.timer], shown, api_name="page_status", **QUIET)
