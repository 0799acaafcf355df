"""The tab's components and their events; nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from domains.financial_sentiment import charts, views
from domains.financial_sentiment.headlines import Input, pasted, read_csv
from domains.financial_sentiment.service import FinancialSentiment
from domains.shared.markup import escape
from domains.shared.page import Page
from domains.shared.running import Working

# Of views.COLUMNS; on a phone the first four are in sight, the rest is a swipe away.
WIDTHS = ["46px", "47%", "68px", "78px", "115px", "180px", "110px"]


@dataclass(frozen=True)
class Layout:
    """The components that take part in events."""

    headlines: gr.Textbox
    run: gr.Button
    stop: gr.Button
    upload: gr.UploadButton
    replay: gr.Button
    rows: gr.Dataframe
    picked: gr.State


def layout(page: Page) -> Layout:
    """Input on the left; rows and pictures over the full width below."""
    box = page.field("headlines", lines=4, max_length=None)
    run, stop = page.buttons("input.run")
    assert stop is not None
    page.example_bar({"headlines": box})
    with gr.Row(elem_classes="lp-buttons"):
        upload = page.label(gr.UploadButton(file_types=[".csv"], type="binary", size="sm",
                                            scale=0, min_width=150), label="input.upload")
        replay = page.label(gr.Button(size="sm", scale=0, min_width=190), value="input.replay")
    page.label(gr.HTML(js_on_load=None), value=lambda lang:
               f'<p class="lp-quiet">{escape(page.texts(lang, "input.upload_hint"))}</p>')
    with page.below, page.results():
        page.shows(gr.HTML(js_on_load=None), views.summary_html)
        rows = page.shows(_table(max_height=440, column_widths=WIDTHS), views.table)
        page.shows(gr.HTML(js_on_load=None), views.words_html)
        page.label(page.shows(gr.DownloadButton(size="sm", scale=0), views.table_file),
                   label="button.download")
        _picture(page, charts.index_figure, charts.index_note, views.index_table, "index")
        _picture(page, charts.time_figure, charts.time_note, views.time_table, "time")
    return Layout(box, run, stop, upload, replay, rows, gr.State())


def _table(**options: Any) -> gr.Dataframe:
    return gr.Dataframe(interactive=False, wrap=True, **options)


def _picture(page: Page, figure: Callable[..., Any], note: Callable[..., str],
             table: Callable[..., Any], name: str) -> None:
    """A picture with its title, what it shows, and its table behind one click."""
    page.label(gr.HTML(js_on_load=None),
               value=lambda lang: f"<h3>{page.texts(lang, f'output.{name}')}</h3>")
    page.shows(gr.Plot(show_label=False), figure)
    page.shows(gr.HTML(js_on_load=None), note)
    with page.folded(f"output.{name}_table"):
        page.shows(_table(), table)


def wire(page: Page, layout: Layout, service: FinancialSentiment) -> None:
    """Paste, upload and replay fill the payload; a selected row adds its words to it."""

    def scored(given: Input, lang: str) -> Iterator[Any]:
        with closing(service.stream(given)) as stream:
            for outcome in stream:
                if outcome.headlines < outcome.total:
                    yield Working(page.texts(lang, "progress.scoring", done=outcome.headlines,
                                             total=outcome.total),
                                  outcome.headlines / outcome.total)
                else:
                    yield outcome.to_json()

    def from_box(text: str, lang: str) -> Iterator[Any]:
        yield from scored(pasted(text), lang)

    def from_file(data: bytes, lang: str) -> Iterator[Any]:
        yield from scored(read_csv(data), lang)

    def replayed() -> Iterator[Any]:
        with closing(service.replay()) as stream:
            for outcome in stream:
                yield outcome.to_json()

    def explained(picked: list[Any] | None, payload: Mapping[str, Any], lang: str) -> Iterator[Any]:
        if row := views.row_of(payload, picked):
            yield Working(page.texts(lang, "progress.words"))
            explanation = service.explain(row["headline"], row["entity_start"])
            yield views.with_selected(payload, row, explanation.to_json())

    both = {"button": layout.run, "stop": layout.stop}
    page.run([layout.run.click], from_box, [layout.headlines, page.lang], [page.payload],
             examples=True, **both)
    page.run(layout.upload.upload, from_file, [layout.upload, page.lang], [page.payload], **both)
    page.run(layout.replay.click, replayed, [], [page.payload], **both)
    chosen = layout.rows.select(picked_cells, None, [layout.picked], queue=False,
                                show_progress="hidden", api_visibility="private",
                                api_name=f"{page.slug}_picked")
    page.run(chosen.then, explained, [layout.picked, page.payload, page.lang], [page.payload])


def picked_cells(event: gr.SelectData) -> list[Any]:
    """The cells of the selected row as they are shown, which sorting does not change."""
    return list(event.row_value)
