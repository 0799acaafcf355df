"""What every contender's process answers, whatever it computes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any


class Timed:
    """A contender. ``packages``: those whose versions its figures depend on."""

    packages: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Versions, and what the contender says of itself: the variant that it runs, and the
        folder of its converted files where another contender may be given the same."""
        found = {}
        for name in self.packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        return {"versions": found, "variant": self.variant(), "folder": self.folder()}

    def variant(self) -> str:
        return ""

    def folder(self) -> str:
        return ""


def converted_by(store: Any, variant: str) -> str:
    """The folder that a `benchmarks.store.WatchedStore` gave to what now runs on OpenVINO."""
    return str(store.given) if store.given is not None and "@openvino:" in variant else ""
