"""The lab's tab: six sections, each laid out and wired by two functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from domains.engine_lab import charts, export, heat, lens, sections, views
from domains.engine_lab.models import FIRST, MODELS, RECIPES
from domains.engine_lab.outcome import Stage
from domains.engine_lab.reading import MAX_BYTES, MAX_ROWS, SOURCES
from domains.engine_lab.service import EngineLab
from domains.engine_lab.teaching import ui as teaching
from domains.shared.markup import escape
from domains.shared.page import Page
from domains.shared.running import Working
from domains.shared.section import Section

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
MODEL_CHOICES = [(f"model.{name}", name) for name in MODELS]
FIRST_MODEL = "finance-sentiment"
LAYERS, HEADS = 6, 12  # of minilm-l6, whose attention is drawn
Parts = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """The components of each section by name, and the sections beside the first."""

    compare: Parts
    sides: tuple[Section, Parts]
    lens: tuple[Section, Parts]
    heat: tuple[Section, Parts]
    memory: tuple[Section, Parts]
    teach: tuple[Section, Parts]


def layout(page: Page) -> Layout:
    """The frame of the tab becomes the first of six sub-tabs."""
    compare = _compare_layout(page)
    frame = next(block for block in page.body.children if "lp-frame" in block.elem_classes)
    with _inside(page.body), gr.Tabs(elem_classes="lp-lab-tabs", overflow_behavior="wrap"):
        with page.label(gr.Tab(), label="tab.compare"):
            frame.unrender()
            frame.render()
        made = [_section(page, name, fill) for name, fill in (
            ("sides", _sides_layout), ("lens", _lens_layout), ("heat", _heat_layout),
            ("memory", _memory_layout), ("teach", teaching.layout))]
    return Layout(compare, *made)


@contextmanager
def _inside(block: Any) -> Iterator[None]:
    """Build in a block that is being built further out; Gradio's own way forgets its parent."""
    parent = block.parent
    with block:
        yield
    block.parent = parent


def _section(page: Page, name: str, fill: Callable[[Section], Parts]) -> tuple[Section, Parts]:
    with (page.label(gr.Tab(), label=f"tab.{name}") as tab,
          gr.Column(elem_classes="lp-tab lp-lab-section") as body):
        section = Section(page, name, body)
        section.label(gr.HTML(elem_classes="lp-lab-intro", js_on_load=None),
                      value=lambda to: f"<p>{escape(page.texts(to, f'{name}.intro'))}</p>")
        parts = fill(section)
    return section, {**parts, "tab": tab}


def _compare_layout(page: Page) -> Parts:
    model = _model(page, FIRST_MODEL)
    kind = MODELS[FIRST_MODEL].kind
    picked = page.label(gr.Dropdown(
        list(RECIPES[kind]), value=list(FIRST[kind]), multiselect=True, allow_custom_value=True,
        elem_classes="lp-lab-picked"), label="recipes.label", info="recipes.info")
    own = page.field("own", lines=1, max_lines=3, max_length=1000)
    page.label(own, info="own.info")
    with page.folded("own.steps"):
        page.label(gr.HTML(js_on_load=None), value=views.kinds_html)
    source = page.label(gr.Radio(value="bundled"), label="source.label",
                        choices=[(f"source.{name}", name) for name in SOURCES])
    typed = page.field("typed", lines=5, max_length=400_000, visible=False)
    file = page.label(gr.File(file_types=[".csv"], type="binary", height=110, visible=False),
                      label=partial(page.texts, key="file.label", rows=f"{MAX_ROWS:,}",
                                    megabytes=f"{MAX_BYTES / 1e6:g}"))
    with page.folded():
        anew = page.label(gr.Checkbox(False), label="anew.label", info="anew.info")
    run, stop = page.buttons("compare.run")
    page.example_bar({"name": model, "picked": picked, "own": own, "source": source,
                      "typed": typed})
    with page.below, page.results():
        page.shows(gr.HTML(js_on_load=None), views.head_html)
        page.shows(gr.Plot(show_label=False), charts.quality_figure)
        page.shows(gr.HTML(js_on_load=None), views.note_html)
        page.shows(gr.HTML(js_on_load=None), views.verdicts_html)
        with page.folded("button.table"):
            page.shows(gr.Dataframe(interactive=False, wrap=True,
                                    column_widths=views.WIDTHS), views.table)
        with page.folded("steps.title"):
            page.shows(gr.HTML(js_on_load=None), views.steps_html)
        with gr.Row(elem_classes="lp-buttons"):
            page.label(page.shows(gr.DownloadButton(size="sm", scale=0), views.table_file),
                       label="button.download")
            page.label(page.shows(gr.DownloadButton(size="sm", scale=0), export.html_file),
                       label="export.html")
    return {"model": model, "picked": picked, "own": own, "source": source, "typed": typed,
            "file": file, "anew": anew, "run": run, "stop": stop}


