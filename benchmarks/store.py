"""Where the benchmarks find models: the same store that the application fills."""

from __future__ import annotations

import json
from pathlib import Path

from lepton_engine.catalog import Store, catalogue
from lepton_engine.settings import Settings


def model_folder(alias: str) -> Path:
    """The verified files of a model or data set, fetched where they are missing."""
    return Store(Settings.from_env()).fetch(catalogue().resolve(alias))


def converted_folder(alias: str, recipe: str) -> Path | None:
    """The newest OpenVINO conversion of a variant; None where there is none yet."""
    found = []
    for path in (Settings.from_env().home / "converted").glob(f"{alias}-*.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))["facts"]
        if (facts.get("model"), facts.get("recipe"), facts.get("runtime")) == (
                alias, recipe, "openvino"):
            found.append(path)
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    return newest.with_suffix("") if newest else None
