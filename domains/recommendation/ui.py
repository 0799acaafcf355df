"""The tab "Films": layout, then wiring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from domains.recommendation import views
from domains.recommendation.choices import offered
from domains.recommendation.outcome import RecommendationOutcome
from domains.recommendation.request import MAX_ITEMS, MAX_LIKED
from domains.recommendation.service import RecommendationService
from domains.shared.page import Page
from domains.shared.running import Working


@dataclass(frozen=True)
class Layout:
    """``which`` asks which film a title means; it is in sight only when there is a doubt."""

    liked: gr.Dropdown
    query: gr.Textbox
    run: gr.Button
    stop: gr.Button | None
    n: gr.Slider
    diversity: gr.Slider
    which: gr.Radio


def layout(page: Page) -> Layout:
    liked = page.label(
        gr.Dropdown(list(offered()), value=[], multiselect=True, allow_custom_value=True,
                    filterable=True, max_choices=MAX_LIKED, elem_classes="lp-film-liked"),
        label="liked.label", info="liked.hint")
    query = page.field("query", lines=1, max_lines=3)
    run, stop = page.buttons("run")
    which = page.label(gr.Radio([], visible=False), label="which.label")
    with page.folded("button.advanced"):
        n = page.label(gr.Slider(1, MAX_ITEMS, 10, step=1), label="n.label", info="n.info")
        diversity = page.label(gr.Slider(0, 1, 0.3, step=0.05), label="diversity.label",
                               info="diversity.info")
    page.example_bar({"liked": liked, "query": query, "n": n, "diversity": diversity})
    with page.results():
        page.shows(gr.HTML(js_on_load=None), views.answer_html)
    _wide(page)
    return Layout(liked, query, run, stop, n, diversity, which)


def _wide(page: Page) -> None:
    """The map with its table, the list as a table, and where the data come from."""
    with page.below:
        page.shows(gr.HTML(js_on_load=None), views.map_note)
        page.shows(gr.Plot(show_label=False), views.neighbourhood)
        with page.folded("out.map_table"):
            page.shows(gr.Dataframe(interactive=False), views.point_table)
        with page.folded("out.list_table"):
            page.shows(gr.Dataframe(interactive=False, wrap=True), views.table)
            page.label(page.shows(gr.DownloadButton(size="sm"), views.table_file),
                       label="button.download")
        page.label(gr.HTML(js_on_load=None, elem_classes="lp-film-source"),
                   value=views.attribution)


def wire(page: Page, layout: Layout, service: RecommendationService) -> None:
    def recommend(liked: list[str] | None, query: str, n: float, diversity: float,
                  lang: str) -> Iterator[Any]:
        for step in service.steps(list(liked or []), query or "", int(n), diversity, lang):
            if isinstance(step, RecommendationOutcome):
                payload = step.to_json()
                yield gr.update(**views.question(payload)), payload
            else:
                yield Working(views.waiting(step, lang), step)

    def choose(chosen: str, payload: Mapping[str, Any], liked: list[str] | None,
               *rest: Any) -> Iterator[Any]:
        better = views.with_choice(payload, list(liked or []), chosen)
        for step in recommend(better, *rest):
            yield step if isinstance(step, Working) else (gr.update(value=better), *step)

    asked = [layout.query, layout.n, layout.diversity, page.lang]
    page.run([layout.run.click, layout.query.submit], recommend, [layout.liked, *asked],
             [layout.which, page.payload], button=layout.run, stop=layout.stop, examples=True)
    page.run(layout.which.input, choose, [layout.which, page.payload, layout.liked, *asked],
             [layout.liked, layout.which, page.payload], button=layout.run)
