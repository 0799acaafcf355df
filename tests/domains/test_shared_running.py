"""The one handler: busy and idle, streams, merging, errors, and closing."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from domains.shared.running import SKIP, Frame, Working, handler, merged, skipped
from domains.shared.session import Session
from lepton_engine import profiles
from lepton_engine.errors import LimitError

FRAME = Frame("demo", outputs=2, payload_at=1, has_button=True, has_stop=True,
              views=(lambda payload, lang: f"{lang}:{payload['x']}",))
SECRET = "what a user typed"


def rows_of(fn: Any, *inputs: Any, frame: Frame = FRAME) -> list[list[Any]]:
    return list(handler(fn, frame)(*inputs, Session("zh")))


def test_a_plain_function_gives_busy_answer_idle() -> None:
    busy, answer, idle = rows_of(lambda a, b: (a + b, {"x": 1}), "p", "q")
    text, payload, view, body, old, status, button, stop = busy
    assert all(skipped(v) for v in (text, payload, view, body, old))
    assert "正在处理" in status
    assert button["interactive"] is False
    assert stop["interactive"] is True
    assert answer[:2] == ["pq", {"x": 1}]
    assert answer[2]["value"] == "zh:1"
    assert answer[2]["visible"] is True
    assert answer[3]["elem_classes"] == ["lp-tab"]
    assert answer[4]["visible"] is False
    assert idle[5] == ""
    assert idle[6]["interactive"] is True
    assert idle[7]["interactive"] is False


def test_the_last_row_repeats_what_was_shown_but_not_what_may_be_typed() -> None:
    def fn() -> Iterator[Any]:
        yield "", {"x": 1}
        yield "", SKIP

    last = rows_of(fn, frame=Frame("demo", outputs=2, payload_at=1, typed=frozenset({0}),
                                   views=FRAME.views))[-1]
    assert skipped(last[0])
    assert last[1] == {"x": 1}
    assert last[2]["value"] == "zh:1"


def test_the_last_row_repeats_values_that_gradio_took_out() -> None:
    def fn() -> Iterator[Any]:
        yield "", {"x": 1}

    for row in handler(fn, FRAME)(Session("zh")):
        last = [dict(v) if isinstance(v, dict) else v for v in row]
        for update in row:
            if isinstance(update, dict):
                update.pop("value", None)
    assert last[2]["value"] == "zh:1"


def test_every_step_of_a_stream_follows_the_visitors_profile() -> None:
    seen = []

    def fn() -> Iterator[Any]:
        for step in ("a", "b"):
            seen.append(profiles.current())
            yield step, SKIP
        try:
            yield "c", SKIP
        finally:
            seen.append(profiles.current())

    stream = handler(fn, FRAME)(Session(profile="fast"))
    for _ in range(3):  # Gradio runs every step in a thread and a context of its own
        contextvars.copy_context().run(next, stream)
    contextvars.copy_context().run(stream.close)  # type: ignore[attr-defined]
    assert seen == ["fast", "fast", "fast"]
    assert profiles.current() == "balanced"


def test_a_plain_function_follows_it_too() -> None:
    rows = list(handler(lambda: (profiles.current(), SKIP), FRAME)(Session(profile="original")))
    assert rows[1][0] == "original"


def test_a_language_that_changes_meanwhile_is_that_of_the_answer() -> None:
    session = Session("en")

    def fn() -> Iterator[Any]:
        yield "half", {"x": 1}
        session.lang = "zh"
        yield "whole", SKIP

    rows = list(handler(fn, FRAME)(session))
    assert rows[1][2]["value"] == "en:1"
    assert rows[-1][2]["value"] == "zh:1"
    assert rows[-1][1] == {"x": 1}


def test_an_earlier_answer_is_marked_when_the_next_question_fails() -> None:
    def fails() -> Any:
        raise LimitError("Too long.")

    session = Session("en")
    *_, first = handler(fails, FRAME)(session)
    assert "earlier" not in first[5]
    assert skipped(first[3])
    list(handler(lambda: ("a", {"x": 1}), FRAME)(session))
    *_, second = handler(fails, FRAME)(session)
    assert "What stands below answers your earlier question." in second[5]
    assert second[3]["elem_classes"] == ["lp-tab", "lp-earlier"]
    *_, third = handler(lambda: ("b", {"x": 2}), FRAME)(session)
    assert third[3]["elem_classes"] == ["lp-tab"]


def test_half_an_answer_of_this_question_is_no_earlier_one() -> None:
    def fn() -> Iterator[Any]:
        yield "half", {"x": 1}
        raise LimitError("Too long.")

    *_, last = handler(fn, FRAME)(Session("en"))
    assert last[3]["elem_classes"] == ["lp-tab"]
    assert "earlier" not in last[5]


def test_a_skipped_payload_draws_nothing() -> None:
    _, answer, last = rows_of(lambda: ("growing", SKIP))
    assert last[0] == "growing"
    assert answer[0] == "growing"
    assert all(skipped(v) for v in answer[1:5])


def test_progress_is_shown_and_escaped() -> None:
    def fn() -> Iterator[Any]:
        yield Working("piece <2> of 5", 0.4)
        yield "done", {"x": 2}

    rows = rows_of(fn)
    assert "piece &lt;2&gt; of 5" in rows[1][5]
    assert "width:40%" in rows[1][5]
    assert rows[2][2]["value"] == "zh:2"


def test_an_error_keeps_what_is_there_and_frees_the_button(
        caplog: pytest.LogCaptureFixture) -> None:
    def fn(text: str) -> Iterator[Any]:
        yield "half", SKIP
        raise LimitError("A message has at most 4,000 characters. Shorten it.")

    with caplog.at_level(logging.DEBUG):
        *_, last = rows_of(fn, SECRET)
    assert last[0] == "half"
    assert all(skipped(v) for v in last[1:5])
    assert last[6]["interactive"] is True
    assert 'role="alert"' in last[5]
    assert "超出限制：A message has at most" in last[5]
    assert "LimitError" in caplog.text
    assert SECRET not in caplog.text


def test_a_foreign_error_says_nothing_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    def fn(text: str) -> Any:
        raise ValueError(f"cannot read /home/x/{text}")

    with caplog.at_level(logging.DEBUG):
        last = rows_of(fn, SECRET)[-1]
    assert "/home" not in last[5]
    assert SECRET not in last[5] + caplog.text
    assert "test_shared_running.py:" in caplog.text


def test_a_wrong_number_of_outputs_is_an_error_not_a_shift() -> None:
    assert 'role="alert"' in rows_of(lambda: ("one", {"x": 1}, "three"))[-1][5]


def test_closing_the_event_closes_the_stream() -> None:
    ends = []

    def fn() -> Iterator[Any]:
        try:
            for i in range(100):
                yield str(i), SKIP
        finally:
            ends.append(i)

    stream = handler(fn, FRAME)(Session())
    next(stream)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert ends == [0]


def test_fixed_inputs_stand_in_for_the_fields() -> None:
    frame = Frame("demo", outputs=1, fixed={1: "example"})
    assert rows_of(lambda a, b: f"{a}-{b}", "x", "typed", frame=frame)[1][0] == "x-example"


def test_quick_rows_are_merged_and_no_update_is_lost() -> None:
    def rows() -> Iterator[Any]:
        yield ["a", SKIP]
        yield ["b", "kept"]
        yield ["c", SKIP]

    assert list(merged(rows(), seconds=10)) == [["a", SKIP], ["c", "kept"]]  # type: ignore[arg-type]
    assert len(list(merged(rows(), seconds=0))) == 3  # type: ignore[arg-type]


def test_progress_flushes_what_was_held_back() -> None:
    def rows() -> Iterator[Any]:
        yield ["a"]
        yield ["b"]
        yield Working("next")
        yield ["c"]

    assert list(merged(rows(), seconds=10)) == [["a"], ["b"], Working("next"), ["c"]]  # type: ignore[arg-type]
