"""How each kind of thing is loaded: a table of kinds, one row each."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lepton_engine import adapted
from lepton_engine.adapted import CARD
from lepton_engine.catalog import Progress, Store, catalogue
from lepton_engine.chat import ChatTokenizer
from lepton_engine.compression.recipe import Recipe
from lepton_engine.device import DeviceChoice
from lepton_engine.errors import UnknownNameError
from lepton_engine.lazy import spacy_module
from lepton_engine.profiles import PLAIN
from lepton_engine.results import Classification, Embeddings, Entity, ResultList
from lepton_engine.runtimes.base import DecoderRuntime, RuntimeInfo
from lepton_engine.telling import Tell

if TYPE_CHECKING:
    import numpy as np

    from lepton_engine.catalog import ModelSpec



def heard(tell: Tell) -> Callable[[Progress], None]:
    """The store's progress as the pool tells it."""

    def report(progress: Progress) -> None:
        share = progress.done / progress.total if progress.total else None
        tell(progress.detail or progress.stage, share)

    return report


@dataclass
class LoadedDecoder:
    """A decoder and its chat tokenizer."""

    decoder: DecoderRuntime
    tokenizer: ChatTokenizer

    @property
    def info(self) -> RuntimeInfo:
        return self.decoder.info

    @property
    def variant(self) -> str:
        return self.decoder.info.variant

    @property
    def report(self) -> tuple[Any, ...]:
        return tuple(getattr(self.decoder, "report", ()))

    @property
    def memory_bytes(self) -> int:
        return self.decoder.memory_bytes

    @property
    def worker_pid(self) -> int:
        return int(getattr(self.decoder, "worker_pid", 0))

    @property
    def waiting(self) -> int:
        waiting: Callable[[], int] = getattr(self.decoder, "waiting", lambda: 0)
        return waiting()

    def close(self) -> None:
        self.decoder.close()


@dataclass
class LoadedSpacy:
    """A spaCy pipeline that finds entities; nothing else of it is kept in memory."""

    pipeline: Any
    info: RuntimeInfo
    memory_bytes: int

    @property
    def variant(self) -> str:
        return self.info.variant

    def entities(self, texts: Sequence[str]) -> ResultList[tuple[Entity, ...]]:
        start = perf_counter()
        found = tuple(
            tuple(Entity(e.text, e.label_, e.start_char, e.end_char) for e in document.ents)
            for document in self.pipeline.pipe(texts, batch_size=64)
        )
        return ResultList(found, self.info.stamp((perf_counter() - start) * 1000))

    def close(self) -> None:
        self.pipeline = None


@dataclass
class LoadedData:
    """The verified files of a data set; nothing of them is in memory."""

    folder: Path
    memory_bytes: int = 0

    def close(self) -> None:
        """Nothing to free."""


