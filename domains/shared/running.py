"""One handler for every event of the page: busy state, stream, views, errors.

``handler`` turns a plain function (or generator) of a tab into the generator that Gradio
runs. Gradio closes it when the person stops or leaves; closing reaches the function's own
generator, so that the engine stops producing.
"""

from __future__ import annotations

import contextvars
import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from domains.shared.failures import failure_of
from domains.shared.markup import escape
from domains.shared.session import Session
from domains.shared.texts import Texts
from lepton_engine import profiles

# A stream that yields more often than this is merged, or the browser redraws for nothing.
SECONDS_BETWEEN_YIELDS = 0.08
SKIP: dict[str, Any] = gr.skip()
View = Callable[[Mapping[str, Any], str], Any]


@dataclass(frozen=True)
class Working:
    """A generator may yield this instead of outputs: what is being done, and how far."""

    text: str
    share: float | None = None


@dataclass(frozen=True)
class Frame:
    """What surrounds the function of an event.

    The outputs of the event are, in this order: ``outputs`` values of the function, one per
    view, the tab's body and the row of the recorded example, the status line, the buttons.
    ``payload_at`` is the place of the payload among the function's outputs, or None;
    ``typed`` are the places of text boxes, in which the person may go on typing; ``fixed``
    are the inputs of an example by place.
    """

    slug: str
    outputs: int
    payload_at: int | None = None
    views: tuple[View, ...] = ()
    has_button: bool = False
    has_stop: bool = False
    fixed: Mapping[int, Any] = field(default_factory=dict)
    typed: frozenset[int] = frozenset()

    @property
    def body_at(self) -> int:
        """The place of the tab's body in a row."""
        return self.outputs + len(self.views)

    def row(self, values: Sequence[Any] | None, lang: str, status: Any = SKIP,
            busy: bool | None = None) -> list[Any]:
        """One full row of updates; ``busy`` None leaves the buttons as they are."""
        row = list(values) if values is not None else [SKIP] * self.outputs
        payload = row[self.payload_at] if self.payload_at is not None else None
        fresh = isinstance(payload, dict) and not skipped(payload)
        row += [drawn(view, payload, lang) if fresh else SKIP for view in self.views]
        row += [gr.update(elem_classes=["lp-tab"]), gr.update(visible=False)] if fresh else [
            SKIP, SKIP]
        row.append(status)
        if self.has_button:
            row.append(SKIP if busy is None else gr.update(interactive=not busy))
        if self.has_stop:
            row.append(SKIP if busy is None else gr.update(interactive=busy))
        return row


def drawn(view: View, payload: Any, lang: str) -> Any:
    """A view's value as an update that also brings the component into sight."""
    return gr.update(value=view(payload, lang), visible=True)


