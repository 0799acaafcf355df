"""What the machine's owner decides: read once from the environment, then passed along.

==================  ======================================================================
``LEPTON_HOME``     where verified weights and converted models are kept
                    (default: the platform's cache folder)
``LEPTON_DEVICE``   cuda, xla, mps or cpu; overrules the automatic choice
``LEPTON_MEMORY_MB``  how much memory loaded models may take together, in MB
``LEPTON_OFFLINE``  1: nothing is asked of any network
``LEPTON_WHEELS``   a folder of wheels that are looked at before the package index
                    (a CI cache, a USB stick); their sha256 is checked like any other's
``LEPTON_MODELS``   a folder with one sub-folder of plain files per alias, looked at first
                    (a mounted, read-only copy of a filled store); checked likewise
==================  ======================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lepton_engine.errors import InputError

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def _default_home() -> Path:
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("lepton", appauthor=False))


def _flag(name: str, value: str) -> bool:
    value = value.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InputError(f"{name} is neither yes nor no. Set it to 1 or 0.")


def _megabytes(name: str, value: str) -> int | None:
    if not value.strip():
        return None
    try:
        amount = int(value)
    except ValueError:
        amount = 0
    if amount <= 0:
        raise InputError(f"{name} must be a whole number of megabytes above 0, such as 4096.")
    return amount


def _folder(value: str) -> Path | None:
    return Path(value).expanduser() if value.strip() else None


@dataclass(frozen=True)
class Settings:
    """The settings of one engine. ``memory_mb`` None: the engine takes a share of the RAM."""

    home: Path = field(default_factory=_default_home)
    device: str | None = None
    memory_mb: int | None = None
    offline: bool = False
    wheels: Path | None = None
    models: Path | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises InputError, naming the variable, for a broken value."""
        env = os.environ if environ is None else environ
        home = _folder(env.get("LEPTON_HOME", ""))
        return cls(
            home=_default_home() if home is None else home.absolute(),
            device=env.get("LEPTON_DEVICE", "").strip().lower() or None,
            memory_mb=_megabytes("LEPTON_MEMORY_MB", env.get("LEPTON_MEMORY_MB", "")),
            offline=_flag("LEPTON_OFFLINE", env.get("LEPTON_OFFLINE", "")),
            wheels=_folder(env.get("LEPTON_WHEELS", "")),
            models=_folder(env.get("LEPTON_MODELS", "")),
        )
