"""Heavy packages that several threads import on first use: one at a time, through here.

Python locks each module on its own. spaCy's modules import each other in a circle, so two
threads that enter the circle at different places can meet a half-made module ("cannot
import name 'Language' from partially initialized module", seen on 2026-11-23 when a
headline came while the pipeline was loading).
"""

from __future__ import annotations

import importlib
import threading
from types import ModuleType

_lock = threading.RLock()


def spacy_module(name: str = "spacy") -> ModuleType:
    """``spacy`` or a module in it, such as ``spacy.lang.en.stop_words``."""
    with _lock:
        importlib.import_module("spacy")
        return importlib.import_module(name)