def _model(page: Page, value: str) -> gr.Dropdown:
    return page.label(gr.Dropdown(list(MODELS), value=value, min_width=260), label="model.label",
                      choices=MODEL_CHOICES)


def _recipe(section: Section, kind: str, value: str, label: str = "recipe.label",
            original: bool = False) -> gr.Dropdown:
    choices = [*(["original"] if original else []), *RECIPES[kind]]
    return section.label(gr.Dropdown(choices, value=value, allow_custom_value=True,
                                     min_width=260), label=label)


def _sides_layout(section: Section) -> Parts:
    with gr.Row(elem_classes="lp-lab-inputs"):
        model = _model(section, FIRST_MODEL)
        recipe = _recipe(section, MODELS[FIRST_MODEL].kind, "int8")
    text = section.field("sidetext", lines=2)
    text.value = "Shares of the airline fell although its profit rose"
    run, stop = section.buttons("sides.run")
    section.shows(gr.HTML(js_on_load=None), sections.sides_html)
    section.shows(gr.Plot(show_label=False), charts.sides_figure)
    return {"model": model, "recipe": recipe, "text": text, "run": run, "stop": stop}


def _lens_layout(section: Section) -> Parts:
    text = section.field("lenstext", {"most": f"{lens.MAX_CHARACTERS:,}"}, lines=2,
                         max_length=lens.MAX_CHARACTERS)
    text.value = "Tokenizers disagree: unbelievable prices (€4.99) 您的新卡已寄出 👩‍🚀🙂"
    run, _ = section.buttons("lens.run", stop=False)
    section.shows(gr.HTML(js_on_load=None), sections.lens_html)
    with section.folded("lens.table"):
        section.shows(gr.Dataframe(interactive=False), sections.lens_table)
    return {"text": text, "run": run}


def _heat_layout(section: Section) -> Parts:
    with gr.Row(elem_classes="lp-lab-inputs"):
        text = section.field("heattext", {"most": f"{heat.MAX_CHARACTERS:,}"}, lines=2,
                             max_length=heat.MAX_CHARACTERS, min_width=260)
        text.value = "The bank froze the card because it was lost."
        recipe = _recipe(section, "encoder", "prune-heads:0.25", original=True)
    run, stop = section.buttons("heat.run")
    with gr.Row(elem_classes="lp-lab-inputs"):
        layer = section.label(gr.Slider(1, LAYERS, 1, step=1, min_width=260), label="layer.label")
        head = section.label(
            gr.Dropdown(list(range(-1, HEADS)), value=-1, min_width=260), label="head.label",
            choices=lambda to: [(section.texts(to, "heat.mean"), -1),
                                *((str(n + 1), n) for n in range(HEADS))])
    section.shows(gr.HTML(js_on_load=None), sections.heat_html)
    with gr.Row(elem_classes="lp-lab-plots"):
        for place in (0, 1):
            with gr.Column(min_width=320):
                section.shows(gr.Plot(show_label=False), charts.heat_of(place))
    return {"text": text, "recipe": recipe, "run": run, "stop": stop, "layer": layer, "head": head}


def _memory_layout(section: Section) -> Parts:
    with gr.Row(elem_classes="lp-lab-inputs"):
        model = _model(section, "minilm-l6")
        recipe = _recipe(section, "encoder", "int8", "loadrecipe.label", original=True)
    load, _ = section.buttons("memory.load", stop=False)
    with gr.Row(elem_classes="lp-lab-inputs"):
        key = section.label(gr.Dropdown([], value=None), label="key.label")
    with gr.Row(elem_classes="lp-buttons"):
        unload = section.label(gr.Button(scale=0), value="memory.unload")
        refresh = section.label(gr.Button(scale=0), value="memory.refresh")
    section.shows(gr.HTML(js_on_load=None), sections.panel_html)
    return {"model": model, "recipe": recipe, "load": load, "key": key, "unload": unload,
            "refresh": refresh}


def wire(page: Page, layout: Layout, service: EngineLab) -> None:
    """Wire each section; each has its own status line."""
    _wire_compare(page, layout.compare, service)
    _wire_sides(*layout.sides, service)
    _wire_lens(*layout.lens, service)
    _wire_heat(*layout.heat, service)
    _wire_memory(*layout.memory, service)
    teaching.wire(*layout.teach, service)
    for section, _ in (layout.sides, layout.lens, layout.heat, layout.memory, layout.teach):
        section.finish()


