"""Speed, memory and the machine: what a verdict says beside the quality.

Original and variant are timed in one run, in turns and on the same distinct texts, with every
cache off, and the tokenising counts.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import logging
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from lepton_engine.vector_cache import caches_off

log = logging.getLogger(__name__)

SINGLES = 200
#: In turns of so many texts: fewer would time how each model throws the other out of the
#: processor's caches, which no program that runs one model meets.
TURN = 10
WARM_UP = 10
MANY = 1_024
BATCH = 256
MEMORY_TIMEOUT_S = 180.0
PACKAGES = ("openvino", "nncf", "torch", "transformers", "tokenizers", "numpy", "scikit-learn")

#: Computes the texts with the model; what is timed.
Run = Callable[[Any, Sequence[str]], object]


@dataclass(frozen=True)
class Doing:
    """What is being done, and how much of it is (0..1; None where nobody can tell)."""

    what: str
    share: float | None = None


@dataclass(frozen=True)
class Timing:
    """Medians of one text at a time, and texts a second of many, of both models."""

    latency_ms: float
    original_latency_ms: float
    texts_per_second: float
    original_texts_per_second: float
    singles: int
    many: int


def timed(original: Any, variant: Any, run: Run, texts: Sequence[str], *,
          singles: int = SINGLES, many: int = MANY) -> Generator[Doing, None, Timing]:
    """Time both on distinct texts: one at a time first, then in calls of 256.

    The order changes from turn to turn, so that neither always runs on a warmer machine.
    """
    distinct = list(dict.fromkeys(texts))
    for model in (original, variant):  # the first calls of a shape are slower
        for text in distinct[-WARM_UP:]:
            _seconds(run, model, [text])
        _seconds(run, model, distinct[-BATCH:])
    each: tuple[list[float], list[float]] = ([], [])
    for share, turn, order in _turns(distinct[:singles], TURN):
        yield Doing("timing one text at a time", share)
        for model in order:
            times = [_seconds(run, (original, variant)[model], [text]) for text in turn]
            each[model].extend(times)
    total = [0.0, 0.0]
    for share, turn, order in _turns(distinct[:many], BATCH):
        yield Doing("timing many texts", share)
        for model in order:
            total[model] += _seconds(run, (original, variant)[model], turn)
    count = len(distinct[:many])
    return Timing(median(each[1]) * 1000, median(each[0]) * 1000, count / total[1],
                  count / total[0], len(each[0]), count)


def _turns(texts: list[str], size: int) -> Iterator[tuple[float, list[str], tuple[int, int]]]:
    for number, start in enumerate(range(0, len(texts), size)):
        order = (1, 0) if number % 2 else (0, 1)
        yield start / len(texts), texts[start:start + size], order


def _seconds(run: Run, model: Any, texts: Sequence[str]) -> float:
    with caches_off():
        started = time.perf_counter()
        run(model, texts)
        return time.perf_counter() - started


# Memory ---------------------------------------------------------------------------------


def memory_growth(name: str, recipe: str, home: Path) -> Generator[Doing, None, int]:
    """Bytes by which a fresh process grows when it loads and runs the variant; 0 where that
    cannot be measured. Closing the generator ends the process."""
    command = [sys.executable, "-m", "lepton_engine.compression.measure", name, recipe]
    child = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2], text=True,
                             env={**os.environ, "LEPTON_HOME": str(home)},
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    started = time.monotonic()
    try:
        while child.poll() is None and time.monotonic() - started < MEMORY_TIMEOUT_S:
            yield Doing("measuring its memory in a process of its own")
            time.sleep(0.1)
        if child.returncode == 0 and child.stdout is not None:
            return int(json.loads(child.stdout.read().splitlines()[-1])["growth"])
        log.warning("The memory of %s/%s could not be measured.", name, recipe)
        return 0
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def main(arguments: Sequence[str]) -> int:
    """In the child: load, run 64 texts, print the growth of the resident memory in bytes."""
    import psutil

    from lepton_engine.compression.calibration import bundled_texts
    from lepton_engine.device import choose_device
    from lepton_engine.model import LeptonModel

    name, recipe = arguments
    choice = choose_device(os.environ.get("LEPTON_DEVICE"))  # the libraries are loaded by now
    if choice.runtimes[0] == "openvino":
        import openvino

        openvino.Core().get_versions("CPU")
    process = psutil.Process()
    before = process.memory_info().rss
    with LeptonModel.load_pretrained_model(name, device=choice, recipe=recipe) as model:
        texts = list(bundled_texts()[:64])
        if "vectors" in model.tasks:
            model.embed(texts)
        else:
            model.rerank(texts[0], texts[1:])
        print(json.dumps({"growth": process.memory_info().rss - before}))
    return 0


# The machine ----------------------------------------------------------------------------


@functools.cache
def host() -> str:
    """The processor, its usable cores and the memory: ``AMD EPYC, 2 cores, 16 GB``."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {cores} cores, {_gigabytes(memory)} GB"


def _gigabytes(memory: float) -> int:
    """What the kernel keeps for itself differs from start to start; the machine does not."""
    return max(1, 2 * math.floor(memory / 2 + 0.5)) if memory >= 2 else 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def versions() -> dict[str, str]:
    """Of this engine, its methods, and the libraries that convert and run."""
    from lepton_engine import __version__
    from lepton_engine.compression.calibration import methods
    from lepton_engine.compression.recipe import STEPS

    found = {"lepton": __version__, "methods": methods(STEPS), "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
