"""When the worker changes its mode, and that no request is lost or changed by it."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from lepton_engine.runtimes import decoder_worker
from lepton_engine.runtimes.decoder_modes import (
    LOOKUP,
    NARROW,
    PLAIN,
    WIDE,
    Policy,
    guesses,
)
from lepton_engine.runtimes.decoder_worker import Worker


class Handle:
    """A reply that counts up from its prompt's first id, one token a step."""

    def __init__(self, first: int, count: int) -> None:
        self.next, self.left, self.new, self.cancelled = first, count, [], False

    def step(self) -> None:
        if not self.cancelled and self.left:
            self.new.append(self.next)
            self.next, self.left = self.next + 1, self.left - 1

    def can_read(self) -> bool:
        return bool(self.new)

    def read(self) -> dict[int, Any]:
        new, self.new = self.new, []
        return {0: SimpleNamespace(generated_ids=new)}

    def cancel(self) -> None:
        self.cancelled = True

    def get_status(self) -> str:
        return "GenerationStatus.RUNNING" if self.left else "GenerationStatus.FINISHED"


class Pipeline:
    def __init__(self, mode: str, structured: bool, fails: list[Exception]) -> None:
        self.mode, self.structured, self.fails = mode, structured, fails
        self.handles: list[Handle] = []

    def add_request(self, number: int, ids: Any, config: dict[str, Any]) -> Handle:
        if config.get("schema") == "{quoted}":
            raise ValueError("cannot read {quoted}")
        assert self.structured or not config.get("schema"), "a schema needs the tokenizer"
        self.handles.append(Handle(int(ids.data[0, 0]), config["max_new_tokens"]))
        return self.handles[-1]

    def has_non_finished_requests(self) -> bool:
        self.handles = [h for h in self.handles if h.left and not h.cancelled]
        return bool(self.handles)

    def step(self) -> None:
        if self.fails:
            raise self.fails.pop()
        for handle in self.handles:
            handle.step()


