"""What a conversion in a process of its own says, and how it ends."""

from __future__ import annotations

import time

import pytest

from lepton_engine.errors import InputError
from lepton_engine.runtimes.children import run_child

CHILD = "tests.engine.tiny_child"


def test_what_it_says_is_handed_on() -> None:
    heard: list[tuple[str, float | None]] = []
    run_child(CHILD, "work", tell=lambda what, share: heard.append((what, share)))
    assert heard == [("working", 0.5)]


def test_a_refusal_is_the_same_error_here() -> None:
    with pytest.raises(InputError, match="This does not fit"):
        run_child(CHILD, "refuse")


def test_a_failure_says_the_last_line_of_its_trouble() -> None:
    with pytest.raises(RuntimeError, match=r"tiny_child ended with 1: ValueError: broken"):
        run_child(CHILD, "break")


def test_silence_ends_it() -> None:
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="ended with -9"):
        run_child(CHILD, "hang", silence_s=3.0)
    assert time.monotonic() - start < 30


def test_who_stops_listening_ends_it() -> None:
    def stop(_what: str, _share: float | None) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_child(CHILD, "hang", tell=stop)
    assert time.monotonic() - start < 30