@dataclass
class LoadedHead:
    """A trained head; its trunk is loaded, and counted, on its own."""

    head: Any
    name: str
    memory_bytes: int

    @property
    def trunk(self) -> str:
        return str(self.head.trunk)

    def classify(self, embeddings: Embeddings) -> ResultList[Classification]:
        return self.head.classify(embeddings, self.name)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Nothing but arrays to free."""


class Loaders:
    """Loads by kind from the store or the folder of adapters."""

    def __init__(self, store: Store, choice: DeviceChoice, adapters: Path) -> None:
        self._store = store
        self._choice = choice
        self._adapters = adapters
        self._kinds: dict[str, str] = {}
        self._by_kind: dict[str, Callable[[str, Tell, Recipe, Sequence[str] | None], Any]] = {
            "adapter": self._head, "encoder": self._model, "cross-encoder": self._model,
            "multilingual-encoder": self._model, "decoder": self._decoder,
            "spacy": self._spacy, "data": self._data,
        }

    def kind(self, name: str) -> str:
        """``adapter`` or the catalogue's kind. Raises UnknownNameError with the nearest.

        A kind that was found once is remembered: every call asks for it.
        """
        if name not in self._kinds:
            try:
                self._kinds[name] = ("adapter" if name in self._adapter_names()
                                     else catalogue().resolve(self._base(name)).kind)
            except UnknownNameError:
                raise UnknownNameError.of("model or adapter", name, self.names()) from None
        return self._kinds[name]

    def names(self, kinds: Sequence[str] = ()) -> list[str]:
        """Every name, or those of the given kinds."""
        names = {alias: spec.kind for alias, spec in catalogue().specs.items()}
        names |= dict.fromkeys(self._adapter_names(), "adapter")
        return [n for n, kind in names.items() if not kinds or kind in kinds]

    def _adapter_names(self) -> list[str]:
        return [p.parent.name for p in sorted(self._adapters.glob(f"*/{CARD}"))]

    def alias(self, name: str) -> str:
        """The catalogue's own name of a model (a hub id has one too); others as they are."""
        if name in self._adapter_names() or self._base(name) != name:
            return name
        return catalogue().resolve(name).alias

    def _base(self, name: str) -> str:
        """The trunk of ``trunk+adapter``; any other name as it is."""
        parts = adapted.parts_of(name, self._adapters)
        return parts[0] if parts else name

    def trunk(self, name: str) -> str:
        """The encoder whose vectors an adapter's head reads."""
        return adapted.trunk_of(name, self.card(name))

    def spec(self, name: str, tell: Tell) -> ModelSpec:
        """The spec of a name; a trunk with an adapter is merged here."""
        return adapted.resolve(name, self._store, self._adapters, heard(tell))

    def load(self, name: str, kind: str, tell: Tell, recipe: Recipe = PLAIN,
             texts: Sequence[str] | None = None) -> Any:
        """Load ``name`` as a variant; ``texts`` calibrate it (None: the bundled ones).

        Only encoders and decoders have variants; the others are loaded as they are.
        """
        return self._by_kind[kind](name, tell, recipe, texts)

    def card(self, name: str) -> dict[str, Any]:
        """The card of an adapter as it stands beside its weights."""
        if name not in self._adapter_names():
            raise UnknownNameError.of("adapter", name, self._adapter_names())
        card: dict[str, Any] = json.loads(
            (self._adapters / name / CARD).read_text(encoding="utf-8"))
        return card

    def cached_array(self, key: str, build: Callable[[], np.ndarray]) -> np.ndarray:
        """From ``LEPTON_HOME/arrays``; a file that does not read is built anew."""
        import numpy as np

        readable = re.sub(r"[^a-z0-9-]+", "-", key.lower())[:40]
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        path = self._store.home / "arrays" / f"{readable}-{digest}.npy"
        try:
            return np.load(path, allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError, EOFError):
            array = build()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                np.save(file, array, allow_pickle=False)
            os.replace(file.name, path)
        except OSError:
            pass  # a full disk costs the time of the next start, nothing else
        return array

    def _head(self, name: str, tell: Tell, *_: object) -> LoadedHead:
        from lepton_engine.training.heads import WEIGHTS, load_head

        folder = self._adapters / name
        head = load_head(folder)
        size = (folder / WEIGHTS).stat().st_size  # an update is counted with its trunk
        return LoadedHead(head, name, size)

    def _model(self, name: str, tell: Tell, recipe: Recipe,
               texts: Sequence[str] | None) -> Any:
        from lepton_engine.model import LeptonModel

        spec = self.spec(name, tell)
        self._store.fetch(spec, heard(tell))
        tell("starting", None)
        return LeptonModel.of_spec(spec, self._store, self._choice, None, heard(tell), recipe,
                                   texts)

    def _decoder(self, name: str, tell: Tell, recipe: Recipe,
                 texts: Sequence[str] | None) -> LoadedDecoder:
        from lepton_engine.runtimes.decoders import load_decoder

        spec = catalogue().resolve(name)
        self._store.fetch(spec, heard(tell))
        decoder, tokenizer = load_decoder(spec, self._store, self._choice, recipe=str(recipe),
                                          texts=texts, tell=tell)
        return LoadedDecoder(decoder, tokenizer)

    def _spacy(self, name: str, tell: Tell, *_: object) -> LoadedSpacy:
        spec = catalogue().resolve(name)
        folder = self._store.fetch(spec, heard(tell))
        tell("starting", None)
        unused = ("tagger", "parser", "attribute_ruler", "lemmatizer")
        pipeline = spacy_module().load(folder, disable=unused)
        size = sum(f.size for f in spec.files)
        info = RuntimeInfo(name, "original", "spacy", "cpu", "fp32")
        return LoadedSpacy(pipeline, info, size)

    def _data(self, name: str, tell: Tell, *_: object) -> LoadedData:
        return LoadedData(self._store.fetch(catalogue().resolve(name), heard(tell)))
