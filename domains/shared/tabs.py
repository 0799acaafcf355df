"""From a row of ``DOMAINS`` to a tab: introduction, columns, Why panel, endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import gradio as gr

from domains.base import Domain
from domains.shared.endpoints import expose
from domains.shared.failures import failure_of
from domains.shared.language import LanguageRegistry
from domains.shared.markup import escape
from domains.shared.page import Page, recorded_example
from domains.shared.running import notice_html
from domains.shared.texts import Texts


@dataclass(frozen=True)
class Tab:
    """A built tab: ``waiting`` shows which of ``needs`` are still loading.

    ``warm`` is the service's method of that name, where it has one: it builds behind the
    page what the first question would otherwise wait for (an index, vectors).
    """

    domain: Domain
    tab: gr.Tab
    waiting: gr.HTML
    warm: Callable[[], object] | None = None


def build_tab(domain: Domain, engine: Any, lang: gr.State, session: gr.State,
              registry: LanguageRegistry) -> Tab:
    """Build one tab inside a ``gr.Tabs``; whatever fails in it takes down this tab only."""
    with gr.Tab(_title(domain.slug, "en"), id=domain.slug) as tab:
        registry.label(tab, {"label": lambda to: _title(domain.slug, to)})
        waiting = gr.HTML("", elem_classes="lp-waiting", js_on_load=None)
        with gr.Column(elem_classes="lp-tab") as body:
            service = None
            try:
                service = domain.build_service(engine)
                _fill(domain, service, lang, session, registry, body)
            except Exception as error:  # the other tabs must open
                failed: str | None = _reason(domain.slug, error)
            else:
                failed = None
        if failed is not None:
            body.visible = False
            gr.HTML(failed, elem_classes="lp-tab-failed", js_on_load=None)
    return Tab(domain, tab, waiting, getattr(service, "warm", None))


def _fill(domain: Domain, service: Any, lang: gr.State, session: gr.State,
          registry: LanguageRegistry, body: gr.Column) -> None:
    ui: ModuleType = domain.module("ui")
    page = Page(domain.slug, lang, session, registry, recorded_example(domain.slug))
    page.body = body
    intro = gr.HTML(elem_classes="lp-intro", js_on_load=None)
    page.label(intro, value=lambda to: f"<p>{escape(page.texts(to, 'intro'))}</p>")
    with gr.Row(elem_classes="lp-frame"):
        with gr.Column(elem_classes="lp-left") as left:
            pass
        with gr.Column(elem_classes="lp-right"):
            page.why()
        with gr.Column(elem_classes="lp-below") as page.below:
            pass
    with left:
        layout = ui.layout(page)
    ui.wire(page, layout, service)
    page.finish()
    if hasattr(service, "api"):  # a service without one is for the page alone
        expose(domain.slug, service.api, max_characters=getattr(service, "max_characters", 4000))


def _title(slug: str, lang: str) -> str:
    try:
        return Texts(slug)(lang, "title")
    except (OSError, KeyError, ValueError):  # the tab then says what is wrong with it
        return slug.replace("_", " ").capitalize()


def _reason(slug: str, error: Exception) -> str:
    say = Texts("page")
    failure = failure_of(error, f"building tab {slug}")
    return notice_html(say("en", "waits.tab", reason=failure.sentence), "error") + (
        f'<p class="lp-quiet">{escape(say("en", "waits.tab_hint", id=failure.id))}</p>')
