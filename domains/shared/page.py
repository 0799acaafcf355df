"""Page: what a tab's ``ui.py`` builds with; one look and one behaviour for every tab.

A tab is built by ``build_tab``: an introduction, then ``ui.layout(page)`` in the left
column, the Why panel in the right one, wide results below both, then ``ui.wire``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.processing_utils import move_files_to_cache

from domains.shared.language import LanguageRegistry
from domains.shared.markup import escape
from domains.shared.running import SKIP, Frame, View, handler, notice_html
from domains.shared.texts import Example, Texts
from domains.shared.why import why_html

RECORDED = Path(__file__).resolve().parents[2] / "assets" / "recorded"
# The engine decides how much runs at once; this only keeps one tab from taking every thread.
CONCURRENCY = 8


def recorded_example(slug: str) -> dict[str, Any] | None:
    """The finished example of a tab, made by ``python -m domains.record``, or None."""
    path = RECORDED / f"{slug}.json"
    if not path.is_file():
        return None
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def assign(component: Block, **properties: Any) -> None:
    """Set properties of a component that is already made, as its constructor would."""
    component.constructor_args.update(properties)
    for name, value in properties.items():
        if name == "value" and isinstance(component, Component):
            value = component.postprocess(value)
            value = value.model_dump() if hasattr(value, "model_dump") else value
            value = move_files_to_cache(value, component, postprocess=True, keep_in_cache=True)
        setattr(component, name, value)


class Page:
    """The building blocks of one tab.

    ``texts`` are the tab's texts, ``lang`` the session's language ("en" or "zh"), ``session``
    the state with all that the visitor chose,
    ``payload`` the last outcome as JSON, from which every view is drawn, ``recorded`` the
    finished example or None. ``below`` is the full-width area under both columns, ``body``
    the whole tab; ``build_tab`` sets both.
    """

    def __init__(self, slug: str, lang: gr.State, session: gr.State, registry: LanguageRegistry,
                 recorded: Mapping[str, Any] | None = None) -> None:
        self.slug, self.lang, self.session, self.registry = slug, lang, session, registry
        self.texts = Texts(slug)
        self.recorded = recorded
        self.body: gr.Column
        self.below: gr.Column
        self._fresh()

    def _fresh(self) -> None:
        """What each page, and each section of one, has for itself: nothing shown or wired yet."""
        self.payload = gr.State(self.recorded["payload"] if self.recorded else None)
        self.status: gr.HTML | None = None
        self._chips: list[tuple[gr.Button, Mapping[str, Any]]] = []
        self._fields: Mapping[str, Component] = {}
        self._views: list[tuple[Block, View]] = []
        self._stops: dict[gr.Button, tuple[gr.Button | None, list[Any]]] = {}
        self._events = 0
        self._old = gr.Row(visible=False, render=False, elem_classes="lp-recorded-row")
        self._rerun = gr.Button(render=False, size="sm", scale=0, min_width=0,
                                elem_classes="lp-rerun")

    # -- texts ------------------------------------------------------------------------

    def label(self, component: Any, **properties: Any) -> Any:
        """Set properties from texts now and again whenever the language changes.

        A value is a key of the texts, a function of the language, or for ``choices`` a list
        of ``(key, value)``. Returns the component.
        """
        readers = {name: self._reader(value) for name, value in properties.items()}
        assign(component, **{name: read("en") for name, read in readers.items()})
        self.registry.label(component, readers)
        return component

    def _reader(self, value: Any) -> Callable[[str], Any]:
        if callable(value):
            return value  # type: ignore[no-any-return]
        if isinstance(value, str):
            return lambda lang: self.texts(lang, value)
        pairs = list(value)
        return lambda lang: [(self.texts(lang, key), item) for key, item in pairs]

    # -- the left column --------------------------------------------------------------

    def field(self, name: str, said: Mapping[str, Any] | None = None,
              **options: Any) -> gr.Textbox:
        """A text box with the texts ``<name>.label`` and ``<name>.hint``; ``said`` fills them."""
        box = gr.Textbox(**{"lines": 3, "max_lines": 12, "max_length": 4000,
                            "elem_classes": "lp-input", **options})
        self.label(box, **{prop: partial(self.texts, key=f"{name}.{part}", **(said or {}))
                           for prop, part in (("label", "label"), ("placeholder", "hint"))})
        return box

    def buttons(self, run: str = "button.run", stop: bool = True,
                ) -> tuple[gr.Button, gr.Button | None]:
        """The primary button and, where work can be stopped, Stop; then the status line.

        The status line stands under the input: progress, notices and errors go there.
        """
        with gr.Row(elem_classes="lp-buttons"):
            primary = self.label(gr.Button(variant="primary", min_width=120, scale=0), value=run)
            halt = None
            if stop:
                halt = self.label(gr.Button(variant="secondary", interactive=False, min_width=90,
                                            scale=0), value="button.stop")
        self.status = gr.HTML("", elem_classes="lp-status-line", js_on_load=None)
        return primary, halt

    def example_bar(self, fields: Mapping[str, Component]) -> list[gr.Button]:
        """One chip per ``[[examples]]`` of the tab's texts; ``run`` makes them work.

        ``fields`` names the components that the inputs of an example fill.
        """
        self._fields = fields
        with gr.Row(elem_classes="lp-examples"):
            self.label(gr.HTML(elem_classes="lp-examples-title", js_on_load=None),
                       value=lambda lang: escape(self.texts(lang, "button.examples")))
            for example in self.texts.examples:
                self._chips.append((self._chip(example), example.inputs))
        return [chip for chip, _ in self._chips]

    def _chip(self, example: Example) -> gr.Button:
        chip = gr.Button(size="sm", elem_classes="lp-chip", min_width=0, scale=0)
        self.label(chip, value=example.label)
        return chip

    # -- results ----------------------------------------------------------------------

    @contextmanager
    def results(self) -> Iterator[None]:
        """Where answers stand; begins with the note on the recorded example."""
        with gr.Column(elem_classes="lp-results"):
            self._old.render()
            if self.recorded:
                self._old.visible = True
                with self._old:
                    self.label(gr.HTML(js_on_load=None), value=self._recorded_note)
                    self._rerun.render()
                    self.label(self._rerun, value="button.rerun")
                assign(self.body, elem_classes=["lp-tab", "lp-old"])
            yield

    def _recorded_note(self, lang: str) -> str:
        assert self.recorded is not None
        said = self.texts(lang, "recorded.note", date=self.recorded.get("recorded_at", ""),
                          host=self.recorded.get("host", ""))
        asked = (" · ".join(v[:3]) if isinstance(v, list) else str(v)
                 for v in self.recorded["input"].values())
        first = max(asked, key=len, default="")
        short = first if len(first) <= 160 else f"{first[:160]}…"
        return (f'<div class="lp-recorded"><span>{escape(said)}</span>'
                f"<q>{escape(short)}</q></div>")

    def shows(self, component: Any, view: View) -> Any:
        """Draw ``component`` from the payload by ``view(payload, lang)``; returns it.

        It is drawn anew at every answer and whenever the language changes.
        """
        assign(component, elem_classes=[*component.elem_classes, "lp-view"])
        self._views.append((component, view))
        self.registry.view(component, view, self.payload)
        if self.recorded:
            assign(component, value=view(self.recorded["payload"], "en"))
        elif view is not why_html and not isinstance(component, gr.Chatbot):
            # An empty plot or table is no sight; it comes with the first answer.
            assign(component, visible=False)
        return component

    @contextmanager
    def folded(self, title: str = "button.advanced") -> Iterator[gr.Accordion]:
        """A closed accordion with a title from the texts (``button.table``, ...)."""
        with gr.Accordion("", open=False, elem_classes="lp-folded") as accordion:
            self.label(accordion, label=title)
            yield accordion

    def why(self) -> gr.HTML:
        """The Why panel; ``build_tab`` puts it into the right column."""
        panel = gr.HTML(why_html(None), elem_classes="lp-why-panel", js_on_load=None)
        shown: gr.HTML = self.shows(panel, why_html)
        return shown

    # -- events -----------------------------------------------------------------------

    def run(self, triggers: Any, fn: Callable[..., Any], inputs: Sequence[Block] = (),
            outputs: Sequence[Block] = (), *, button: gr.Button | None = None,
            stop: gr.Button | None = None, examples: bool = False) -> list[Any]:
        """Wire ``fn(*inputs)`` to one or more triggers such as ``button.click``.

        ``fn`` returns its outputs (or yields them, or ``Working``). Where ``page.payload``
        is among the outputs, a new payload draws every view. ``button`` is off and ``stop``
        on while it runs. With ``examples``, the chips and the recorded example run it too.
        """
        if self.status is None:
            raise RuntimeError(f"{self.slug}: call page.buttons() in layout() before page.run()")
        targets = self._targets(outputs, button, stop)
        events = [self._event(trigger, fn, inputs, outputs, targets, button, stop)
                  for trigger in (triggers if isinstance(triggers, (list, tuple)) else [triggers])]
        if examples:
            runs = list(self._chips)
            if self.recorded:
                runs.append((self._rerun, self.recorded["input"]))
            for chip, values in runs:
                filled = chip.click(self._filler(values), None, list(self._fields.values()),
                                    queue=False, show_progress="hidden", api_visibility="private",
                                    api_name=self._name())
                events.append(self._event(filled.then, fn, inputs, outputs, targets, button, stop,
                                          self._fixed(values, inputs)))
        if stop is not None:
            self._stops.setdefault(stop, (button, []))[1].extend(events)
        return events

    def _targets(self, outputs: Sequence[Block], button: gr.Button | None,
                 stop: gr.Button | None) -> list[Block]:
        assert self.status is not None
        views = [component for component, _ in self._views]
        return [*outputs, *views, self.body, self._old, self.status,
                *(b for b in (button, stop) if b is not None)]

    def _event(self, trigger: Any, fn: Callable[..., Any], inputs: Sequence[Block],
               outputs: Sequence[Block], targets: list[Block], button: gr.Button | None,
               stop: gr.Button | None, fixed: Mapping[int, Any] | None = None) -> Any:
        places = [i for i, block in enumerate(outputs) if block is self.payload]
        frame = Frame(self.slug, len(outputs), places[0] if places else None,
                      tuple(view for _, view in self._views), button is not None,
                      stop is not None, fixed or {}, frozenset(
                          i for i, block in enumerate(outputs) if isinstance(block, gr.Textbox)))
        return trigger(handler(fn, frame), [*inputs, self.session], targets,
                       api_name=self._name(), api_visibility="private", show_progress="hidden",
                       concurrency_limit=CONCURRENCY, concurrency_id=self.slug)

    def finish(self) -> None:
        """Wire each Stop button once for all events that it ends (``build_tab`` calls it)."""
        for stop, (button, events) in self._stops.items():
            self._wire_stop(stop, button, events)

    def _wire_stop(self, stop: gr.Button, button: gr.Button | None, events: list[Any]) -> None:
        def stopped(lang: str) -> list[Any]:
            row: list[Any] = [notice_html(self.texts(lang, "status.stopped")),
                              gr.update(interactive=False)]
            return row if button is None else [*row, gr.update(interactive=True)]

        outputs = [self.status, stop] if button is None else [self.status, stop, button]
        stop.click(stopped, [self.lang], outputs, cancels=events, queue=False,
                   show_progress="hidden", api_visibility="private", api_name=self._name())

    def _filler(self, values: Mapping[str, Any]) -> Callable[[], Any]:
        def fill() -> Any:
            row = [self._shown_value(name, values) for name in self._fields]
            return row[0] if len(row) == 1 else row
        return fill

    def _fixed(self, values: Mapping[str, Any], inputs: Sequence[Block]) -> dict[int, Any]:
        names = {block: name for name, block in self._fields.items() if name in values}
        return {i: self._shown_value(names[block], values)
                for i, block in enumerate(inputs) if block in names}

    def _shown_value(self, name: str, values: Mapping[str, Any]) -> Any:
        """An example's value as its component has it: a list in a text box is its lines."""
        value = values.get(name, SKIP)
        if isinstance(value, list) and isinstance(self._fields[name], gr.Textbox):
            return "\n".join(str(item) for item in value)
        return value

    def _name(self) -> str:
        self._events += 1
        return f"{self.slug}_page_{self._events}"
