"""A contender in a process of its own: JSON lines in and out, seen from the benchmark.

One contender's threads, memory and versions do not touch another's, and one run can still
call them in turn: an idle process waits on its pipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.report import ROOT

PEERS = ROOT / ".bench"
#: Where models that were converted for a peer are kept.
PREPARED = PEERS / "models"
#: A moment in which the threads of the contender before fall asleep.
PAUSE_S = 0.5
REASON_CHARACTERS = 200


def peer_python() -> str:
    """The interpreter of the peers' environment; ``LEPTON_BENCH_PYTHON`` names another."""
    path = Path(os.environ.get("LEPTON_BENCH_PYTHON") or PEERS / "bin" / "python")
    if not path.is_file():
        raise SystemExit("The environment of the peers is missing. Run: make peers")
    return str(path)


@dataclass(frozen=True)
class Contender:
    """A row of a table: what runs, where, and what it is told when it starts.

    ``kind`` is ``module:Class`` below this package; ``peer`` says in which environment.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    peer: bool = False

    @property
    def python(self) -> str:
        return peer_python() if self.peer else sys.executable


class ContenderError(Exception):
    """What a contender's process said when it could not go on."""


class Process:
    """A running contender."""

    def __init__(self, contender: Contender, log: IO[bytes] | None = None) -> None:
        self.contender = contender
        self.name = contender.name
        self._log = log or tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true",
                       "PYTHONWARNINGS": "ignore", "TQDM_DISABLE": "1"}
        self._process = subprocess.Popen(
            [contender.python, "-m", "benchmarks.peers.child", contender.kind,
             json.dumps(dict(contender.options))], cwd=ROOT, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        self.facts: dict[str, Any] = {}

    def wait_ready(self) -> None:
        """Until it has loaded; ``facts`` are then its versions and what it says of itself."""
        self.facts = self._answer()

    def call(self, operation: str, **arguments: Any) -> Any:
        """The result of an operation."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps({"call": operation, **arguments}).encode() + b"\n")
            stdin.flush()
        except OSError:
            raise ContenderError(self._last_words()) from None
        return self._answer()

    def _answer(self) -> Any:
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise ContenderError(self._last_words())
        message = json.loads(line)
        if "failed" in message:
            raise ContenderError(message["failed"])
        return message["result"]

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"ended with code {self._process.wait()}"

    def close(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._log.close()


class Field:
    """The contenders of one run; leaving the block ends their processes.

    A contender that cannot load or go on is a row with its reason, never the end of the run.
    """

    def __init__(self, say: Callable[[str], None], pause_s: float = PAUSE_S) -> None:
        self._say = say
        self._pause_s = pause_s
        self._stack = ExitStack()
        self.processes: dict[str, Process] = {}
        self.failed: dict[str, str] = {}

    def __enter__(self) -> Field:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, contender: Contender) -> Process | None:
        """Start one and wait until it has loaded."""
        start = time.perf_counter()
        process = Process(contender)
        self._stack.callback(process.close)
        try:
            process.wait_ready()
        except ContenderError as error:
            self.drop(contender.name, str(error))
            return None
        self.processes[contender.name] = process
        self._say(f"{contender.name}: loaded in {time.perf_counter() - start:.1f} s")
        return process

    def call(self, process: Process, operation: str, **arguments: Any) -> Any:
        """What ``process`` answers after a pause; None where it failed and was dropped."""
        time.sleep(self._pause_s)
        try:
            return process.call(operation, **arguments)
        except ContenderError as error:
            self.drop(process.name, str(error))
            return None

    def drop(self, name: str, reason: str) -> None:
        """Go on without it; the reason is kept on one line."""
        reason = " ".join(reason.split())[:REASON_CHARACTERS]
        self._say(f"{name}: {reason}")
        self.failed[name] = reason
        self.processes.pop(name, None)

    def versions(self) -> dict[str, str]:
        """Of everything that took part; the peers' own environment is named."""
        found = {}
        for process in self.processes.values():
            mark = " (peers)" if process.contender.peer else ""
            found |= {name + mark: number for name, number in process.facts["versions"].items()}
        return found


def in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    """Run the jobs at once and wait for all; the first exception is raised here."""
    errors: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # handed on to the caller below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
