"""The process that alone drives one OpenVINO GenAI pipeline; JSON lines in and out.

``step()`` holds the interpreter lock for a whole step, and a pipeline takes calls from one
thread only, so the pipeline lives here and the application talks to it over a pipe: it
stays responsive while tokens are made. One thread does everything in turn: read what was
asked, step once, write what came out.

In: ``{"op": "add", "id", "ids", "max_new_tokens", "temperature", "top_p", "seed",
"stop_ids"}``, ``{"op": "cancel", "id"}``. Out: ``{"event": "ready"}``, ``{"event":
"tokens", "id", "ids"}``, ``{"event": "end", "id", "reason"}``, ``{"event": "error", "id",
"kind"}``. End of input ends the process. (``select`` on a pipe: Linux and macOS.)
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import select
import sys
from dataclasses import dataclass, field
from typing import Any, BinaryIO

logger = logging.getLogger(__name__)

IDLE_S = 3600.0
NO_TOKEN = 2**31 - 1
NICENESS = 5


@dataclass
class Request:
    handle: Any
    limit: int
    count: int = 0


@dataclass
class Worker:
    """One pipeline and the requests that run on it."""

    pipeline: Any
    out: BinaryIO
    requests: dict[int, Request] = field(default_factory=dict)

    def say(self, event: str, **values: Any) -> None:
        self.out.write(json.dumps({"event": event, **values}).encode() + b"\n")
        self.out.flush()

    def take(self, message: dict[str, Any]) -> None:
        if message["op"] == "cancel":
            request = self.requests.pop(message["id"], None)
            if request is not None:
                request.handle.cancel()
                self.say("end", id=message["id"], reason="cancelled")
            return
        try:
            self._add(message)
        except Exception as error:  # the caller gets a sentence; the others go on
            logger.warning("Request refused: %s", error)
            self.say("error", id=message["id"], kind=type(error).__name__)

    def _add(self, message: dict[str, Any]) -> None:
        import numpy as np
        import openvino as ov

        ids = ov.Tensor(np.array([message["ids"]], dtype=np.int64))
        handle = self.pipeline.add_request(message["id"], ids, _generation_config(message))
        self.requests[message["id"]] = Request(handle, message["max_new_tokens"])

    def step(self) -> None:
        """One step of the pipeline, and what it gave to whom."""
        if self.pipeline.has_non_finished_requests():
            self.pipeline.step()
        for number, request in list(self.requests.items()):
            self._forward(number, request)

    def _forward(self, number: int, request: Request) -> None:
        import openvino_genai as genai

        new: list[int] = []
        while request.handle.can_read():
            for output in request.handle.read().values():
                new.extend(output.generated_ids)
        if new:
            request.count += len(new)
            self.say("tokens", id=number, ids=new)
        status = request.handle.get_status()
        if status != genai.GenerationStatus.RUNNING:
            del self.requests[number]
            if status == genai.GenerationStatus.FINISHED:
                self.say("end", id=number,
                         reason="length" if request.count >= request.limit else "stop")
            else:
                self.say("error", id=number, kind=str(status).rpartition(".")[2])


def _generation_config(message: dict[str, Any]) -> Any:
    import openvino_genai as genai

    config = genai.GenerationConfig()
    config.max_new_tokens = message["max_new_tokens"]
    # GenAI adds its end id to the stop ids and refuses the -1 that it has by default.
    stops = message["stop_ids"] or [NO_TOKEN]
    config.stop_token_ids = set(stops)
    config.eos_token_id = stops[0]
    config.do_sample = message["temperature"] > 0
    if config.do_sample:
        config.temperature = message["temperature"]
        config.top_p = message["top_p"]
        config.rng_seed = message["seed"]
    return config


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
    worker.say("ready")
    while True:
        # A cancelled request may leave the pipeline unfinished for one more step.
        busy = bool(worker.requests) or worker.pipeline.has_non_finished_requests()
        asked = lines.read(0.0 if busy else IDLE_S)
        if asked is None:
            return
        for line in asked:
            worker.take(json.loads(line))
        worker.step()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--blocks", type=int, required=True, help="key-value blocks of 32 tokens")
    parser.add_argument("--chunk", type=int, required=True, help="prompt tokens in one step")
    arguments = parser.parse_args()
    # Libraries print; the pipe must carry nothing but messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(NICENESS)  # the page answers first
    import openvino_genai as genai

    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = arguments.blocks
    scheduler.max_num_batched_tokens = arguments.chunk
    scheduler.enable_prefix_caching = True
    pipeline = genai.ContinuousBatchingPipeline(arguments.model, scheduler, "CPU", {})
    serve(Worker(pipeline, out), Lines(0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
