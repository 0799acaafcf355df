"""Section “Memory and device”: what the engine holds, and loading and unloading by hand."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from domains.base import Decision
from domains.engine_lab.outcome import MemoryOutcome, Stage
from domains.engine_lab.waiting import watched
from domains.shared.markup import size
from domains.shared.texts import Texts

SAY = Texts("engine_lab")


def panel(engine: Any, lang: str, said: str = "") -> MemoryOutcome:
    """The state now; ``said`` is the sentence of the action before it."""
    status = engine.status()
    models = tuple(
        {"key": m.key, "name": m.name, "state": m.state, "detail": m.detail,
         "progress": m.progress, "bytes": m.memory_bytes} for m in status.models)
    ready = sum(m["state"] == "ready" for m in models)
    reason = said or SAY(lang, "memory.reason", n=ready, used=size(status.memory_bytes))
    return MemoryOutcome(
        decision=Decision.ANSWERED, reason=reason, device=status.device,
        precision=status.precision, why_device=status.reason, models=models,
        memory_bytes=status.memory_bytes, budget_bytes=status.budget_bytes, queue=status.queue,
        notes=status.notes)


def loaded_keys(engine: Any) -> list[str]:
    """What can be unloaded now."""
    return [m["key"] for m in panel(engine, "en").models if m["state"] == "ready"]


def load(engine: Any, name: str, recipe: str, lang: str,
         ) -> Generator[MemoryOutcome | Stage, None, None]:
    """Load a variant while saying how far it is; then the panel. Raises LeptonError."""
    shown = name if recipe == "original" else f"{name}/{recipe}"
    yield from watched(lambda: engine.load(name, recipe), engine,
                       SAY(lang, "memory.loading", variant=shown))
    yield panel(engine, lang, SAY(lang, "memory.loaded", variant=shown))


def unload(engine: Any, key: str, lang: str) -> MemoryOutcome:
    """Raises UnknownNameError for what is not loaded, BusyError for what is at work."""
    freed = engine.unload(key)
    return panel(engine, lang, SAY(lang, "memory.unloaded", variant=key, freed=size(freed)))
