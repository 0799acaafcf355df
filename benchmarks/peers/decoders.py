"""Language models that are timed: from prompt ids to greedy tokens, one stream or many.

All are given the same ids (the tokenizers come from the same GGUF), temperature 0, and keep
the prefixes of earlier prompts as they do by default or, OpenVINO GenAI, as Lepton sets it.
"""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.process import in_threads
from benchmarks.peers.timed import Timed, converted_by

KV_BLOCKS = 768
NO_TOKEN = 2**31 - 1


@dataclass
class Reply:
    """Seconds since the run's beginning; ``tokens`` all, ``at_first`` those that came first."""

    asked: float
    first: float = 0.0
    end: float = 0.0
    tokens: int = 0
    at_first: int = 0

    def count(self, tokens: int, now: float) -> None:
        if not tokens:
            return
        if not self.tokens:
            self.first, self.at_first = now, tokens
        self.tokens += tokens
        self.end = now


class Decoder(Timed, ABC):
    """What the benchmark calls."""

    @abstractmethod
    def many(self, prompts: list[list[int]], limit: int, stops: list[int],
             gap_s: float) -> list[dict[str, Any]]:
        """All prompts, the next one asked ``gap_s`` after the one before; a `Reply` each."""

    def memory(self) -> int:
        """Resident bytes of this process and of those that it started."""
        import psutil

        own = psutil.Process(os.getpid())
        return sum(p.memory_info().rss for p in (own, *own.children(recursive=True)))


class Threaded(Decoder):
    """A contender that takes calls from many threads: each prompt is asked by one of its own."""

    @abstractmethod
    def answer(self, ids: Sequence[int], limit: int, stops: Sequence[int], reply: Reply,
               start: float) -> None:
        """Count the tokens into ``reply`` as they come, in seconds since ``start``. No stops:
        none ends it."""

    def many(self, prompts: list[list[int]], limit: int, stops: list[int],
             gap_s: float) -> list[dict[str, Any]]:
        start = time.perf_counter()
        replies = [Reply(0.0) for _ in prompts]

        def job(number: int) -> Callable[[], None]:
            def work() -> None:
                time.sleep(max(0.0, start + number * gap_s - time.perf_counter()))
                replies[number].asked = time.perf_counter() - start
                self.answer(prompts[number], limit, stops, replies[number], start)
            return work

        in_threads([job(number) for number in range(len(prompts))])
        return [asdict(reply) for reply in replies]


class Lepton(Threaded):
    """This project's runtime, as the engine loads it."""

    packages = ("openvino", "openvino-genai")

    def __init__(self, model: str, recipe: str) -> None:
        from benchmarks.store import WatchedStore
        from lepton_engine.catalog import catalogue
        from lepton_engine.device import choose_device
        from lepton_engine.runtimes.decoders import load_decoder
        from lepton_engine.settings import Settings

        self._store = WatchedStore(Settings.from_env())
        self._decoder, _ = load_decoder(catalogue().resolve(model), self._store, choose_device(),
                                        recipe=recipe)

    def variant(self) -> str:
        return self._decoder.info.variant

    def folder(self) -> str:
        return converted_by(self._store, self.variant())

    def answer(self, ids: Sequence[int], limit: int, stops: Sequence[int], reply: Reply,
               start: float) -> None:
        for tokens in self._chunks(ids, limit, stops):
            reply.count(len(tokens), time.perf_counter() - start)

    def _chunks(self, ids: Sequence[int], limit: int,
                stops: Sequence[int]) -> Iterator[Sequence[int]]:
        from lepton_engine.generation import GROUNDED_TOKENS
        from lepton_engine.runtimes.base import GenerateOptions

        # The engine's own rule where a caller gives no hint: a long prompt may be copied from.
        options = GenerateOptions(max_new_tokens=limit, stop_ids=tuple(stops), timeout_s=600.0,
                                  grounded=len(ids) >= GROUNDED_TOKENS)
        for chunk in self._decoder.stream(ids, options):
            if chunk.finish_reason not in ("", "stop", "length"):
                raise RuntimeError(f"a stream ended with “{chunk.finish_reason}”")
            yield chunk.ids

    def agreement(self, prompts: list[list[int]], limit: int, stops: list[int],
                  together: bool) -> dict[str, Any]:
        """Its greedy replies, one after the other or all at once, beside those of a plain
        pipeline on the same weights: the share of identical ones, and how far the others'
        first differing token is from the best one (rank, logits)."""
        from lepton_engine.runtimes.agreement import (
            greedy_agreement,
            model_logits,
            plain_replies,
        )

        replies: list[list[int]] = [[] for _ in prompts]

        def job(number: int) -> Callable[[], None]:
            return lambda: replies[number].extend(
                token for tokens in self._chunks(prompts[number], limit, stops)
                for token in tokens)

        jobs = [job(number) for number in range(len(prompts))]
        for group in [jobs] if together else [[one] for one in jobs]:
            in_threads(group)
        folder = Path(self.folder())
        found = greedy_agreement(prompts, plain_replies(folder, prompts, stops, limit), replies,
                                 model_logits(folder))
        return {"replies": found.replies, "identical": found.identical_share,
                "ranks": [d.rank for d in found.differences],
                "gaps": [d.gap for d in found.differences]}


