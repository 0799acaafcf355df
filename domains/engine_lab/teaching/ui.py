"""The section's page: rows in, a classifier out, and a box to try it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import gradio as gr

from domains.engine_lab.outcome import Stage
from domains.engine_lab.teaching import views
from domains.engine_lab.teaching.reading import BUNDLED, MAX_BYTES
from domains.engine_lab.teaching.service import DEFAULT_NAME
from domains.shared.running import Working
from domains.shared.section import Section
from lepton_engine.training.lessons import LEAST_PER_CLASS, MAX_ROWS

Parts = dict[str, Any]
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def layout(section: Section) -> Parts:
    """Examples of one click, the rows, the results, and the box for an own text below."""
    with gr.Row(elem_classes="lp-examples"):
        chips = {source: section.label(gr.Button(size="sm", elem_classes="lp-chip", min_width=0,
                                                 scale=0), value=f"teach.{source}")
                 for source in BUNDLED}
    with gr.Row(elem_classes="lp-lab-inputs"):
        source = section.label(gr.Radio(value="csv", min_width=260), label="teach.source",
                               choices=[("teach.csv", "csv"), ("teach.pasted", "pasted")])
        name = section.field("teachname", lines=1, max_lines=1, max_length=64, min_width=260)
    name.value = DEFAULT_NAME
    limits = {"least": str(LEAST_PER_CLASS), "rows": f"{MAX_ROWS:,}",
              "megabytes": f"{MAX_BYTES / 1e6:g}"}
    section.label(gr.HTML(elem_classes="lp-quiet", js_on_load=None),
                  value=partial(section.texts, key="teach.form", **limits))
    file = section.label(gr.File(file_types=[".csv"], type="binary", height=110),
                         label="teach.file")
    pasted = section.field("teachrows", lines=6, max_length=MAX_BYTES, visible=False)
    run, stop = section.buttons("teach.run")
    section.shows(gr.HTML(js_on_load=None), views.scores_html)
    with gr.Row(elem_classes="lp-lab-plots"):
        with gr.Column(min_width=320):
            section.shows(gr.Plot(show_label=False), views.confusion_figure)
        with gr.Column(min_width=320):
            section.shows(gr.HTML(js_on_load=None, elem_classes="lp-teach-classes"),
                          views.classes_html)
    section.shows(gr.HTML(js_on_load=None), views.mistakes_html)
    with gr.Row(elem_classes="lp-buttons"):
        for view, key in ((views.zip_file, "teach.download"),
                          (views.mistakes_file, "teach.download_mistakes")):
            section.label(section.shows(gr.DownloadButton(size="sm", scale=0), view), label=key)
    return {"chips": chips, "source": source, "name": name, "file": file, "pasted": pasted,
            "run": run, "stop": stop, "own": _own_layout(section)}


def _own_layout(section: Section) -> Parts:
    """A section of its own inside: its errors and answers stand under its own text."""
    with (gr.Column(elem_classes="lp-teach-own", visible=False) as box,
          gr.Column(elem_classes="lp-tab") as body):
        own = Section(section, "own", body)
        text = own.field("teachtext", lines=2)
        run, _ = own.buttons("teach.try", stop=False)
        own.shows(gr.HTML(js_on_load=None), views.own_html)
    return {"section": own, "box": box, "text": text, "run": run}


def wire(section: Section, parts: Parts, service: Any) -> None:
    """The run and its examples, the source, the box below."""
    def teach(name: str, source: str, pasted: str, data: bytes | None, lang: str,
              ) -> Iterator[Any]:
        with closing(service.teach(name, source, pasted, data, lang)) as steps:
            for step in steps:
                yield (Working(step.text, step.share) if isinstance(step, Stage)
                       else step.to_json())

    stop = parts["stop"]
    given = [parts[key] for key in ("name", "source", "pasted", "file")]
    section.run(parts["run"].click, teach, [*given, section.lang], [section.payload],
                button=parts["run"], stop=stop)
    for source, chip in parts["chips"].items():
        section.run(chip.click, partial(teach, "", source, "", None), [section.lang],
                    [section.payload], button=parts["run"], stop=stop)
    parts["source"].change(
        lambda source: (gr.update(visible=source == "pasted"), gr.update(visible=source == "csv")),
        [parts["source"]], [parts["pasted"], parts["file"]],
        api_name=f"{section.slug}_source", **QUIET)
    _wire_own(section, parts["own"], service)


def _wire_own(section: Section, parts: Parts, service: Any) -> None:
    own: Section = parts["section"]

    def ask(text: str, payload: dict[str, Any] | None, lang: str) -> dict[str, Any]:
        told: dict[str, Any] = service.own_text(payload, text, lang).to_json()
        return told

    own.run([parts["run"].click, parts["text"].submit], ask,
            [parts["text"], section.payload, own.lang], [own.payload], button=parts["run"])
    # The box comes with the first classifier.
    section.payload.change(lambda payload: gr.update(visible=payload is not None),
                           [section.payload], [parts["box"]],
                           api_name=f"{section.slug}_taught", **QUIET)
    own.finish()
