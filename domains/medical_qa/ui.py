"""The medical tab: one box, one button, a notice that stays in sight, the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from domains.medical_qa import views
from domains.medical_qa.service import Service
from domains.shared.page import Page

TURNS_KEPT = 4  # how far back a follow-up may refer; kept in the session only


@dataclass(frozen=True)
class Layout:
    question: gr.Textbox
    ask: gr.Button
    again: gr.Button
    earlier: gr.State


def layout(page: Page) -> Layout:
    notice = page.label(gr.HTML(elem_classes="lp-med-notice-line", js_on_load=None),
                        value=views.notice_html)
    _to_the_top_of_the_tab(page, notice)
    question = page.field("question", lines=2)
    ask, _ = page.buttons("ask", stop=False)
    page.example_bar({"question": question})
    with page.results():
        page.shows(gr.HTML(js_on_load=None), views.answer_html)
    again = page.label(gr.Button(size="sm", scale=0, min_width=110, elem_classes="lp-chip"),
                       value="again")
    return Layout(question, ask, again, gr.State([]))


def _to_the_top_of_the_tab(page: Page, notice: gr.HTML) -> None:
    """A sticky line stays in sight as far as its parent reaches: so not in the left column,
    which is where a layout is built, but first in the whole tab."""
    notice.parent.children.remove(notice)
    page.body.children.insert(0, notice)
    notice.parent = page.body


def wire(page: Page, layout: Layout, service: Service) -> None:
    def answer(question: str, earlier: list[str]) -> tuple[dict[str, Any], list[str]]:
        outcome = service.ask(question, earlier)
        return outcome.to_json(), [*earlier, question][-TURNS_KEPT:]

    page.run([layout.ask.click, layout.question.submit], answer,
             [layout.question, layout.earlier], [page.payload, layout.earlier],
             button=layout.ask, examples=True)
    layout.again.click(lambda: ("", []), None, [layout.question, layout.earlier], queue=False,
                       show_progress="hidden", api_visibility="private")
