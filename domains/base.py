"""What every domain has in common: decisions, the outcome contract and the row of a domain.

No Gradio here: services and views import this module.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from types import ModuleType
from typing import Any

from lepton_engine.results import Evidence, Stamp


class Decision(str, Enum):
    """What a domain did with a request. A refusal on content is a decision, not an error."""

    ANSWERED = "answered"
    CLARIFY = "clarify"
    ABSTAINED = "abstained"
    HANDED_OFF = "handed_off"
    EMERGENCY = "emergency"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The common fields of every output; each domain's outcome adds its own.

    ``confidence`` is None where it is not defined; ``reason`` is a sentence for a person.
    """

    decision: Decision
    reason: str
    confidence: float | None = None
    evidence: tuple[Evidence, ...] = ()
    stamp: Stamp | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the payload of the API and the only thing that views read."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "to_json"):
        return value.to_json()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


@dataclass(frozen=True)
class Domain:
    """One row of ``domains.DOMAINS``: a tab and its endpoint.

    The package ``domains.<slug>`` holds ``service`` (``build(engine)`` and an ``api``
    method), ``views`` and ``ui`` (``layout`` and ``wire``); they are imported on first use,
    so that listing the domains imports no Gradio. ``needs`` are the names of the engine
    that the tab waits for, in the order in which they are loaded behind the page.
    """

    slug: str
    needs: tuple[str, ...]

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"domains.{self.slug}.{name}")

    def build_service(self, engine: Any) -> Any:
        build: Callable[[Any], Any] = self.module("service").build
        return build(engine)
