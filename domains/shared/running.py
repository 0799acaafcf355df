"""One handler for every event of the page: busy state, stream, views, errors.

``handler`` turns a plain function (or generator) of a tab into the generator that Gradio
runs. Gradio closes it when the person stops or leaves; closing reaches the function's own
generator, so that the engine stops producing.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from domains.shared.failures import failure_of
from domains.shared.markup import escape
from domains.shared.texts import Texts

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


    def end(self, last: Sequence[Any], lang: str, status: str) -> list[Any]:
        """The closing row. It repeats what the stream showed: Gradio 6.31 forgets a value
        that was followed by a skip where the component is not on screen (a closed accordion,
        another tab). What a person may be typing meanwhile is left alone.
        """
        closing_row = self.row(None, lang, status, busy=False)
        kept = [SKIP if i in self.typed else value for i, value in enumerate(last)]
        return overlaid(kept, closing_row)


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


def handler(fn: Callable[..., Any], frame: Frame) -> Callable[..., Iterator[list[Any]]]:
    """The generator function of an event; its last input is the page language."""

    def handle(*inputs: Any) -> Iterator[list[Any]]:
        *given, lang = inputs
        given = [frame.fixed.get(i, value) for i, value in enumerate(given)]
        yield frame.row(None, lang, status_html(lang, Working("")), busy=True)
        last: list[Any] = []
        try:
            with closing(merged(steps(fn, given, frame.outputs))) as rows:
                for step in rows:
                    if isinstance(step, Working):
                        yield frame.row(None, lang, status_html(lang, step))
                    else:
                        row = frame.row(step, lang)
                        last = overlaid(last, row)
                        yield copied(row)
        except Exception as error:  # every failure becomes a sentence under the input
            text = failure_of(error, f"tab {frame.slug}", lang).text(lang)
            yield copied(frame.end(last, lang, notice_html(text, "error")))
            return
        yield copied(frame.end(last, lang, ""))

    return handle


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
