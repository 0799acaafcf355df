"""Lepton: load, compress and run small language models, and say what it cost.

The public face. Names are loaded on first use, so that importing the package loads no
model and no heavy library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lepton_engine.compression.recipe import Recipe
    from lepton_engine.engine import Engine
    from lepton_engine.errors import LeptonError
    from lepton_engine.model import LeptonModel
    from lepton_engine.settings import Settings
    from lepton_engine.tokenizer import Tokenizer

__version__ = "0.1.0"

_HOMES = {
    "Engine": "lepton_engine.engine",
    "LeptonError": "lepton_engine.errors",
    "LeptonModel": "lepton_engine.model",
    "Recipe": "lepton_engine.compression.recipe",
    "Settings": "lepton_engine.settings",
    "Tokenizer": "lepton_engine.tokenizer",
}

__all__ = ["Engine", "LeptonError", "LeptonModel", "Recipe", "Settings", "Tokenizer"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
