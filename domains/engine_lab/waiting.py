"""Waiting for the engine while saying what it is doing, so that a person sees it and may stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

from domains.engine_lab.outcome import Stage

SECONDS = 0.4


def watched(work: Callable[[], object], engine: Any, text: str,
            ) -> Generator[Stage, None, Any]:
    """Run ``work`` on a thread of its own, yield what the engine says that it is loading, and
    return what the work gives.

    Raises what the work raises. When the watching is closed, the work goes on to its end behind
    it: a model half made is of no use to anybody, and the next one who asks finds it.
    """
    given: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            given.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True, name="lepton-lab-wait")
    thread.start()
    waiting = True
    while waiting:
        state = next((m for m in engine.status().models if m.state == "loading"), None)
        detail = state.detail if state else ""
        yield Stage(f"{text} {detail}" if detail else text, state.progress if state else None)
        thread.join(SECONDS)
        waiting = thread.is_alive()
    if failed:
        raise failed[0]
    return given[0]
