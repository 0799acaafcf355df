"""Rounds in which every contender encodes the same texts, one after the other."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.peers.process import Contender, Field, Process
from benchmarks.report import percentile
from benchmarks.texts import ONE_SENTENCE, TextSource

WARM_TEXTS = 96


@dataclass(frozen=True)
class Plan:
    """How much is timed; ``slow_rounds`` are the turns of contenders that are marked slow."""

    texts: int = 2000
    rounds: int = 2
    slow_rounds: int = 1
    sentences: int = 20
    sentence_rounds: int = 10


@dataclass(frozen=True)
class Entry:
    """A contender. ``slow``: no goal is measured by it, so it encodes many texts once only;
    ``many``: it encodes many texts at all (what another row shows already does not)."""

    contender: Contender
    slow: bool = False
    many: bool = True


@dataclass
class Times:
    """What was measured of one contender; ``baseline_s`` are the baseline's same rounds."""

    variant: str = ""
    one_ms: list[float] = field(default_factory=list)
    many_s: list[float] = field(default_factory=list)
    baseline_s: list[float] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)

    @staticmethod
    def median(values: Sequence[float]) -> float:
        return statistics.median(values) if values else float("nan")

    def texts_per_second(self, texts: int) -> float:
        return self.median([texts / seconds for seconds in self.many_s])

    def times_faster(self) -> float:
        """Than the baseline: the median over the rounds."""
        return self.median([b / s for b, s in zip(self.baseline_s, self.many_s, strict=True)])

    def cosine(self) -> float:
        """The lowest round's 1st percentile."""
        return min(self.cosines, default=float("nan"))


class Rounds:
    """Gives the same new texts to every contender in turn and keeps the times."""

    def __init__(self, contenders: Field, entries: Sequence[Entry], source: TextSource,
                 plan: Plan) -> None:
        self.field = contenders
        self.plan = plan
        self._entries = entries
        self._source = source
        self.times = {name: Times(process.facts["variant"])
                      for name, process in contenders.processes.items()}

    def finished(self) -> list[tuple[str, Times]]:
        """The times of those that took part to the end."""
        return [(name, times) for name, times in self.times.items()
                if name not in self.field.failed]

    def _turns(self) -> Iterator[tuple[Entry, Process]]:
        """Those that still take part, in the order of the table."""
        for entry in self._entries:
            process = self.field.processes.get(entry.contender.name)
            if process is not None:
                yield entry, process

    def warm(self) -> None:
        """A few texts of every length, so that nothing is compiled while the clock runs."""
        texts = self._source.take(WARM_TEXTS)
        with TemporaryDirectory() as folder:
            given = _file(folder, texts)
            for _, process in self._turns():
                self.field.call(process, "together", texts=given, out=f"{folder}/warm.npy")
        for _, process in self._turns():
            self.field.call(process, "one_by_one", texts=texts[:8])

    def one_sentence(self, say: Callable[[str], None]) -> None:
        """The median of each round's sentences, given one at a time."""
        for _ in range(self.plan.sentence_rounds):
            texts = self._source.take(self.plan.sentences, *ONE_SENTENCE)
            for _, process in self._turns():
                found = self.field.call(process, "one_by_one", texts=texts)
                if found is not None:
                    self.times[process.name].one_ms.append(statistics.median(found))
        say(f"one sentence: {self.plan.sentence_rounds} rounds done")

    def many_texts(self, baseline: str, say: Callable[[str], None]) -> None:
        """Seconds for all texts of a round, and the cosine to the baseline's vectors."""
        for number in range(self.plan.rounds):
            with TemporaryDirectory() as folder:
                self._one_round(number, baseline, Path(folder))
            say(f"many texts: round {number + 1} of {self.plan.rounds} done")

    def _one_round(self, number: int, baseline: str, folder: Path) -> None:
        given = _file(str(folder), self._source.take(self.plan.texts))
        kept: dict[str, Any] = {}
        for entry, process in self._turns():  # the baseline is the first
            if not entry.many or (entry.slow and number >= self.plan.slow_rounds):
                continue
            seconds = self.field.call(process, "together", texts=given,
                                      out=str(folder / "vectors.npy"))
            if seconds is None:
                continue
            vectors = np.load(folder / "vectors.npy")
            if process.name == baseline:
                kept["vectors"], kept["seconds"] = vectors, seconds
            times = self.times[process.name]
            times.many_s.append(seconds)
            times.baseline_s.append(kept["seconds"])
            cosines = (vectors * kept["vectors"]).sum(1)
            times.cosines.append(percentile([float(c) for c in cosines], 0.01))


def _file(folder: str, texts: Sequence[str]) -> str:
    path = Path(folder) / "texts.json"
    path.write_text(json.dumps(list(texts)), encoding="utf-8")
    return str(path)
