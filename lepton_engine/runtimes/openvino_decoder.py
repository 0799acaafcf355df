"""A decoder on the CPU: OpenVINO GenAI in a worker process, seen from the application.

The worker dies with the application (its input ends), the application does not die with
the worker: callers that wait get a sentence and a new worker is started at once.
"""

from __future__ import annotations

import itertools
import json
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from lepton_engine.errors import BusyError, RuntimeFailure
from lepton_engine.runtimes.base import GenerateOptions, RuntimeInfo, TokenChunk

logger = logging.getLogger(__name__)

KV_BLOCKS = 768  # of 32 tokens: 24,576 tokens of conversation in memory at once
PROMPT_CHUNK = 256
MAX_STREAMS = 16
MAX_WAITING = 32
START_TIMEOUT_S = 120.0
MAX_RESTARTS_IN_A_ROW = 3

DIED = ("The language model's process ended while it was working; a new one is being "
        "started. Please ask again.")


class Process:
    """One worker process and the thread that hands its lines to the streams."""

    def __init__(self, folder: Path, on_death: Any) -> None:
        command = [sys.executable, "-m", "lepton_engine.runtimes.decoder_worker", str(folder),
                   "--blocks", str(KV_BLOCKS), "--chunk", str(PROMPT_CHUNK)]
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, cwd=root)
        self.ready = threading.Event()
        self.dead = False
        self.served = 0
        self._on_death = on_death
        self._queues: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, name="lepton-decoder", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        stdout: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        for line in stdout:
            message = json.loads(line)
            if message["event"] == "ready":
                self.ready.set()
                continue
            if message["event"] == "tokens":
                self.served += len(message["ids"])
            with self._lock:
                target = self._queues.get(message["id"])
            if target is not None:
                target.put(message)
        code = self._process.wait()
        with self._lock:
            self.dead = True
            for waiting in self._queues.values():
                waiting.put({"event": "died"})
        self.ready.set()
        self._on_death(self, code)

    def open(self, number: int) -> queue.SimpleQueue[dict[str, Any]]:
        """The queue on which request ``number``'s messages arrive."""
        with self._lock:
            if self.dead:
                raise RuntimeFailure(DIED)
            self._queues[number] = queue.SimpleQueue()
            return self._queues[number]

    def forget(self, number: int) -> None:
        with self._lock:
            self._queues.pop(number, None)

    def send(self, **message: Any) -> None:
        stdin: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        try:
            with self._lock:
                stdin.write(json.dumps(message).encode() + b"\n")
                stdin.flush()
        except (OSError, ValueError) as error:
            raise RuntimeFailure(DIED) from error

    def stop(self) -> None:
        try:
            self._process.stdin.close()  # type: ignore[union-attr]
            self._process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


class OpenVINODecoder:
    """The `DecoderRuntime` of the CPU. Thread-safe; up to 16 streams share the batch."""

    def __init__(self, folder: Path, info: RuntimeInfo, context_length: int) -> None:
        self.info = info
        self.context_length = context_length
        self._folder = folder
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._slots = threading.BoundedSemaphore(MAX_STREAMS)
        self._waiting = 0
        self._closed = False
        self._deaths = 0
        self._produced_before = 0
        self._process: Process | None = Process(folder, self._died)

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

    def _died(self, process: Process, code: int) -> None:
        with self._lock:
            self._produced_before += process.served
            if self._closed or self._process is not process:
                return
            self._process = None
            self._deaths = 1 if process.served else self._deaths + 1
            logger.warning("The decoder's worker ended with code %s; starting another", code)
            if self._deaths <= MAX_RESTARTS_IN_A_ROW:
                self._process = Process(self._folder, self._died)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> Process:
        """The running worker, once its pipeline is built."""
        with self._lock:
            if self._closed:
                raise RuntimeFailure("This model was unloaded. Load it again to use it.")
            if self._process is None or self._process.dead:
                # It died too often or at once: this caller's wait pays for a new try.
                self._process = Process(self._folder, self._died)
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
        return self._waiting

    def _take_slot(self, timeout_s: float) -> float:
        """Wait for one of the batch's places; returns the milliseconds waited."""
        start = time.perf_counter()
        with self._lock:
            if self._waiting >= MAX_WAITING:
                raise BusyError(f"{MAX_WAITING} questions are waiting for the language model. "
                                "Please try again in about a minute.")
            self._waiting += 1
        try:
            if not self._slots.acquire(timeout=timeout_s):
                raise BusyError("The language model was busy for the whole time allowed. "
                                "Please try again in a minute.")
        finally:
            with self._lock:
                self._waiting -= 1
        return (time.perf_counter() - start) * 1000

    def stream(self, prompt_ids: Sequence[int], options: GenerateOptions) -> Iterator[TokenChunk]:
        deadline = time.monotonic() + options.timeout_s
        waited_ms = self._take_slot(options.timeout_s)
        try:
            process = self.wait_ready(max(0.0, deadline - time.monotonic()))
            yield from self._stream(process, prompt_ids, options, deadline, waited_ms)
        finally:
            self._slots.release()

    def _stream(self, process: Process, prompt_ids: Sequence[int], options: GenerateOptions,
                deadline: float, waited_ms: float) -> Iterator[TokenChunk]:
        number = next(self._numbers)
        messages = process.open(number)
        running = True
        try:
            process.send(op="add", id=number, ids=list(prompt_ids),
                         max_new_tokens=options.max_new_tokens, temperature=options.temperature,
                         top_p=options.top_p, seed=options.seed, stop_ids=list(options.stop_ids))
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
    raise RuntimeFailure("The language model could not work on this request "
                         f"({message['kind']}). Please try a shorter text.")
