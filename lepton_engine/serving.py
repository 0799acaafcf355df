"""Which variant serves a call: by profile or by wish, and what serves when that one cannot.

Two things may go wrong with a variant that a profile picked: it cannot be made or loaded on
this machine (the original serves then), or the device is lost (the processor serves then).
Both are said in the stamp of every answer and in the engine's status.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lepton_engine import device as devices
from lepton_engine import profiles
from lepton_engine.adapted import JOINT
from lepton_engine.catalog import Store
from lepton_engine.catalog.progress import StoppedError
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.verdicts import Verdict, read_verdicts
from lepton_engine.device import DeviceChoice
from lepton_engine.errors import (
    DigestError,
    InputError,
    LeptonError,
    RuntimeFailure,
    SourceError,
    UnknownNameError,
    UnsafeModelError,
)
from lepton_engine.loaders import Loaders
from lepton_engine.pool import Pool, close_all
from lepton_engine.profiles import PLAIN
from lepton_engine.results import noted
from lepton_engine.settings import Settings
from lepton_engine.telling import Tell

logger = logging.getLogger(__name__)

ENCODERS = ("encoder", "multilingual-encoder")
#: Kinds that have variants; an adapter's recipe is that of its trunk.
VARIED = (*ENCODERS, "cross-encoder", "decoder")
INT8 = Recipe.parse("int8")
#: Failures that are those of the model's files, whatever is made of them.
OF_THE_FILES = (SourceError, DigestError, UnsafeModelError, StoppedError)


@dataclass(frozen=True)
class Wish:
    """A recipe and who chose it: only what a profile chose may be replaced by the original."""

    recipe: Recipe = PLAIN
    by_profile: bool = False

    @classmethod
    def of(cls, recipe: Recipe | str) -> Wish:
        if not isinstance(recipe, (Recipe, str)):
            raise InputError("A recipe must be a Recipe or a text such as int8.")
        return cls(recipe if isinstance(recipe, Recipe) else Recipe.parse(recipe))


@functools.lru_cache(maxsize=1024)
def key_of(name: str, recipe: Recipe) -> str:
    """The pool's key: the plain name for the original."""
    return f"{name}/{recipe}" if recipe else name


