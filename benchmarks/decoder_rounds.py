"""The runs of the language models: prompts in turn, and many streams at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.decoder_prompts import Prompts
from benchmarks.peers.process import Field, Process


@dataclass(frozen=True)
class Plan:
    """How much is timed."""

    free: int = 5
    free_tokens: int = 128
    grounded: int = 20
    grounded_tokens: int = 128
    streams: int = 16
    stream_tokens: int = 128
    own_tokens: int = 200
    warm_tokens: int = 16
    gap_s: float = 1.0
    same_tokens: int = 64


@dataclass
class Measured:
    """Of one contender: speeds of each prompt in tokens/s, and of the streams.

    ``writing`` counts the tokens after the first against the time after the first,
    ``whole`` all tokens against the time from the question to the end. An answer of one token
    has no speed of writing: None, so that the prompts of all contenders stay side by side.
    """

    variant: str = ""
    memory_mb: float | None = None
    writing: dict[str, list[float | None]] = field(default_factory=dict)
    whole: dict[str, list[float]] = field(default_factory=dict)
    first_s: dict[str, list[float]] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    agreement: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, kind: str, reply: dict[str, Any]) -> None:
        after = reply["end"] - reply["first"]
        rest = reply["tokens"] - reply["at_first"]
        speed = rest / after if rest > 0 and after > 0 else None
        self.writing.setdefault(kind, []).append(speed)
        self.whole.setdefault(kind, []).append(
            reply["tokens"] / (reply["end"] - reply["asked"]))
        self.first_s.setdefault(kind, []).append(reply["first"] - reply["asked"])

    def add_streams(self, kind: str, replies: list[dict[str, Any]]) -> None:
        """Tokens of all over the time from the first question to the last token."""
        seconds = max(r["end"] for r in replies) - min(r["asked"] for r in replies)
        self.sums[kind] = sum(r["tokens"] for r in replies) / seconds
        self.first_s[kind] = [r["first"] - r["asked"] for r in replies]


class Rounds:
    """Gives every contender the same prompts and keeps what was measured."""

    def __init__(self, plan: Plan, prompts: Prompts, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.prompts = prompts
        self.measured: dict[str, Measured] = {}
        self.failed: dict[str, str] = {}
        self._say = say
        self._warm = prompts.streams(2, 40)
        self._at_once = prompts.streams(plan.streams, plan.own_tokens)
        self._each_second = prompts.streams(plan.streams, plan.own_tokens)

    def _call(self, contenders: Field, process: Process, prompts: list[list[int]], limit: int,
              stops: list[int], gap_s: float = 0.0) -> list[dict[str, Any]]:
        """A reply a prompt; none where the contender failed."""
        return contenders.call(process, "many", prompts=prompts, limit=limit, stops=stops,
                               gap_s=gap_s) or []

    def _of(self, process: Process) -> Measured:
        return self.measured.setdefault(process.name, Measured(process.facts["variant"]))

    def one_stream(self, contenders: Field) -> None:
        """Free text, then grounded questions; on each prompt the contenders in turn."""
        plan, prompts = self.plan, self.prompts
        for process in list(contenders.processes.values()):
            self._call(contenders, process, self._warm[:1], plan.warm_tokens, [])
        self._in_turn(contenders, "free", prompts.free(plan.free), plan.free_tokens, [])
        self._in_turn(contenders, "grounded", prompts.grounded(plan.grounded),
                      plan.grounded_tokens, prompts.stops)
        for process in contenders.processes.values():
            self._of(process).memory_mb = process.call("memory") / 1e6
        for name, reason in contenders.failed.items():
            self.failed[f"{name}, one stream"] = reason
            self.measured.pop(name, None)  # half of the prompts is no median of all

    def _in_turn(self, contenders: Field, kind: str, prompts: list[list[int]], limit: int,
                 stops: list[int]) -> None:
        for number, prompt in enumerate(prompts):
            order = list(contenders.processes.values())
            # Each begins in turn, so that none always runs on a processor that is warm.
            for process in order[number % len(order):] + order[:number % len(order)]:
                for reply in self._call(contenders, process, [prompt], limit, stops):
                    self._of(process).add(kind, reply)
        self._say(f"one stream, {kind}: {len(prompts)} prompts done")

    def many_streams(self, contenders: Field) -> None:
        """All at once, then one each second."""
        for process in list(contenders.processes.values()):
            self._call(contenders, process, self._warm, self.plan.warm_tokens, [])
            for kind, prompts, gap_s in (("at once", self._at_once, 0.0),
                                         ("one each second", self._each_second, self.plan.gap_s)):
                replies = self._call(contenders, process, prompts, self.plan.stream_tokens, [],
                                     gap_s)
                if replies:
                    self._of(process).add_streams(kind, replies)
                    self._say(f"{process.name}: {self.plan.streams} streams {kind} done")
        for name, reason in contenders.failed.items():
            self.failed[f"{name}, {self.plan.streams} streams"] = reason

    def agreement(self, contenders: Field) -> None:
        """Greedy replies beside those of a plain pipeline: alone with look-up, and together."""
        plan, prompts = self.plan, self.prompts
        for process in list(contenders.processes.values()):
            for kind, given, stops, together in (
                    (f"{plan.grounded} grounded questions, one by one",
                     prompts.grounded(plan.grounded), prompts.stops, False),
                    (f"{plan.streams} streams at once", self._at_once, [], True)):
                found = contenders.call(process, "agreement", prompts=given, stops=stops,
                                        limit=plan.same_tokens, together=together)
                if found is None:
                    break
                self._of(process).agreement[kind] = found
                self._say(f"{process.name}: agreement of {kind} done")
        for name, reason in contenders.failed.items():
            self.failed[f"{name}, greedy text"] = reason
