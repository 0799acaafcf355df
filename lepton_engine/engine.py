"""Engine: the one object a program holds. It loads on first use and shares what it loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.adapted import ADAPTERS
from lepton_engine.catalog import Store
from lepton_engine.chat import MAX_NEW_TOKENS, MAX_SECONDS, Message, check_messages
from lepton_engine.compression.recipe import Recipe
from lepton_engine.device import DeviceChoice, choose_device
from lepton_engine.errors import InputError, LeptonError
from lepton_engine.generation import ChatOptions, stream_reply
from lepton_engine.laboratory import Laboratory
from lepton_engine.results import (
    ChatChunk,
    ChatReply,
    Classification,
    Embeddings,
    EngineStatus,
    Entity,
    Ranking,
    ResultList,
)
from lepton_engine.serving import ENCODERS, Serving, Wish
from lepton_engine.settings import Settings
from lepton_engine.taught import Teaching
from lepton_engine.text import clean

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

MAX_TEXT_CHARACTERS = 4_000
MAX_TEXTS = 5_000
DEFAULT_MEMORY_SHARE = 0.6


class Engine(Laboratory, Teaching):
    """Loads, runs and shares models; every result says what it cost.

    Without a ``recipe``, a call runs the variant of the profile at hand (`profiles.using`);
    with one, exactly that variant or an error. The calls of the lab (compress, compare,
    attention, load, unload, verdicts, recipe_for, profile) are in `Laboratory`.

    Args:
        device: cuda, xla, mps or cpu; overrules ``LEPTON_DEVICE`` and the automatic choice.
        settings: default: from the environment.
        adapters: the folder of trained heads; default: the project's ``assets/adapters``.

    Raises:
        DeviceError: the wished device is not there.
    """

    def __init__(self, device: str | None = None, *, settings: Settings | None = None,
                 adapters: Path | None = None) -> None:
        self.settings = settings or Settings.from_env()
        self._serving = Serving(self.settings, choose_device(device or self.settings.device),
                                adapters or ADAPTERS, _budget_bytes(self.settings))
        self._closed = threading.Event()

    @property
    def device(self) -> DeviceChoice:
        """Where models run now; another one after a device was lost."""
        return self._serving.device

    @property
    def store(self) -> Store:
        return self._serving.store

    # Encoders

    def embed(self, texts: Sequence[str], model: str = "minilm-l6", *,
              recipe: Recipe | str | None = None) -> Embeddings:
        """Vectors of the texts: float32 (n_texts, dimension), each of length 1."""
        checked = check_texts(texts)
        self._serving.kind(model, *ENCODERS)
        result: Embeddings = self._serving.run(model, self._serving.wish(model, recipe), ENCODERS,
                                               lambda loaded: loaded.embed(checked))
        return result

    def classify(self, texts: Sequence[str], adapter: str, *,
                 recipe: Recipe | str | None = None) -> ResultList[Classification]:
        """The label of each text by a trained head; ``recipe`` is applied to its trunk."""
        checked = check_texts(texts)
        own = self._taught.get(adapter)
        if own is not None:
            return own.classify(checked, recipe=recipe)
        self._serving.kind(adapter, "adapter")
        wish = self._serving.wish(adapter, recipe)
        with self._serving.use(adapter, Wish(), "adapter") as (head, _):
            vectors = self._serving.run(head.trunk, wish, ENCODERS,
                                        lambda loaded: loaded.embed(checked))
            result: ResultList[Classification] = head.classify(vectors)
            return result

    def rerank(self, query: str, passages: Sequence[str], model: str = "reranker", *,
               recipe: Recipe | str | None = None) -> Ranking:
        """How well each passage answers the query, by a cross-encoder."""
        checked, question = check_texts(passages), check_texts([query])[0]
        self._serving.kind(model, "cross-encoder")
        result: Ranking = self._serving.run(
            model, self._serving.wish(model, recipe), ("cross-encoder",),
            lambda loaded: loaded.rerank(question, checked))
        return result

    def entities(self, texts: Sequence[str], model: str = "spacy-en",
                 ) -> ResultList[tuple[Entity, ...]]:
        """Named entities of each text, with character offsets."""
        checked = check_texts(texts)
        with self._serving.use(model, Wish(), "spacy") as (loaded, _):
            result: ResultList[tuple[Entity, ...]] = loaded.entities(checked)
            return result

    # Decoders

    def stream_chat(self, messages: Sequence[Message], *, max_new_tokens: int = MAX_NEW_TOKENS,
                    temperature: float = 0.0, seed: int = 0, stop: Sequence[str] = (),
                    timeout_s: float = MAX_SECONDS, model: str = "qwen-0.5b",
                    recipe: Recipe | str | None = None,
                    schema: Mapping[str, Any] | None = None) -> Iterator[ChatChunk]:
        """Chunks of the reply as they are made; closing the iterator stops the work.

        With a ``schema`` (a JSON schema) the text is JSON that it allows. Broken input raises
        here, before the first chunk is asked for.
        """
        checked = check_messages(messages)
        shape: dict[str, Any] = {} if schema is None else {"schema": schema}
        options = ChatOptions(max_new_tokens, temperature, seed,
                              stop if isinstance(stop, str) else tuple(stop),  # type: ignore[arg-type]
                              timeout_s, **shape)
        self._serving.kind(model, "decoder")
        return self._serving.stream(
            model, self._serving.wish(model, recipe), ("decoder",),
            lambda loaded: stream_reply(loaded.decoder, loaded.tokenizer, checked, options))

    def chat(self, messages: Sequence[Message], *, max_new_tokens: int = MAX_NEW_TOKENS,
             temperature: float = 0.0, seed: int = 0, stop: Sequence[str] = (),
             timeout_s: float = MAX_SECONDS, model: str = "qwen-0.5b",
             recipe: Recipe | str | None = None,
             schema: Mapping[str, Any] | None = None) -> ChatReply:
        """The whole reply: a loop over `stream_chat`."""
        chunks = list(self.stream_chat(
            messages, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed,
            stop=stop, timeout_s=timeout_s, model=model, recipe=recipe, schema=schema))
        last = chunks[-1]
        assert last.stamp is not None
        return ChatReply("".join(c.text for c in chunks), last.stamp, last.finish_reason,
                         last.dropped_turns)

    # Data and adapters

    def data(self, name: str) -> Path:
        """The folder of the verified files of a data set of the catalogue."""
        with self._serving.use(name, Wish(), "data") as (loaded, _):
            folder: Path = loaded.folder
            return folder

    def _names(self) -> list[str]:
        return self._serving.loaders.names()

    def adapter_card(self, name: str) -> dict[str, Any]:
        """The card of a trained head: data, licence, split, scores, threshold."""
        return self._serving.loaders.card(name)

    def cached_array(self, key: str, build: Callable[[], np.ndarray]) -> np.ndarray:
        """An array that is computed once for ``key`` and kept in the store."""
        return self._serving.loaders.cached_array(key, build)

    # The engine itself

    def preload(self, names: Iterable[str], then: Iterable[Callable[[], object]] = ()) -> None:
        """Load behind the caller's back, in this order; `status` shows how far it is.

        ``then`` is called after the last load, one after the other: what a program wants
        to have ready (an index, say) that the engine knows nothing of.
        """
        wanted, work = list(dict.fromkeys(names)), list(then)
        self._serving.pool.expect(self._keys(wanted))
        threading.Thread(target=self._preload, args=(wanted, work), daemon=True,
                         name="lepton-preload").start()

    def _keys(self, names: Iterable[str]) -> dict[str, str]:
        """The pool's keys of what the default profile runs, with the models' names."""
        keys: dict[str, str] = {}
        for name in names:
            try:
                keys |= self._serving.keys(name)
            except LeptonError:  # preloading it will say what is wrong
                keys[name] = name
        return keys

    def _preload(self, names: list[str], work: list[Callable[[], object]]) -> None:
        for name in names:
            if self._closed.is_set():
                return
            try:
                self._serving.load(name)
            except LeptonError as error:
                # The pool keeps the failure; the tab that needs this model shows it.
                logger.warning("%s is not available (id %s)", name, error.id)
        for prepare in work:
            if self._closed.is_set():
                return
            try:
                prepare()
            except Exception as error:  # whoever needs it meets the same error on its own call
                logger.warning("Not prepared: %s", type(error).__name__)
        self._serving.free_originals(set(self._keys(names)))

    def status(self) -> EngineStatus:
        """Device, what is loaded or loading, and memory: cheap enough for a timer."""
        pool, device = self._serving.pool, self.device
        loaded = pool.loaded()
        variants = [v for v in (getattr(x, "variant", "") for x in loaded.values()) if v]
        workers = [p for p in (getattr(x, "worker_pid", 0) for x in loaded.values()) if p]
        return EngineStatus(
            device=device.device, precision=device.precision, reason=device.reason,
            models=pool.states(), memory_bytes=_resident_bytes(workers),
            budget_bytes=pool.budget_bytes,
            queue=sum(getattr(x, "waiting", 0) for x in loaded.values()),
            variants=tuple(variants), notes=self._serving.notes(),
        )

    def close(self) -> None:
        """Unload everything and end the worker processes."""
        self._closed.set()
        self._serving.pool.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_texts(texts: Sequence[str]) -> list[str]:
    """Cleaned texts, or a sentence about what is wrong with them."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Sequence):
        raise InputError("`texts` must be a list of texts.")
    if len(texts) > MAX_TEXTS:
        raise InputError(f"At most {MAX_TEXTS:,} texts at once; these are {len(texts):,}.")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise InputError(f"Text {number} is not a text but a {type(text).__name__}.")
    return [clean(text) for text in texts]


def _budget_bytes(settings: Settings) -> int:
    if settings.memory_mb is not None:
        return settings.memory_mb * 10**6
    import psutil

    return int(psutil.virtual_memory().total * DEFAULT_MEMORY_SHARE)


def _resident_bytes(workers: Mapping[Any, Any] | Sequence[int]) -> int:
    """Resident memory of this process and its workers."""
    import psutil

    total = 0
    for pid in (None, *workers):
        try:
            total += int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            continue  # a worker that has just ended
    return total
