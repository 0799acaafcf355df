"""The worked example of plan and documentation: layout, then wiring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from domains.shared.page import Page
from tests.demo import views


@dataclass(frozen=True)
class Layout:
    question: gr.Textbox
    ask: gr.Button
    stop: gr.Button | None


def layout(page: Page) -> Layout:
    question = page.field("question", lines=2)
    ask, stop = page.buttons("ask")
    page.example_bar({"question": question})
    with page.results():
        page.shows(gr.HTML(js_on_load=None), views.answer_html)
    with page.below:
        page.shows(gr.Plot(show_label=False), views.figure)
        with page.folded("button.table"):
            page.shows(gr.Dataframe(interactive=False), views.table)
            page.label(page.shows(gr.DownloadButton(size="sm"), views.table_file),
                       label="button.download")
    return Layout(question, ask, stop)


def wire(page: Page, layout: Layout, service: Any) -> None:
    def answer(question: str) -> dict[str, Any]:
        outcome: dict[str, Any] = service.api(question).to_json()
        return outcome

    page.run([layout.ask.click, layout.question.submit], answer, [layout.question],
             [page.payload], button=layout.ask, stop=layout.stop, examples=True)
