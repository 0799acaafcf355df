"""What an engine says about itself: cheap records for a header, a timer, a health check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: Best first: where several variants of one model are known, the best one speaks for it.
STATES = ("ready", "loading", "waiting", "unloaded", "failed")


@dataclass(frozen=True)
class LoadState:
    """One variant behind the page: ``state`` is one of ``STATES``.

    ``name`` is the model's, ``key`` the variant's (``minilm-l6/int8``; the plain name for the
    original). ``waiting``: its turn to load comes; ``unloaded``: it loads at its next use.
    """

    name: str
    state: str
    progress: float | None = None
    detail: str = ""
    key: str = ""
    memory_bytes: int = 0

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.name)


@dataclass(frozen=True)
class EngineStatus:
    """What the header shows. Sizes in bytes; ``queue`` is the number of waiting calls.

    ``notes`` are sentences on what does not run as it was meant to: a variant for which the
    original serves, a device that was lost.
    """

    device: str
    precision: str
    reason: str
    models: tuple[LoadState, ...] = ()
    memory_bytes: int = 0
    budget_bytes: int = 0
    queue: int = 0
    variants: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def state_of(self, name: str) -> LoadState:
        """The best state of any variant of ``name``; waiting where none is known."""
        known = [m for m in self.models if name in (m.name, m.key)]
        return min(known, key=lambda m: STATES.index(m.state) if m.state in STATES else 9,
                   default=LoadState(name, "waiting"))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        return " ".join((f"{self.device} {self.precision}: {self.reason}", *self.notes))
