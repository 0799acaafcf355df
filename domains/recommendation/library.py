"""What the service loads once: films, titles, and the films' vectors by two models."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from domains.recommendation.films import Films, load
from domains.recommendation.index import FilmIndex
from domains.recommendation.joining import without_article
from domains.recommendation.titles import Titles
from domains.recommendation.vectors import Passages, TextVectors, passages_of
from lepton_engine.results import Stamp

ENGLISH, MULTILINGUAL = "minilm-l6", "use-multilingual"


class Library:
    """Films, titles and one index per model; safe to use from threads."""

    def __init__(self, engine: Any, films: Films) -> None:
        self.films = films
        self.titles = Titles(films)
        self.passages: Passages = passages_of(films.recommendable)
        self._vectors = {model: TextVectors(engine, model, self.passages.texts)
                         for model in (ENGLISH, MULTILINGUAL)}
        self._indexes: dict[str, FilmIndex] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, engine: Any) -> Library:
        """Raises ModelUnavailableError where the film data cannot be had."""
        return cls(engine, load(engine.data("films")))

    def labels(self) -> list[str]:
        """What to call each recommendable film, in the order of the titles."""
        films = sorted(self.films.recommendable, key=lambda film: without_article(film.title))
        return [self.titles.label(film) for film in films]

    def prepare(self, model: str = ENGLISH) -> Iterator[float]:
        """Compute the vectors of a model piece by piece; yields the share done before each."""
        vectors = self._vectors[model]
        while (share := vectors.share) < 1.0:
            yield share
            vectors.step()

    def index(self, model: str = ENGLISH) -> FilmIndex:
        """The index by a model's vectors; computes what is missing."""
        made: np.ndarray = self._vectors[model].all()
        with self._lock:
            if model not in self._indexes:
                self._indexes[model] = FilmIndex(self.films.recommendable, self.passages, made)
            return self._indexes[model]

    def stamp(self, model: str = ENGLISH) -> Stamp:
        """Which variant made the vectors of a model."""
        return self._vectors[model].stamp


class LazyLibrary:
    """A library that is loaded on first use, once however many ask."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._library: Library | None = None

    def get(self) -> Library:
        """Raises ModelUnavailableError where the film data cannot be had."""
        with self._lock:
            if self._library is None:
                self._library = Library.of(self._engine)
            return self._library