class GenAi(Decoder):
    """OpenVINO GenAI itself on Lepton's IR: continuous batching and prefix caching, nothing
    else set. Its pipeline takes calls from one thread only, which reads and steps in turn."""

    packages = ("openvino", "openvino-genai")

    def __init__(self, folder: str) -> None:
        import openvino_genai as genai

        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = KV_BLOCKS
        scheduler.enable_prefix_caching = True
        self._genai = genai
        self._pipeline = genai.ContinuousBatchingPipeline(folder, scheduler, "CPU", {})
        self._number = 0

    def many(self, prompts: list[list[int]], limit: int, stops: list[int],
             gap_s: float) -> list[dict[str, Any]]:
        start = time.perf_counter()
        waiting = list(enumerate(prompts))
        running: dict[int, tuple[Any, Reply]] = {}
        replies: list[Reply] = []
        while waiting or running:
            while waiting and time.perf_counter() - start >= waiting[0][0] * gap_s:
                reply = Reply(time.perf_counter() - start)
                replies.append(reply)
                running[self._number + 1] = self._add(waiting.pop(0)[1], limit, stops), reply
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()
            elif waiting:
                time.sleep(0.002)
            for number, (handle, reply) in list(running.items()):
                if self._read(handle, reply, start):
                    del running[number]
        return [asdict(reply) for reply in replies]

    def _add(self, ids: list[int], limit: int, stops: list[int]) -> Any:
        import numpy as np
        import openvino as ov

        config = self._genai.GenerationConfig()
        config.max_new_tokens = limit
        config.stop_token_ids = set(stops or [NO_TOKEN])
        config.eos_token_id = (stops or [NO_TOKEN])[0]
        self._number += 1
        return self._pipeline.add_request(
            self._number, ov.Tensor(np.array([ids], dtype=np.int64)), config)

    def _read(self, handle: Any, reply: Reply, start: float) -> bool:
        """Count what has come; whether the reply has ended."""
        while handle.can_read():
            tokens = sum(len(o.generated_ids) for o in handle.read().values())
            reply.count(tokens, time.perf_counter() - start)
        return handle.get_status() != self._genai.GenerationStatus.RUNNING


class LlamaCpp(Threaded):
    """llama.cpp's server by xllamacpp on the published GGUF, with its own defaults."""

    packages = ("xllamacpp",)

    def __init__(self, gguf: str, slots: int, context: int) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = gguf
        params.n_parallel = slots
        params.n_ctx = slots * context
        params.verbosity = 0
        self._server = xllamacpp.Server(params)
        self._system = xllamacpp.get_system_info()

    def variant(self) -> str:
        """The kernels that the wheel was built with."""
        return " ".join(self._system.replace("= 1", "").replace("|", "").split())

    def answer(self, ids: Sequence[int], limit: int, stops: Sequence[int], reply: Reply,
               start: float) -> None:
        problems = []

        def take(chunk: Any) -> None:
            found = json.loads(chunk) if isinstance(chunk, (str, bytes)) else chunk
            if "choices" not in found:
                problems.append(str(found)[:300])
                return
            last = found["choices"][0].get("finish_reason")
            if not last:
                reply.count(1, time.perf_counter() - start)
            elif "usage" in found:  # a chunk may hold more than one token
                reply.tokens = found["usage"]["completion_tokens"]

        self._server.handle_completions(
            {"prompt": list(ids), "max_tokens": limit, "temperature": 0, "stream": True,
             "ignore_eos": not stops, "cache_prompt": True}, take)
        if problems:
            raise RuntimeError(problems[0])
