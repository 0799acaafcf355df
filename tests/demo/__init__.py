"""A small domain that proves the page's building blocks apart from the real tabs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from domains.base import Domain

TEXTS = Path(__file__).with_name("demo.toml")


@dataclass(frozen=True)
class DemoDomain(Domain):
    """A row whose modules stand in ``tests.demo``."""

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"tests.demo.{name}")


DEMO = DemoDomain("demo", ("minilm-l6", "qwen-0.5b"))