class Serving:
    """The pool, what fills it, and the device that both are for."""

    def __init__(self, settings: Settings, choice: DeviceChoice, adapters: Path,
                 budget_bytes: int) -> None:
        self.settings = settings
        self.store = Store(settings)
        self.device = choice
        self.pool = Pool(budget_bytes)
        self._adapters = adapters
        self.loaders = Loaders(self.store, choice, adapters)
        self._lock = threading.Lock()
        self._refused: dict[str, str] = {}  # key -> why the original serves in its place
        self._verdicts: dict[str, tuple[Verdict, ...]] = {}
        self._chosen: dict[tuple[str, str], Recipe] = {}  # by name and profile

    # Which variant

    def kind(self, name: str, *kinds: str) -> str:
        """The kind of ``name``. Raises UnknownNameError where it is none of ``kinds``."""
        kind = self.loaders.kind(name)
        if kinds and kind not in kinds:
            raise UnknownNameError.of(" or ".join(kinds), name, self.loaders.names(kinds))
        return kind

    def verdicts(self, name: str) -> tuple[Verdict, ...]:
        """What the gate said on variants of ``name``, read once: new ones count from the next
        start, so that what the page says of a profile and what runs are the same."""
        alias = self.loaders.alias(name)
        if alias not in self._verdicts:
            self._verdicts[alias] = read_verdicts(alias, self.settings.home)
        return self._verdicts[alias]

    def holding(self, name: str) -> list[Verdict]:
        """The verdicts that hold for this device: another runtime has other speeds."""
        ending = f"@{self.device.runtimes[0]}:{self.device.device}"
        return [v for v in self.verdicts(name) if v.variant.endswith(ending)]

    def recipe_for(self, name: str, profile: str | None = None) -> Recipe:
        """What ``name`` runs as under a profile (None: the current one)."""
        wanted = profile or profiles.current()
        known = self._chosen.get((name, wanted))
        if known is None:
            known = self._chosen[name, wanted] = self._recipe_for(name, wanted)
        return known

    def _recipe_for(self, name: str, profile: str) -> Recipe:
        kind = self.kind(name)
        if kind not in (*VARIED, "adapter"):
            return PLAIN
        if kind == "adapter" and not self.holding(name):
            trunk = self.loaders.trunk(name)
            # Too few texts for a verdict of its own: a head on a trunk that serves anyway runs
            # on that trunk's variant, so that one pass does for both.
            return PLAIN if JOINT in trunk else self.recipe_for(trunk, profile)
        # Writing reads every weight once a token: there 8 bits are the plain choice on a CPU.
        plain = kind == "decoder" and self.device.runtimes[0] == "openvino"
        return profiles.recipe_for(self.loaders.alias(name), profile, self.holding(name),
                                   INT8 if plain else PLAIN)

    def wish(self, name: str, recipe: Recipe | str | None) -> Wish:
        """``recipe``, or the profile's where none is given."""
        if recipe is None:
            return Wish(self.recipe_for(name), by_profile=True)
        return Wish.of(recipe)

    # Behind the caller's back

    def keys(self, name: str, wish: Wish | None = None) -> dict[str, str]:
        """The pool's keys, with the models' names, that serving ``name`` needs."""
        kind = self.kind(name)
        chosen = wish or self.wish(name, None)
        if kind != "adapter":
            return {key_of(name, chosen.recipe if kind in VARIED else PLAIN): name}
        trunk = self.loaders.trunk(name)
        return {name: name, key_of(trunk, chosen.recipe): trunk}

    def load(self, name: str, wish: Wish | None = None) -> str:
        """Load what a call on ``name`` would load; gives the key of what serves."""
        chosen = wish or self.wish(name, None)
        key = ""
        for own in self.keys(name, chosen).values():
            with self.use(own, chosen) as (_, note):
                key = own if note else key_of(own, chosen.recipe)
        return key

    def free_originals(self, wanted: set[str]) -> None:
        """Unload originals that only an index was built with, where a variant serves."""
        names = {key.partition("/")[0] for key in wanted if "/" in key}
        for state in self.pool.states():
            spare = state.key == state.name and state.name in names - wanted
            if spare and state.state == "ready":
                with suppress(LeptonError):  # somebody computes with it: then it stays
                    self.pool.unload(state.key)

    # Running on it

    def run(self, name: str, wish: Wish, kinds: Sequence[str],
            work: Callable[[Any], Any]) -> Any:
        """``work(loaded)``; its result says so where another variant than wished served."""
        while True:
            choice = self.device
            try:
                with self.use(name, wish, *kinds) as (loaded, note):
                    return noted(work(loaded), note)
            except (InputError, UnknownNameError, StoppedError):
                raise
            except Exception as error:
                self._sentence_unless_lost(choice, error)

    def stream(self, name: str, wish: Wish, kinds: Sequence[str],
               work: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
        """The same for a stream; one that has begun is not begun again on another device."""
        begun = False
        while True:
            choice = self.device
            try:
                with (self.use(name, wish, *kinds) as (loaded, note),
                      closing(cast("Generator[Any]", work(loaded))) as parts):
                    for part in parts:
                        begun = True
                        yield noted(part, note)
                return
            except (InputError, UnknownNameError, StoppedError):
                raise
            except Exception as error:
                self._sentence_unless_lost(choice, error)
                if begun:
                    raise RuntimeFailure("The device that was writing this answer was lost. Ask "
                                         "again: the processor goes on.") from error

    def _sentence_unless_lost(self, choice: DeviceChoice, error: Exception) -> None:
        """Return where the work can be done again elsewhere, else raise ``error``."""
        if self.device is choice and not devices.lost(choice):
            raise error
        self._leave(choice)

    def _leave(self, choice: DeviceChoice) -> None:
        """Go on on the processor; whoever comes second finds it done."""
        with self._lock:
            if self.device is not choice:
                return
            self.device = devices.without(choice)
            logger.error("The device %s was lost; the processor goes on", choice.device)
            self.loaders = Loaders(self.store, self.device, self._adapters)
            self._refused.clear()
            self._chosen.clear()
            left = self.pool.abandon()
        # What hangs on a lost device may hang in closing too.
        threading.Thread(target=close_all, args=(left,), daemon=True,
                         name="lepton-leaving").start()

    @contextmanager
    def use(self, name: str, wish: Wish, *kinds: str) -> Iterator[tuple[Any, str]]:
        """The loaded variant and a note that is empty where it is the wished one."""
        kind = self.kind(name, *kinds)
        with ExitStack() as stack:
            yield self._entered(stack, name, kind, wish)

    def _entered(self, stack: ExitStack, name: str, kind: str, wish: Wish) -> tuple[Any, str]:
        recipe = wish.recipe if kind in VARIED else PLAIN
        key = key_of(name, recipe)
        why = self._refused.get(key) if wish.by_profile else None
        if why is None:
            entering = self.pool.use if wish.by_profile else self.kept
            try:
                return stack.enter_context(
                    entering(key, self._loader(name, kind, recipe), name)), ""
            except OF_THE_FILES:
                raise  # the original has the same fault
            except LeptonError as error:
                if not wish.by_profile or not recipe:
                    raise
                self.pool.forget(key)
                why = self._refused[key] = (f"{recipe} of {name} could not be made or loaded here "
                                            f"(id {error.id}), so the original serves")
        try:
            plain = self.pool.use(name, self._loader(name, kind, PLAIN))
            return stack.enter_context(plain), why
        except LeptonError:  # then it is not the variant that is at fault
            self.allow(key)
            raise

    @contextmanager
    def kept(self, key: str, load: Callable[[Tell], Any], name: str) -> Iterator[Any]:
        """``pool.use``; what one caller wished for and cannot have is his failure alone, and
        the page does not tell everybody of it."""
        with ExitStack() as stack:
            try:
                loaded = stack.enter_context(self.pool.use(key, load, name))
            except LeptonError:
                if key != name:
                    self.pool.forget(key)
                raise
            yield loaded

    def _loader(self, name: str, kind: str, recipe: Recipe) -> Callable[[Tell], Any]:
        return lambda tell: self.loaders.load(name, kind, tell, recipe)

    def allow(self, key: str) -> None:
        """Try a variant again that could not be had before."""
        self._refused.pop(key, None)

    def notes(self) -> tuple[str, ...]:
        """Sentences on what does not run as it was meant to."""
        return tuple(f"{reason}." for reason in self._refused.values())
