"""FakeEngine: the engine's interface without weights, torch or a network; deterministic.

It computes simple but real things (word overlap, keyword rules), so that a service built
on it can be right or wrong. Nothing of it is a canned answer unless a test passes one.

::

    engine = FakeEngine()                                       # rules only
    engine = FakeEngine(reply="Open the app. Tap Freeze.")      # what the chat model says
    engine = FakeEngine(reply=lambda messages: messages[-1]["content"].upper())
    engine = FakeEngine(labels={"finance-sentiment": {"Nvidia falls": "positive"}})
    engine = FakeEngine(fail={"chat": RuntimeFailure("The worker died. Ask again.")})
    engine = FakeEngine(fail={"spacy-en": DigestError("...")})  # every use of that model fails
    engine = FakeEngine(data={"films": tmp_path})               # folder (or a function of none)
    engine = FakeEngine(gate=[verdict])                         # what the gate found: profiles
    engine = FakeEngine(synonyms={"报销": "refund"})             # makes two words one

``fail`` is keyed by method ("embed", "classify", "rerank", "entities", "chat",
"stream_chat", "data", "adapter_card", "cached_array") or by the name of a model, adapter or
data set; "chat" also fails ``stream_chat``. ``engine.calls`` counts calls by method,
``engine.produced`` the chunks that streams gave, ``engine.closed`` the streams closed early.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from lepton_engine import profiles
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.errors import InputError, LimitError, ModelUnavailableError, UnknownNameError
from lepton_engine.results import (
    ChatChunk,
    ChatReply,
    Classification,
    Embeddings,
    EngineStatus,
    Entity,
    LoadState,
    Ranking,
    ResultList,
    Stamp,
)
from lepton_engine.taught import Teaching
from tests.fake_lab import FakeLab, pace, thinned
from tests.fake_rules import (
    ADAPTERS,
    bag_vector,
    best_label,
    capitalised_entities,
    extractive_reply,
    overlap,
)

Messages = Sequence[Mapping[str, str]]
Reply = str | Callable[[Messages], str]
DIMENSIONS = {"minilm-l6": 384, "use-multilingual": 512}


class FakeEngine(FakeLab, Teaching):
    """Keeps the engine interface of the application; see the module's text."""

    def __init__(
        self,
        *,
        reply: Reply | None = None,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        fail: Mapping[str, Exception] | None = None,
        data: Mapping[str, Path | Callable[[], Path]] | None = None,
        synonyms: Mapping[str, str] | None = None,
        status: EngineStatus | None = None,
        gate: Sequence[Verdict] = (),
        delay_s: float = 0.0,
    ) -> None:
        self.reply, self.labels, self.fail = reply, dict(labels or {}), dict(fail or {})
        self.folders, self.synonyms, self.delay_s = dict(data or {}), dict(synonyms or {}), delay_s
        self.fixed_status, self.gate = status, tuple(gate)
        self.calls: Counter[str] = Counter()
        self.messages: list[list[dict[str, str]]] = []
        self.produced = self.closed = 0
        self.loaded: dict[str, LoadState] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self._lock = Lock()

    def _enter(self, method: str, *names: str) -> None:
        with self._lock:
            self.calls[method] += 1
        for key in (method, *names):
            if key in self.fail:
                raise self.fail[key]

    def _stamp(self, model: str, tokens: int = 0, recipe: Recipe | str | None = None,
               **measured: Any) -> Stamp:
        ran = self.recipe_for(model) if recipe is None else Recipe.parse(str(recipe))
        return Stamp(variant=f"{model}/{ran}@fake:cpu", device="cpu", precision="float32",
                     latency_ms=pace(ran), tokens=tokens, **measured)

    @property
    def profile(self) -> str:
        return profiles.current()

    def verdicts(self, name: str) -> tuple[Verdict, ...]:
        return tuple(v for v in self.gate if v.name == name)

    def recipe_for(self, name: str, profile: str | None = None) -> Recipe:
        return profiles.recipe_for(name, profile or profiles.current(), self.gate)

    def embed(self, texts: Sequence[str], model: str = "minilm-l6", *,
              recipe: Recipe | str | None = None) -> Embeddings:
        self._enter("embed", model)
        if model not in DIMENSIONS:
            raise UnknownNameError.of("model", model, DIMENSIONS)
        size = DIMENSIONS[model]
        rows = [bag_vector(thinned(text, recipe), size, self.synonyms) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), size)
        return Embeddings(vectors, self._stamp(model, recipe=recipe), tuple(texts))

    def classify(self, texts: Sequence[str], adapter: str, *,
                 recipe: Recipe | str | None = None) -> ResultList[Classification]:
        self._enter("classify", adapter)
        if adapter in self._taught:
            return self._taught[adapter].classify(texts, recipe=recipe)
        if adapter not in ADAPTERS:
            raise UnknownNameError.of("adapter", adapter, ADAPTERS)
        stamp = self._stamp(adapter, recipe=recipe)
        items = tuple(self._classified(thinned(text, recipe), adapter, stamp) for text in texts)
        return ResultList(items, stamp)

    def _names(self) -> list[str]:
        return [*ADAPTERS, *DIMENSIONS]

    def fit(self, name: str, *given: Any, **options: Any) -> Any:
        self._enter("fit")
        return super().fit(name, *given, **options)

    def _classified(self, text: str, adapter: str, stamp: Stamp) -> Classification:
        names = ADAPTERS[adapter]
        wished = self.labels.get(adapter, {}).get(text)
        label, sure = (wished, True) if wished else best_label(text, adapter)
        top = 0.9 if sure else 1.5 / len(names)
        rest = (1 - top) / (len(names) - 1)
        return Classification(label, top, {n: top if n == label else rest for n in names},
                              stamp, sure or adapter != "bank-intent", top)

    def rerank(self, query: str, passages: Sequence[str], model: str = "reranker", *,
               recipe: Recipe | str | None = None) -> Ranking:
        self._enter("rerank", model)
        asked = thinned(query, recipe)
        scores = tuple(overlap(asked, passage, self.synonyms) for passage in passages)
        order = tuple(sorted(range(len(scores)), key=lambda i: (-scores[i], i)))
        return Ranking(order, scores, self._stamp(model, recipe=recipe))

    def entities(self, texts: Sequence[str], model: str = "spacy-en",
                 ) -> ResultList[tuple[Entity, ...]]:
        self._enter("entities", model)
        items = tuple(capitalised_entities(text) for text in texts)
        return ResultList(items, self._stamp("spacy-en"))

    def chat(self, messages: Messages, **options: Any) -> ChatReply:
        self._enter("chat")
        chunks = list(self._stream(messages, **options))
        last = chunks[-1]
        assert last.stamp is not None
        return ChatReply("".join(c.text for c in chunks), last.stamp, last.finish_reason)

    def stream_chat(self, messages: Messages, **options: Any) -> Iterator[ChatChunk]:
        self._enter("stream_chat", "chat")
        return self._stream(messages, **options)

    def _stream(
        self, messages: Messages, *, max_new_tokens: int = 256, temperature: float = 0.0,
        seed: int = 0, stop: Sequence[str] = (), timeout_s: float = 60.0,
        model: str = "qwen-0.5b", recipe: Recipe | str | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> Iterator[ChatChunk]:
        self._enter("_stream", model)
        _check_chat(messages, max_new_tokens, timeout_s)
        self.messages.append([dict(m) for m in messages])
        words = re.findall(r"[一-鿿]|\S+\s*|\s+",
                           thinned(self._reply_to(messages, stop), recipe))
        try:
            for word in words[:max_new_tokens]:
                time.sleep(self.delay_s)
                self.produced += 1
                yield ChatChunk(word)
        except GeneratorExit:
            self.closed += 1
            raise
        sent = min(len(words), max_new_tokens)
        yield ChatChunk("", "length" if len(words) > max_new_tokens else "stop",
                        self._stamp(model, sent, recipe, tokens_per_second=20 / pace(recipe),
                                    first_token_ms=1.0))

    def _reply_to(self, messages: Messages, stop: Sequence[str]) -> str:
        if callable(self.reply):
            text = self.reply(messages)
        else:
            text = extractive_reply(messages) if self.reply is None else self.reply
        for mark in stop:
            text = text.split(mark, 1)[0]
        return text

    def data(self, name: str) -> Path:
        self._enter("data", name)
        if name not in self.folders:
            raise ModelUnavailableError(f"The data set “{name}” is not here. Run “models pull”.")
        folder = self.folders[name]
        return folder() if callable(folder) else folder

    def adapter_card(self, name: str) -> dict[str, Any]:
        self._enter("adapter_card", name)
        if name not in ADAPTERS:
            raise UnknownNameError.of("adapter", name, ADAPTERS)
        return {
            "name": name, "labels": list(ADAPTERS[name]), "trunk": "minilm-l6",
            "languages": ["en"], "licence": "Apache-2.0", "seed": 0,
            "data": [{"name": "rules of the fake engine", "licence": "Apache-2.0",
                      "citation": "none"}],
            "scores": {"n": 100, "accuracy": {"value": 0.9, "low": 0.88, "high": 0.92}},
            "threshold": 0.5, "at_threshold": {"n": 100, "coverage": 0.95, "error": 0.04},
        }

    def cached_array(self, key: str, build: Callable[[], np.ndarray]) -> np.ndarray:
        self._enter("cached_array")
        if key not in self.arrays:
            self.arrays[key] = build()
        return self.arrays[key]

    def preload(self, names: Iterable[str],
                then: Iterable[Callable[[], object]] = ()) -> None:
        self._enter("preload")
        for name in names:
            error = self.fail.get(name)
            self.loaded[name] = (LoadState(name, "failed", None, str(error)) if error
                                 else LoadState(name, "ready", 1.0))
        for prepare in then:
            prepare()

    def status(self) -> EngineStatus:
        self._enter("status")
        return self.fixed_status or EngineStatus(
            device="cpu", precision="float32", reason="The fake engine has no other device.",
            models=tuple(self.loaded.values()), memory_bytes=100_000_000 * len(self.loaded),
            budget_bytes=4_000_000_000)

    def close(self) -> None:
        self.calls["close"] += 1


def _check_chat(messages: Messages, max_new_tokens: int, timeout_s: float) -> None:
    if not messages:
        raise InputError("There is no message to answer. Write one.")
    if any(len(m["content"]) > 4000 for m in messages if m["role"] == "user"):
        raise LimitError("A message has at most 4,000 characters. Shorten it.")
    if len(messages) > 101:
        raise LimitError("A conversation has at most 50 turns. Start a new one.")
    if max_new_tokens > 256 or timeout_s > 60:
        raise LimitError("A generation has at most 256 new tokens and 60 seconds.")
