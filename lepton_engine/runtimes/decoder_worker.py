"""The process that alone drives one OpenVINO GenAI pipeline; JSON lines in and out.

``step()`` holds the interpreter lock for a whole step, and a pipeline takes calls from one
thread only, so the pipeline lives here and the application talks to it over a pipe: it
stays responsive while tokens are made. One thread does everything in turn: read what was
asked, step once, write what came out.

The pipeline is built for prompt look-up or for plain batching (`decoder_modes`) and is
rebuilt in the other mode only when nobody is left. The first request with a JSON schema
waits, and holds up those behind it, until no request has a token yet: then the pipeline is
rebuilt with the tokenizer that a schema needs. Those without a token are handed over whole,
so that none is lost or changed, and two pipelines are never there at once.

In: ``{"op": "add", "id", "ids", "max_new_tokens", "temperature", "top_p", "seed",
"stop_ids", "grounded", "schema"}``, ``{"op": "cancel", "id"}``. Out: ``{"event": "ready"}``,
``{"event": "mode", "mode", "seconds"}``, ``{"event": "tokens", "id", "ids"}``, ``{"event":
"end", "id", "reason"}``, ``{"event": "error", "id", "kind"}``. End of input ends the
process. (``select`` on a pipe: Linux and macOS.)
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from lepton_engine.runtimes.decoder_modes import LOOKUP, PLAIN, Policy, guesses
from lepton_engine.runtimes.decoder_pipeline import (
    Build,
    drop_mapped,
    generation_config,
    is_memory,
)

logger = logging.getLogger(__name__)

IDLE_S = 3600.0
NICENESS = 5
GATHER_S = 0.005  # callers that come together start together
RUNNING, FINISHED = "RUNNING", "FINISHED"


@dataclass
class Request:
    message: dict[str, Any]
    handle: Any
    width: int
    limit: int
    count: int = 0


@dataclass
class Worker:
    """One pipeline and the requests that run on it."""

    build: Any  # a `Build`, or what a test puts in its place
    out: BinaryIO
    modes: Sequence[str] = (LOOKUP, PLAIN)
    policy: Policy = field(default_factory=Policy)
    requests: dict[int, Request] = field(default_factory=dict)
    pipeline: Any = None
    held: list[dict[str, Any]] = field(default_factory=list)
    structured: bool = False
    shrunk: bool = False
    warm: bool = False

    def start(self) -> None:
        """Build the pipeline in the first mode that is allowed."""
        self._rebuild(self.modes[0])
        self.say("ready")

    def say(self, event: str, **values: Any) -> None:
        self.out.write(json.dumps({"event": event, **values}).encode() + b"\n")
        self.out.flush()

    def take(self, message: dict[str, Any]) -> None:
        if message["op"] == "cancel":
            self._cancel(message["id"])
        elif self.held or (message.get("schema") and not self.structured):
            self.held.append(message)
        else:
            self._add(message)

    def _cancel(self, number: int) -> None:
        request = self.requests.pop(number, None)
        if request is not None:
            request.handle.cancel()
        self.held = [message for message in self.held if message["id"] != number]
        self.say("end", id=number, reason="cancelled")

    def _add(self, message: dict[str, Any]) -> None:
        import numpy as np
        import openvino as ov

        width = guesses(bool(message.get("grounded")), len(self.requests))
        ids = ov.Tensor(np.array([message["ids"]], dtype=np.int64))
        try:
            config = generation_config(message, self.policy.mode, width)
            handle = self.pipeline.add_request(message["id"], ids, config)
        except Exception as error:  # the caller gets a sentence; the others go on
            # The library's text may quote what somebody asked for, a schema for one.
            logger.warning("Request refused: %s", type(error).__name__)
            self.say("error", id=message["id"], kind=type(error).__name__)
            return
        self.requests[message["id"]] = Request(message, handle, width, message["max_new_tokens"])

    @property
    def busy(self) -> bool:
        # A cancelled request may leave the pipeline unfinished for one more step.
        return bool(self.requests or self.held) or self.pipeline.has_non_finished_requests()

    def turn(self) -> None:
        """One step; the mode is changed when nobody is left."""
        unstarted = not any(request.count for request in self.requests.values())
        if unstarted and self.held:
            self._rebuild(self.policy.mode)
        try:
            self._step()
        except Exception as error:
            if not is_memory(error) or self.shrunk:
                raise
            self._shrink(error)
        if not self.busy and len(self.modes) > 1 and self.policy.wants_change():
            self._rebuild(self.policy.other)

    def _step(self) -> None:
        decoding = bool(self.requests) and all(r.count for r in self.requests.values())
        start = time.perf_counter()
        if self.pipeline.has_non_finished_requests():
            self.pipeline.step()
        seconds = time.perf_counter() - start
        running = list(self.requests.items())
        emitted = [self._forward(number, request) for number, request in running]
        if decoding:
            self.policy.stepped(seconds, [request.width for _, request in running], emitted)
        if running and not self.warm:  # the first step packed the weights
            self.warm = True
            drop_mapped(self.build.folder)

    def _forward(self, number: int, request: Request) -> int:
        new: list[int] = []
        while request.handle.can_read():
            for output in request.handle.read().values():
                new.extend(output.generated_ids)
        if new:
            request.count += len(new)
            self.say("tokens", id=number, ids=new)
        status = str(request.handle.get_status()).rpartition(".")[2]
        if status != RUNNING:
            del self.requests[number]
            if status == FINISHED:
                self.say("end", id=number,
                         reason="length" if request.count >= request.limit else "stop")
            else:
                self.say("error", id=number, kind=status)
        return len(new)

    def _rebuild(self, mode: str) -> None:
        """The pipeline anew in ``mode``; requests without a token move over."""
        self.structured |= any(bool(message.get("schema")) for message in self.held)
        start = time.perf_counter()
        moved = [*(request.message for request in self.requests.values()), *self.held]
        self.held = []
        for request in self.requests.values():
            request.handle.cancel()
        self.requests.clear()
        while self.pipeline is not None and self.pipeline.has_non_finished_requests():
            self.pipeline.step()  # a cancelled request gives its blocks back in a step
        self.pipeline = None
        gc.collect()
        self.pipeline, self.warm = self.build.pipeline(mode, self.structured), False
        seconds = time.perf_counter() - start
        self.policy.changed(mode, seconds)
        self.say("mode", mode=mode, seconds=round(seconds, 3))
        for message in moved:
            self._add(message)

    def _shrink(self, error: Exception) -> None:
        """Once: half the cache and half the step. Who has a token already gets a sentence."""
        logger.warning("Out of memory; building a smaller pipeline: %s", type(error).__name__)
        self.shrunk, self.build = True, self.build.smaller()
        for number in [n for n, r in self.requests.items() if r.count]:
            del self.requests[number]
            self.say("error", id=number, kind="memory")
        # The old pipeline can no longer be asked to cancel; who came first stays first.
        self.held = [*(request.message for request in self.requests.values()), *self.held]
        self.requests, self.pipeline = {}, None
        self._rebuild(self.policy.mode)


class Lines:
    """Whole lines of a file descriptor, without blocking longer than asked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def read(self, timeout_s: float) -> list[bytes] | None:
        """The lines that are there after at most ``timeout_s``; None at end of input."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return []
        data = os.read(self._descriptor, 1 << 20)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


def serve(worker: Worker, lines: Lines) -> None:
    """Until the input ends: take what was asked, step, hand on."""
    worker.start()
    while True:
        waiting = not worker.busy
        asked = lines.read(IDLE_S if waiting else 0.0)
        while asked:
            for line in asked:
                worker.take(json.loads(line))
            asked = lines.read(GATHER_S) if waiting else []
        if asked is None:
            return
        worker.turn()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--blocks", type=int, required=True, help="key-value blocks of 32 tokens")
    parser.add_argument("--chunk", type=int, required=True, help="prompt tokens in one step")
    parser.add_argument("--tokenizer", default="", help="for replies that follow a JSON schema")
    parser.add_argument("--modes", default=f"{LOOKUP},{PLAIN}", help="the first is built first")
    arguments = parser.parse_args()
    # Libraries print; the pipe must carry nothing but messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(NICENESS)  # the page answers first
    build = Build(arguments.model, arguments.blocks, arguments.chunk, arguments.tokenizer)
    serve(Worker(build, out, tuple(arguments.modes.split(","))), Lines(0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
