"""Where the benchmarks find models: the same store that the application fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lepton_engine.catalog import Report, Store, catalogue
from lepton_engine.settings import Settings


def model_folder(alias: str) -> Path:
    """The verified files of a model or data set, fetched where they are missing."""
    return Store(Settings.from_env()).fetch(catalogue().resolve(alias))


class WatchedStore(Store):
    """The store, remembering which conversion it gave out: raw runtimes get the very same.

    A model has many conversions (other texts, other versions, one with its attention among
    the outputs), and the newest is not the one that was loaded.
    """

    given: Path | None = None

    def converted(self, key_parts: Mapping[str, str], build: Callable[[Path], None],
                  progress: Report | None = None) -> Path:
        folder = super().converted(key_parts, build, progress)
        if "part" not in key_parts:  # tokenizers and attention are no model to be timed
            self.given = folder
        return folder
