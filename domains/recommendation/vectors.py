"""Vectors of the films' texts: computed once, in pieces, and kept in the engine's store."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domains.recommendation.films import Film
from domains.recommendation.story import telling, tells_story
from lepton_engine.catalog import catalogue
from lepton_engine.errors import LeptonError
from lepton_engine.results import Stamp

PIECE = 192  # texts embedded at a time, so that progress can be told and others get a turn
FACTS = -1  # the place of a film's summary, which is no sentence of its introduction
STORY_WEIGHT = 2.0  # of a sentence of the story in a film's mean; everything else weighs 1


@dataclass(frozen=True)
class Passages:
    """``texts[i]`` belongs to film ``owner[i]`` and has ``weight[i]`` in its mean.

    ``place[i]`` is its number among the film's telling sentences, or ``FACTS``.
    """

    texts: tuple[str, ...]
    owner: np.ndarray
    place: np.ndarray
    weight: np.ndarray


def passages_of(films: Sequence[Film]) -> Passages:
    """Each film's summary, then the telling sentences of its introduction."""
    rows = []
    for number, film in enumerate(films):
        rows.append((film.summary, number, FACTS))
        rows += [(span.text, number, place) for place, span in enumerate(telling(film))]
    place = np.array([row[2] for row in rows])
    story = np.array([row[2] > 0 and tells_story(row[0]) for row in rows])
    return Passages(tuple(row[0] for row in rows), np.array([row[1] for row in rows]), place,
                    np.where(story, STORY_WEIGHT, 1.0))


class TextVectors:
    """Vectors of many texts by one model; ``step`` computes a piece, for whoever waits.

    Several callers may step at once: each takes the next piece under a lock, and a caller
    that leaves loses nothing. The model runs as published, whatever the profile: one index
    serves them all. Where the engine has ``cached_array``, the finished array is
    kept in its store under the digests of texts and weights.
    """

    def __init__(self, engine: Any, model: str, texts: Sequence[str]) -> None:
        self._engine, self.model, self._texts = engine, model, tuple(texts)
        self._lock = threading.Lock()
        self._pieces: list[np.ndarray] = []
        self._vectors: np.ndarray | None = None
        self._stamp: Stamp | None = None

    @property
    def share(self) -> float:
        """How much is done, 0..1."""
        if self._vectors is not None:
            return 1.0
        return sum(len(piece) for piece in self._pieces) / max(1, len(self._texts))

    def step(self) -> float:
        """Compute one piece (or read all from the store); returns ``share``."""
        with self._lock:
            if self._vectors is None and (self._pieces or not self._read()):
                self._compute()
        return self.share

    def all(self) -> np.ndarray:
        """float32 (texts, dimension), each of length 1; computes what is missing."""
        while self._vectors is None:
            self.step()
        return self._vectors

    @property
    def stamp(self) -> Stamp:
        """Which variant made the vectors; no time, for none was spent now."""
        assert self._stamp is not None
        return self._stamp

    def _compute(self) -> None:
        done = sum(len(piece) for piece in self._pieces)
        made = self._engine.embed(self._texts[done:done + PIECE], model=self.model,
                                  recipe="original")
        self._pieces.append(np.asarray(made.vectors, dtype=np.float32))
        self._stamp = _without_time(made.stamp)
        if done + PIECE >= len(self._texts):
            vectors = np.concatenate(self._pieces)
            self._keep("", lambda: vectors)
            said = json.dumps([self._stamp.variant, self._stamp.device, self._stamp.precision])
            self._keep("-stamp", lambda: np.frombuffer(said.encode(), dtype=np.uint8))
            self._vectors, self._pieces = vectors, []

    def _read(self) -> bool:
        """Take both arrays from the store; False when one is not there or does not fit."""
        try:
            vectors = self._keep("", _absent)
            said = self._keep("-stamp", _absent)
        except _AbsentError:
            return False
        if vectors is None or said is None or vectors.shape[:1] != (len(self._texts),):
            return False
        variant, device, precision = json.loads(bytes(said.astype(np.uint8)))
        self._stamp = Stamp(variant, device, precision, 0.0)
        self._vectors = np.asarray(vectors, dtype=np.float32)
        return True

    def _keep(self, part: str, build: Callable[[], np.ndarray]) -> np.ndarray | None:
        keep = getattr(self._engine, "cached_array", None)
        return keep(self._key() + part, build) if keep else None

    def _key(self) -> str:
        texts = hashlib.sha256("\0".join(self._texts).encode("utf-8", "replace")).hexdigest()
        try:
            weights = catalogue().spec(self.model).digest
        except LeptonError:  # a model that the catalogue does not hold has no digest
            weights = "unknown"
        return f"film-{self.model}-{texts[:16]}-{weights[:16]}"


class _AbsentError(Exception):
    """Raised in place of building, to learn whether an array is in the store."""


def _absent() -> np.ndarray:
    raise _AbsentError


def _without_time(stamp: Stamp) -> Stamp:
    return Stamp(stamp.variant, stamp.device, stamp.precision, 0.0, note=stamp.note)
