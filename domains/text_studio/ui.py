"""The studio's tab: layout, then wiring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from domains.shared.page import Page
from domains.shared.running import Working
from domains.text_studio import views
from domains.text_studio.outcome import LANGUAGES, TASKS
from domains.text_studio.service import MAX_CHARACTERS, Service


@dataclass(frozen=True)
class Layout:
    task: gr.Radio
    target: gr.Radio
    text: gr.Textbox
    make: gr.Button
    stop: gr.Button | None


def layout(page: Page) -> Layout:
    recorded = page.recorded["input"] if page.recorded else {}
    task = page.label(gr.Radio(value=recorded.get("task", "summarize")), label="task.label",
                      choices=[(f"task.{name}", name) for name in TASKS])
    translating = task.value == "translate"
    target = page.label(gr.Radio(value="zh", visible=translating), label="target.label",
                        choices=[(f"target.{name}", name) for name in LANGUAGES])
    text = page.field("text", lines=6, max_lines=16, max_length=max(MAX_CHARACTERS.values()))
    make, stop = page.buttons("run")
    page.example_bar({"task": task, "text": text, "target_language": target})
    with page.results():
        page.shows(gr.HTML(js_on_load=None), views.result_html)
        with page.folded("rows.title"):
            page.shows(gr.Dataframe(interactive=False, wrap=True), views.rows)
            page.label(page.shows(gr.DownloadButton(size="sm"), views.rows_file),
                       label="button.download")
    return Layout(task, target, text, make, stop)


def wire(page: Page, layout: Layout, service: Service) -> None:
    def make(task: str, text: str, target: str, lang: str) -> Iterator[Any]:
        with closing(service.stream(task, text, target)) as outcomes:
            for outcome in outcomes:
                yield outcome.to_json()
                if outcome.stamp is None and outcome.total:
                    said = page.texts(lang, "progress", done=f"{outcome.done:,}",
                                      total=f"{outcome.total:,}")
                    yield Working(said, outcome.done / outcome.total)

    page.run([layout.make.click], make, [layout.task, layout.text, layout.target, page.lang],
             [page.payload], button=layout.make, stop=layout.stop, examples=True)
    layout.task.change(lambda task: gr.update(visible=task == "translate"), [layout.task],
                       [layout.target], queue=False, show_progress="hidden",
                       api_visibility="private", api_name="text_studio_target")