def _told(steps: Any) -> Iterator[Any]:
    """Stages become the status line, outcomes the payload; closing it closes ``steps``."""
    with closing(steps):
        for step in steps:
            yield Working(step.text, step.share) if isinstance(step, Stage) else step.to_json()


def _wire_compare(page: Page, parts: Parts, service: EngineLab) -> None:
    def measure(name: str, picked: list[str], own: str, source: str, typed: str,
                data: bytes | None, anew: bool, lang: str) -> Iterator[Any]:
        yield from _told(service.compare(name, picked, own, source, typed, data, lang, anew=anew))

    def stored(name: str, lang: str) -> Any:
        kind = MODELS[name].kind
        return (service.stored(name, lang).to_json(),
                gr.update(choices=list(RECIPES[kind]), value=list(FIRST[kind])))

    given = [parts[key] for key in ("model", "picked", "own", "source", "typed", "file", "anew")]
    page.run([parts["run"].click, parts["own"].submit], measure, [*given, page.lang],
             [page.payload], button=parts["run"], stop=parts["stop"], examples=True)
    page.run(parts["model"].input, stored, [parts["model"], page.lang],
             [page.payload, parts["picked"]])
    parts["source"].change(
        lambda source: (gr.update(visible=source == "typed"), gr.update(visible=source == "csv")),
        [parts["source"]], [parts["typed"], parts["file"]], api_name=f"{page.slug}_source", **QUIET)


def _wire_sides(section: Section, parts: Parts, service: EngineLab) -> None:
    def ask(name: str, recipe: str, text: str, lang: str) -> Iterator[Any]:
        yield from _told(service.side_by_side(name, recipe, text, lang))

    section.run([parts["run"].click, parts["text"].submit], ask,
                [parts["model"], parts["recipe"], parts["text"], section.lang],
                [section.payload], button=parts["run"], stop=parts["stop"])
    _follow(section, parts)


def _follow(section: Section, parts: Parts, *, original: bool = False) -> None:
    """The recipes offered are those of the kind of model that is picked."""
    parts["model"].input(
        lambda name: gr.update(choices=[*(["original"] if original else []),
                                        *RECIPES[MODELS[name].kind]], value="int8"),
        [parts["model"]], [parts["recipe"]], api_name=f"{section.slug}_recipes", **QUIET)


def _wire_lens(section: Section, parts: Parts, service: EngineLab) -> None:
    def cut(text: str, lang: str) -> dict[str, Any]:
        return service.lens(text, lang).to_json()

    section.run([parts["run"].click, parts["text"].submit, parts["tab"].select], cut,
                [parts["text"], section.lang], [section.payload], button=parts["run"])


def _wire_heat(section: Section, parts: Parts, service: EngineLab) -> None:
    def look(text: str, recipe: str, layer: int, head: int, lang: str) -> Iterator[Any]:
        for step in _told(service.attention("minilm-l6", recipe, text, lang)):
            yield (step if isinstance(step, Working)
                   else {**step, "layer": layer - 1, "head": head})

    def turn(layer: int, head: int, payload: dict[str, Any] | None) -> Any:
        return gr.skip() if payload is None else {**payload, "layer": layer - 1, "head": head}

    chosen = [parts["layer"], parts["head"]]
    section.run([parts["run"].click, parts["text"].submit], look,
                [parts["text"], parts["recipe"], *chosen, section.lang], [section.payload],
                button=parts["run"], stop=parts["stop"])
    section.run([parts["layer"].change, parts["head"].input], turn, [*chosen, section.payload],
                [section.payload])


def _wire_memory(section: Section, parts: Parts, service: EngineLab) -> None:
    def keys() -> Any:
        ready = service.loaded_keys()
        return gr.update(choices=ready, value=ready[-1] if ready else None)

    def show(lang: str) -> Any:
        return service.panel(lang).to_json(), keys()

    def load(name: str, recipe: str, lang: str) -> Iterator[Any]:
        yield show(lang)  # what stands there stays true, whatever comes of the loading
        for step in _told(service.load(name, recipe, lang)):
            yield step if isinstance(step, Working) else (step, keys())

    def unload(key: str, lang: str) -> Iterator[Any]:
        yield show(lang)
        yield service.unload(key, lang).to_json(), keys()

    outputs = [section.payload, parts["key"]]
    section.run([parts["tab"].select, parts["refresh"].click], show, [section.lang], outputs)
    section.run(parts["load"].click, load, [parts["model"], parts["recipe"], section.lang],
                outputs, button=parts["load"])
    section.run(parts["unload"].click, unload, [parts["key"], section.lang], outputs,
                button=parts["unload"])
    _follow(section, parts, original=True)
