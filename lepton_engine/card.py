"""What an encoder's own files say about its use: pooling, length, the token for a gap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LONGEST = 512


def encoder_options(stated: Mapping[str, object], folder: Path) -> dict[str, object]:
    """pooling, normalize and max_length: as the catalogue states, else by the files that
    sentence-transformers puts into a folder, else the mean, unnormalised."""
    found: dict[str, object] = {"pooling": "mean", "normalize": False}
    pooling = _table(folder / "1_Pooling" / "config.json")
    for key, name in (("pooling_mode_cls_token", "cls"), ("pooling_mode_max_tokens", "max")):
        if pooling.get(key):
            found["pooling"] = name
    modules = folder / "modules.json"
    if modules.is_file() and "Normalize" in modules.read_text(encoding="utf-8"):
        found["normalize"] = True
    length = _table(folder / "sentence_bert_config.json").get("max_seq_length")
    if length:
        found["max_length"] = length
    return {**found, **stated}


def max_length(options: Mapping[str, object], positions: int) -> int:
    """The stated length, never past the model's positions; 512 where nothing says."""
    stated = int(str(options.get("max_length") or 0))
    known = [value for value in (stated, positions) if value]
    return min(known) if known else _LONGEST


def mask_token(folder: Path) -> str:
    """What stands for a gap in a text: ``[MASK]`` unless the tokenizer's files say otherwise."""
    stated = _table(folder / "tokenizer_config.json").get("mask_token") or "[MASK]"
    return str(stated["content"]) if isinstance(stated, dict) else str(stated)


def _table(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}
