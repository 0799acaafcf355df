"""The decoder's worker process as the application sees it: messages in, queues out."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from lepton_engine.errors import RuntimeFailure

DIED = ("The language model's process ended while it was working; a new one is being "
        "started. Please ask again.")

KV_BLOCKS = 512  # of 32 tokens: 16,384 tokens of conversation in memory at once
PROMPT_CHUNK = 128  # a cancelled prompt frees its slot after two steps of so many tokens


@dataclass(frozen=True)
class Plan:
    """What a worker is started with."""

    folder: Path
    tokenizer: Path | None = None
    blocks: int = KV_BLOCKS
    chunk: int = PROMPT_CHUNK
    modes: tuple[str, ...] = ("lookup", "plain")

    def arguments(self) -> list[str]:
        said = [str(self.folder), "--blocks", str(self.blocks), "--chunk", str(self.chunk),
                "--modes", ",".join(self.modes)]
        return [*said, "--tokenizer", str(self.tokenizer)] if self.tokenizer else said

    def smaller(self) -> Plan:
        """The same with half the key-value cache: the system killed the last one for memory."""
        return replace(self, blocks=max(128, self.blocks // 2))


class Process:
    """One worker process and the thread that hands its lines to the streams."""

    def __init__(self, plan: Plan, on_death: Any) -> None:
        command = [sys.executable, "-m", "lepton_engine.runtimes.decoder_worker",
                   *plan.arguments()]
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, cwd=root)
        self.ready = threading.Event()
        self.dead = False
        self.served = 0
        self.mode = ""
        self.changes = 0
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
            if message["event"] == "mode":
                self.mode, self.changes = message["mode"], self.changes + 1
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
