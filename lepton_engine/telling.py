"""How long work says what it is doing: one kind of callback for loads, conversions, sweeps."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, float | None], None]
"""Called with what is being done and the share done (None: not known)."""


def silent(_what: str, _share: float | None) -> None:
    """Nobody listens."""