def overlaid(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    """``new`` with what it skips taken from ``old`` (which may be empty)."""
    if not old:
        return list(new)
    return [before if skipped(now) else now for before, now in zip(old, new, strict=True)]


def copied(row: Sequence[Any]) -> list[Any]:
    """Copies of the updates: Gradio 6.31 takes the value out of an update that it is given,
    and the closing row would then repeat nothing.
    """
    return [dict(value) if isinstance(value, dict) and value.get("__type__") == "update"
            else value for value in row]


def skipped(value: Any) -> bool:
    """Whether an output is left as it is."""
    return isinstance(value, dict) and value == SKIP


@dataclass
class Run:
    """One run of an event: what it showed last, and in which language that was drawn."""

    frame: Frame
    session: Session
    last: list[Any] = field(default_factory=list)
    payload: Mapping[str, Any] | None = None
    drawn_in: str = ""

    def begin(self) -> list[Any]:
        return self.frame.row(None, self.session.lang, self._line(Working("")), busy=True)

    def step(self, step: Any) -> list[Any]:
        """The row for ``Working`` or for values of the function."""
        lang = self.session.lang
        if isinstance(step, Working):
            return self.frame.row(None, lang, self._line(step))
        row = self.frame.row(step, lang)
        payload = step[self.frame.payload_at] if self.frame.payload_at is not None else None
        if isinstance(payload, dict) and not skipped(payload):
            self.payload, self.drawn_in = payload, lang
            self.session.answered.add(self.frame.slug)
        self.last = overlaid(self.last, row)
        return copied(row)

    def _line(self, working: Working) -> str:
        return status_html(self.session.lang, working)

    def done(self) -> list[Any]:
        return self._end("")

    def failed(self, error: Exception) -> list[Any]:
        """A sentence under the input; an earlier answer that still stands is marked as such."""
        lang, slug = self.session.lang, self.frame.slug
        text = failure_of(error, f"tab {slug}", lang).text(lang)
        stale = self.payload is None and slug in self.session.answered and bool(self.frame.views)
        if stale:
            text += " " + Texts("page")(lang, "status.earlier")
        row = self._end(notice_html(text, "error"))
        if stale:
            row[self.frame.body_at] = gr.update(elem_classes=["lp-tab", "lp-earlier"])
        return row

    def _end(self, status: str) -> list[Any]:
        """The closing row. It repeats what the stream showed: Gradio 6.31 forgets a value
        that was followed by a skip where the component is not on screen (a closed accordion,
        another tab). What a person may be typing meanwhile is left alone. What was drawn
        before the page changed its language is drawn anew.
        """
        lang, frame = self.session.lang, self.frame
        kept = [SKIP if i in frame.typed else value for i, value in enumerate(self.last)]
        if self.payload is not None and self.drawn_in != lang:
            kept[frame.outputs:frame.body_at] = [
                drawn(view, self.payload, lang) for view in frame.views]
        return copied(overlaid(kept, frame.row(None, lang, status, busy=False)))


def handler(fn: Callable[..., Any], frame: Frame) -> Callable[..., Iterator[list[Any]]]:
    """The generator function of an event; its last input is the visitor's `Session`."""

    def handle(*inputs: Any) -> Iterator[list[Any]]:
        *given, session = inputs
        given = [frame.fixed.get(i, value) for i, value in enumerate(given)]
        run = Run(frame, session)
        yield run.begin()
        try:
            work = following(session.profile, steps(fn, given, frame.outputs))
            with closing(merged(work)) as rows:
                for step in rows:
                    yield run.step(step)
        except Exception as error:  # every failure becomes a sentence under the input
            yield run.failed(error)
            return
        yield run.done()

    return handle


def following(profile: str, rows: Generator[Any, None, None]) -> Generator[Any, None, None]:
    """The same rows, every step of their making under ``profile``.

    Gradio runs each step of a generator in a thread and a context of its own, so the steps
    get one context that lasts from the first to the last.
    """
    context = contextvars.copy_context()
    context.run(profiles.follow, profile)
    nothing = object()
    try:
        while (row := context.run(next, rows, nothing)) is not nothing:
            yield row
    finally:
        context.run(rows.close)


def steps(fn: Callable[..., Any], given: Sequence[Any],
          outputs: int) -> Generator[Any, None, None]:
    """The function's results as rows of ``outputs`` values, or ``Working``."""
    result = fn(*given)
    if not inspect.isgenerator(result):
        yield _as_row(result, outputs)
        return
    with closing(result):
        for step in result:
            yield step if isinstance(step, Working) else _as_row(step, outputs)


def _as_row(result: Any, outputs: int) -> list[Any]:
    if outputs == 0:
        return []
    if outputs == 1:
        return [result]
    row = list(result)
    if len(row) != outputs:
        raise TypeError(f"the function gave {len(row)} outputs instead of {outputs}")
    return row


def merged(rows: Generator[Any, None, None],
           seconds: float = SECONDS_BETWEEN_YIELDS) -> Generator[Any, None, None]:
    """Rows at most every ``seconds``; a row held back is merged into the next one."""
    waiting: list[Any] | None = None
    last = -seconds
    with closing(rows):
        for row in rows:
            if isinstance(row, Working):
                if waiting is not None:
                    yield waiting
                    waiting = None
                yield row
                continue
            waiting = overlaid(waiting or [], row)
            if time.monotonic() - last >= seconds:
                yield waiting
                waiting, last = None, time.monotonic()
    if waiting is not None:
        yield waiting


def status_html(lang: str, working: Working) -> str:
    """The line under the input while something runs, with a bar where the share is known."""
    text = working.text or Texts("page")(lang, "status.working")
    share = working.share
    style = "" if share is None else f' style="width:{max(0.0, min(1.0, share)) * 100:.0f}%"'
    kind = "lp-unknown" if share is None else ""
    return (f'<div class="lp-status lp-working" role="status"><span>{escape(text)}</span>'
            f'<span class="lp-bar {kind}"><i{style}></i></span></div>')


def notice_html(text: str, kind: str = "notice") -> str:
    """A sentence under the input: ``kind`` is error or notice."""
    role, icon = ("alert", "!") if kind == "error" else ("status", "i")
    return (f'<div class="lp-status lp-{kind}" role="{role}"><span class="lp-icon" '
            f'aria-hidden="true">{icon}</span><span>{escape(text)}</span></div>')
