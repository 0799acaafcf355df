"""Heavy packages that several threads import on first use: one at a time, through here.

Python locks each module on its own. spaCy's modules import each other in a circle, so two
threads that enter the circle at different places can meet a half-made module ("cannot
import name 'Language' from partially initialized module", seen on 2026-11-23 when a
headline came while the pipeline was loading).

spaCy's numeric library imports torch when it finds it, for models that these pipelines are not
(190 MB on 2026-11-23); it is kept from finding it where nothing else has loaded torch already.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_lock = threading.RLock()


@contextmanager
def _without_torch() -> Iterator[None]:
    """``import torch`` fails inside, unless it has been imported before."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # Python's own mark for "not there"
    try:
        yield
    finally:
        del sys.modules["torch"]


def spacy_module(name: str = "spacy") -> ModuleType:
    """``spacy`` or a module in it, such as ``spacy.lang.en.stop_words``."""
    with _lock:
        if "spacy" not in sys.modules:
            with _without_torch():
                importlib.import_module("spacy")
        return importlib.import_module(name)
