"""What the Engine lab asks of an engine: compress, compare, look inside, load and unload."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine import profiles
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.loaders import Loaders
from lepton_engine.results import Compressed
from lepton_engine.serving import ENCODERS, VARIED, Serving, Wish, key_of
from lepton_engine.telling import Tell, silent

if TYPE_CHECKING:
    from lepton_engine.compression.compare import CompareProgress, CompareRow
    from lepton_engine.compression.comparison import Comparison
    from lepton_engine.results import Attention
    from lepton_engine.training.heads import Head


class Laboratory:
    """The lab's calls of an `Engine`."""

    _serving: Serving

    @property
    def profile(self) -> str:
        """The profile of the work at hand: original, balanced or fast."""
        return profiles.current()

    def verdicts(self, name: str) -> tuple[Verdict, ...]:
        """What the gate found about variants of a model or adapter, on any device."""
        self._serving.kind(name)
        return self._serving.verdicts(name)

    def recipe_for(self, name: str, profile: str | None = None) -> Recipe:
        """The recipe that ``name`` runs as here under a profile (None: the current one)."""
        return self._serving.recipe_for(name, profile)

    def load(self, name: str, recipe: Recipe | str | None = None) -> str:
        """Load a variant (None: the profile's) and keep it; gives its key.

        Raises:
            LeptonError: it cannot be had; with a ``recipe``, nothing else is taken for it.
        """
        wish = self._serving.wish(name, recipe)
        for key in self._serving.keys(name, wish):
            self._serving.allow(key)
        return self._serving.load(name, wish)

    def unload(self, key: str) -> int:
        """Free a loaded variant by its key (`status().models[i].key`); gives its bytes.

        Raises:
            UnknownNameError: no such key. BusyError: it is computing for somebody.
        """
        return self._serving.pool.unload(key)

    def compress(self, name: str, recipe: Recipe | str, *, texts: Sequence[str] | None = None,
                 tell: Tell | None = None) -> Compressed:
        """Make a variant (of an adapter: of its trunk) and keep it in the store.

        ``texts`` calibrate it and recover it; None: the bundled ones. ``tell`` hears what is
        being done. Nothing stays in memory.

        Raises:
            InputError: a recipe that does not fit this kind of model.
        """
        return compress(self._serving, name, Wish.of(recipe).recipe, texts, tell or silent)

    def stream_compare(self, name: str, recipes: Sequence[Recipe | str],
                       texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
                       resume: bool = True) -> Iterator[CompareProgress | CompareRow]:
        """Measure recipes one after the other; rows are on disk as soon as they are measured.

        Closing the iterator stops the work; ``resume`` takes the rows that are there already.
        """
        from lepton_engine.compression import compare

        return compare.stream_compare(EngineRunner(self._serving), name, recipes, texts, labels,
                                      resume=resume)

    def compare(self, name: str, recipes: Sequence[Recipe | str],
                texts: Sequence[str] | None = None, labels: Sequence[str] | None = None, *,
                resume: bool = True, tell: Callable[[Any], object] | None = None) -> Comparison:
        """`stream_compare` to its end, as a table with a picture."""
        from lepton_engine.compression import compare

        return compare.compare(EngineRunner(self._serving), name, recipes, texts, labels,
                               resume=resume, tell=tell)

    def attention(self, text: str, model: str = "minilm-l6", *,
                  recipe: Recipe | str | None = None) -> Attention:
        """What each sub-word of a text looks at, in every layer and head of an encoder.

        Raises:
            LimitError: more than 128 sub-words. InputError: an encoder without attention.
        """
        from lepton_engine.attention import attend

        self._serving.kind(model, *ENCODERS, "cross-encoder")
        return attend(self._serving, text, model, self._serving.wish(model, recipe))


def compress(serving: Serving, name: str, recipe: Recipe, texts: Sequence[str] | None,
             tell: Tell) -> Compressed:
    """See `Laboratory.compress`."""
    kind = serving.kind(name, *VARIED, "adapter")
    trunk = serving.loaders.trunk(name) if kind == "adapter" else name
    kind = serving.kind(trunk)
    started = time.monotonic()
    loaded = serving.loaders.load(trunk, kind, tell, recipe, texts)
    try:
        variant, after = str(loaded.variant), int(loaded.memory_bytes)
        steps = tuple(getattr(loaded, "report", ()))
        note = str(loaded.info.note)
    finally:
        loaded.close()
    seconds = time.monotonic() - started
    serving.allow(key_of(trunk, recipe))
    original = after
    if recipe:
        tell("weighing the original", None)
        with serving.pool.use(trunk, lambda t: serving.loaders.load(trunk, kind, t)) as plain:
            original = int(plain.memory_bytes)
    return Compressed(name, str(recipe), variant, steps, serving.loaders.spec(trunk, tell).size,
                      original, after, seconds, note)


@dataclass(frozen=True)
class EngineRunner:
    """An engine as `compression.compare.Runner` wants it."""

    serving: Serving

    @property
    def home(self) -> Path:
        return self.serving.settings.home

    def kind(self, name: str) -> str:
        return self.serving.kind(name)

    def head(self, name: str) -> Head:
        """The weights of an adapter's head."""
        with self.serving.use(name, Wish(), "adapter") as (loaded, _):
            head: Head = loaded.head
            return head

    @contextmanager
    def open(self, name: str, recipe: str, tell: Tell,
             texts: Sequence[str] | None = None) -> Iterator[Any]:
        """The variant while the block runs; it goes again unless it was there before.

        One made from texts of somebody's own is nobody else's and stands under its own key.
        """
        pool, kind = self.serving.pool, self.serving.kind(name, *VARIED)
        wanted = Recipe.parse(recipe)
        key = key_of(name, wanted)
        if texts is not None and wanted.needs_texts:
            key += f" ({hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:8]})"
        there = key in pool.loaded()

        def load(own: Tell) -> Any:
            def both(what: str, share: float | None) -> None:
                own(what, share)
                tell(what, share)

            return self.serving.loaders.load(name, kind, both, wanted, texts)

        try:
            with pool.use(key, load, name) as loaded:
                yield loaded
        finally:
            if not there:
                pool.release(key)

    @contextmanager
    def open_fold(self, adapters: Path, model: str, recipe: str) -> Iterator[Any]:
        """A trunk with an adapter from another folder of adapters; gone after the block."""
        serving = self.serving
        loaders = Loaders(serving.store, serving.device, adapters)
        loaded = loaders.load(model, loaders.kind(model), silent, Recipe.parse(recipe))
        try:
            yield loaded
        finally:
            loaded.close()
