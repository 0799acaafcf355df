"""Greetings, thanks and farewells: recognised whole, answered with fixed text."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

PHRASES = Path(__file__).parents[2] / "assets" / "smalltalk.toml"
MAX_CHARACTERS = 60
_DECORATION = re.compile(r"[^\w\s']+")


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    with PHRASES.open("rb") as file:
        table = tomllib.load(file)
    return tuple((language, kind, re.compile(pattern))
                 for language, kinds in table.items() for kind, pattern in kinds.items())


def kind_of(message: str) -> tuple[str, str] | None:
    """(language, kind) when the whole message is small talk, else None.

    "Hello, my card is blocked" is a question, not a greeting.
    """
    text = message.lower().replace("’", "'")
    text = " ".join(_DECORATION.sub(" ", text).split())
    if not text or len(text) > MAX_CHARACTERS:
        return None
    return next(((language, kind) for language, kind, pattern in _patterns()
                 if pattern.fullmatch(text)), None)