@dataclass
class Build:
    folder: str = "/nowhere"
    size: int = 8
    made: list[tuple[str, bool, int]] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    def pipeline(self, mode: str, structured: bool = False) -> Pipeline:
        self.made.append((mode, structured, self.size))
        return Pipeline(mode, structured, self.fails)

    def smaller(self) -> Build:
        return Build(self.folder, self.size // 2, self.made, self.fails)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    monkeypatch.setattr(decoder_worker, "generation_config", lambda message, mode, width: message)
    monkeypatch.setattr(decoder_worker, "drop_mapped", lambda folder: 0)
    return Build()


def started(build: Build) -> Worker:
    worker = Worker(build, io.BytesIO())
    worker.start()
    return worker


def add(worker: Worker, number: int, count: int = 3, **extra: Any) -> None:
    worker.take({"op": "add", "id": number, "ids": [100 * number], "max_new_tokens": count,
                 **extra})


def finish(worker: Worker) -> dict[int, list[int]]:
    """Run until idle; the tokens by request, and that each ended once."""
    while worker.busy:
        worker.turn()
    assert isinstance(worker.out, io.BytesIO)
    got: dict[int, list[int]] = {}
    ended: list[int] = []
    for line in worker.out.getvalue().splitlines():
        message = json.loads(line)
        if message["event"] == "tokens":
            got.setdefault(message["id"], []).extend(message["ids"])
        if message["event"] == "end":
            ended.append(message["id"])
    assert sorted(ended) == sorted(set(ended))
    return got


def test_a_crowd_starts_in_the_mode_that_is_there(build: Build) -> None:
    worker = started(build)
    for number in range(1, 17):
        add(worker, number)
    assert finish(worker) == {n: [100 * n, 100 * n + 1, 100 * n + 2] for n in range(1, 17)}
    assert [mode for mode, *_ in build.made] == [LOOKUP]


def test_the_mode_changes_when_nobody_is_left(build: Build) -> None:
    worker = started(build)
    add(worker, 1)
    worker.turn()
    worker.policy.regret_s = 2 * worker.policy.change_s + 1
    assert len(build.made) == 1
    assert finish(worker) == {1: [100, 101, 102]}
    assert worker.policy.mode == PLAIN
    assert worker.policy.regret_s == 0


def test_a_schema_waits_for_the_tokenizer_and_keeps_its_turn(build: Build) -> None:
    worker = started(build)
    add(worker, 1, 4)
    worker.turn()
    add(worker, 2, schema="{}")
    add(worker, 3)
    worker.turn()
    assert build.made == [(LOOKUP, False, 8)]
    assert finish(worker)[3] == [300, 301, 302]
    assert build.made == [(LOOKUP, False, 8), (LOOKUP, True, 8)]
    add(worker, 4, schema="{}")
    finish(worker)
    assert len(build.made) == 2


def test_a_held_schema_has_its_tokenizer_in_the_smaller_pipeline_too(build: Build) -> None:
    worker = started(build)
    add(worker, 1, 4)
    worker.turn()
    add(worker, 2, schema="{}")
    add(worker, 3)
    build.fails.append(RuntimeError("std::bad_alloc"))
    got = finish(worker)
    assert (got[2], got[3]) == ([200, 201, 202], [300, 301, 302])
    assert build.made[-1] == (LOOKUP, True, 4)


def test_a_schema_alone_is_answered_by_a_pipeline_with_tokenizer(build: Build) -> None:
    worker = started(build)
    add(worker, 1, schema="{}")
    assert finish(worker)[1] == [100, 101, 102]
    assert build.made[-1] == (LOOKUP, True, 8)


def test_a_refused_request_is_not_quoted_in_the_log(
        build: Build, caplog: pytest.LogCaptureFixture) -> None:
    worker = started(build)
    add(worker, 1, schema="{quoted}")
    with caplog.at_level(logging.DEBUG, decoder_worker.__name__):
        finish(worker)
    assert "Request refused: ValueError" in caplog.text
    assert "quoted" not in caplog.text


def test_a_held_request_can_be_cancelled(build: Build) -> None:
    worker = started(build)
    add(worker, 1, 4)
    worker.turn()
    add(worker, 2, schema="{}")
    worker.take({"op": "cancel", "id": 2})
    assert 2 not in finish(worker)
    assert len(build.made) == 1


def test_out_of_memory_goes_on_smaller_once(build: Build) -> None:
    worker = started(build)
    add(worker, 1, 4)
    worker.turn()
    add(worker, 2)
    build.fails.append(RuntimeError("std::bad_alloc"))
    assert finish(worker)[2] == [200, 201, 202]
    assert isinstance(worker.out, io.BytesIO)
    assert b'"id": 1, "kind": "memory"' in worker.out.getvalue()
    assert build.made[-1] == (LOOKUP, False, 4)
    add(worker, 3)
    build.fails.append(RuntimeError("std::bad_alloc"))
    with pytest.raises(RuntimeError):
        finish(worker)


def test_another_failure_is_not_taken_for_memory(build: Build) -> None:
    worker = started(build)
    add(worker, 1)
    build.fails.append(RuntimeError("a broken model"))
    with pytest.raises(RuntimeError, match="broken"):
        worker.turn()


def run_steps(policy: Policy, steps: int, rows: int, width: int, tokens: int) -> None:
    for _ in range(steps):
        policy.stepped(0.03, [width] * rows, [tokens] * rows)


def test_a_copying_reply_keeps_look_up_and_a_free_crowd_leaves_it() -> None:
    policy = Policy()
    run_steps(policy, 400, 1, WIDE, 4)
    assert not policy.wants_change()
    run_steps(policy, 400, 12, NARROW, 1)
    assert policy.wants_change()


def test_a_model_that_does_not_copy_leaves_look_up_for_good() -> None:
    policy = Policy()
    run_steps(policy, 400, 1, WIDE, 1)
    assert policy.wants_change()
    policy.changed(PLAIN, 2.0)
    run_steps(policy, 2000, 1, WIDE, 1)
    assert not policy.wants_change()


def test_grounded_replies_alone_bring_look_up_back_after_what_a_change_costs() -> None:
    policy = Policy()
    policy.changed(PLAIN, 2.0)
    run_steps(policy, 40, 1, WIDE, 1)
    assert not policy.wants_change()
    run_steps(policy, 400, 1, WIDE, 1)
    assert policy.wants_change()
    assert policy.other == LOOKUP


def test_past_gains_buy_no_patience_and_past_losses_are_bounded() -> None:
    policy = Policy()
    run_steps(policy, 10_000, 1, WIDE, 6)
    assert policy.regret_s == 0
    run_steps(policy, 10_000, 16, NARROW, 1)
    assert policy.regret_s <= 2 * policy.change_s


@pytest.mark.parametrize(("grounded", "running", "width"), [
    (True, 0, WIDE), (True, 2, WIDE), (True, 3, NARROW), (False, 0, NARROW)])
def test_wide_guesses_are_for_grounded_replies_with_room(
        grounded: bool, running: int, width: int) -> None:
    assert guesses(grounded, running) == width
