"""A decoder on the CPU: OpenVINO GenAI in a worker process, seen from the application.

The worker dies with the application (its input ends), the application does not die with
the worker: callers that wait get a sentence and a new worker is started at once.
"""

from __future__ import annotations

import itertools
import logging
import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.errors import InputError, RuntimeFailure
from lepton_engine.runtimes.base import GenerateOptions, RuntimeInfo, TokenChunk
from lepton_engine.runtimes.decoder_pipeline import WEIGHTS_FILE
from lepton_engine.runtimes.decoder_process import DIED, Plan, Process
from lepton_engine.runtimes.decoder_queue import Places

if TYPE_CHECKING:
    from lepton_engine.compression.report import StepReport

logger = logging.getLogger(__name__)

MAX_STREAMS = 16
MAX_WAITING = 32
START_TIMEOUT_S = 120.0
MAX_RESTARTS_IN_A_ROW = 3


class OpenVINODecoder:
    """The `DecoderRuntime` of the CPU. Thread-safe; up to 16 streams share the batch."""

    def __init__(self, folder: Path, info: RuntimeInfo, context_length: int,
                 tokenizer: Path | None = None) -> None:
        self.info = info
        self.report: tuple[StepReport, ...] = ()
        self.context_length = context_length
        self._plan = Plan(folder, tokenizer)
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._places = Places(MAX_STREAMS, MAX_WAITING)
        self._closed = False
        self._deaths = 0
        self._produced_before = 0
        self._process: Process | None = Process(self._plan, self._died)

    @property
    def worker_pid(self) -> int:
        """The worker's process id (its memory counts as the application's)."""
        process = self._process
        return process.pid if process else 0

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the worker, in bytes; 0 while there is none."""
        import psutil

        try:
            return int(psutil.Process(self.worker_pid).memory_info().rss) if self._process else 0
        except psutil.Error:
            return 0

    @property
    def folder(self) -> Path:
        """The folder of the converted model."""
        return self._plan.folder

    @property
    def weights_bytes(self) -> int:
        """Bytes of the weights on disk."""
        return (self.folder / WEIGHTS_FILE).stat().st_size

    def _died(self, process: Process, code: int) -> None:
        with self._lock:
            self._produced_before += process.served
            if self._closed or self._process is not process:
                return
            self._process = None
            self._deaths = 1 if process.served else self._deaths + 1
            logger.warning("The decoder's worker ended with code %s; starting another", code)
            if code == -signal.SIGKILL:  # mostly the system's, for want of memory
                self._plan = self._plan.smaller()
            if self._deaths <= MAX_RESTARTS_IN_A_ROW:
                self._process = Process(self._plan, self._died)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> Process:
        """The running worker, once its pipeline is built."""
        with self._lock:
            if self._closed:
                raise RuntimeFailure("This model was unloaded. Load it again to use it.")
            if self._process is None or self._process.dead:
                # It died too often or at once: this caller's wait pays for a new try.
                self._process = Process(self._plan, self._died)
            process = self._process
        if not process.ready.wait(timeout_s):
            raise RuntimeFailure("The language model did not start in time. Please try again.")
        if process.dead:
            raise RuntimeFailure(DIED)
        return process

    def produced(self) -> int:
        process = self._process
        return self._produced_before + (process.served if process else 0)

    def waiting(self) -> int:
        """How many callers wait for a place in the batch."""
        return self._places.waiting

    @property
    def mode(self) -> str:
        """The mode that the worker's pipeline is built for: lookup or plain."""
        process = self._process
        return process.mode if process else ""

    def stream(self, prompt_ids: Sequence[int], options: GenerateOptions) -> Iterator[TokenChunk]:
        deadline = time.monotonic() + options.timeout_s
        if options.schema and self._plan.tokenizer is None:
            raise InputError("This model's files hold no tokenizer for replies by a schema. "
                             "Ask without `schema`.")
        with self._places.taken(options.timeout_s) as waited_ms:
            process = self.wait_ready(max(0.0, deadline - time.monotonic()))
            yield from self._stream(process, prompt_ids, options, deadline, waited_ms)

    def _stream(self, process: Process, prompt_ids: Sequence[int], options: GenerateOptions,
                deadline: float, waited_ms: float) -> Iterator[TokenChunk]:
        number = next(self._numbers)
        messages = process.open(number)
        running = True
        try:
            process.send(op="add", id=number, ids=list(prompt_ids),
                         max_new_tokens=options.max_new_tokens, temperature=options.temperature,
                         top_p=options.top_p, seed=options.seed,
                         stop_ids=list(options.stop_ids), grounded=options.grounded,
                         schema=options.schema)
            while running:
                try:
                    message = messages.get(timeout=max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    yield TokenChunk((), "deadline", waited_ms)
                    return
                running = message["event"] == "tokens"
                yield _chunk(message, waited_ms)
        finally:
            process.forget(number)
            if running and not process.dead:
                process.send(op="cancel", id=number)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.stop()


def _chunk(message: dict[str, Any], waited_ms: float) -> TokenChunk:
    event = message["event"]
    if event == "tokens":
        return TokenChunk(tuple(message["ids"]), "", waited_ms)
    if event == "end":
        return TokenChunk((), message["reason"], waited_ms)
    if event == "died":
        raise RuntimeFailure(DIED)
    if message["kind"] == "memory":
        raise RuntimeFailure("The machine's memory ran out while the language model was working; "
                             "it goes on with a smaller batch. Please ask again.")
    raise RuntimeFailure("The language model could not work on this request "
                         f"({message['kind']}). Please try a shorter text.")
