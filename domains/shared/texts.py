"""Page texts by language, read from ``assets/texts/<slug>.toml``.

A file has the tables ``[en]`` and ``[zh]`` with the same keys (a test holds this) and may
have ``[[examples]]``. Tables inside a language are joined with dots: ``[en.decision]``
``answered = "…"`` is the key ``decision.answered``. What a tab's file lacks is looked up in
``page.toml``, the words common to all tabs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "texts"
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Example:
    """One chip of an example bar: its label by language and the inputs by name."""

    labels: Mapping[str, str]
    inputs: Mapping[str, Any]

    def label(self, lang: str) -> str:
        return self.labels.get(lang) or self.labels["en"]


@lru_cache(maxsize=32)
def _read(slug: str) -> tuple[Mapping[str, Mapping[str, str]], tuple[Example, ...]]:
    with (FOLDER / f"{slug}.toml").open("rb") as file:
        raw = tomllib.load(file)
    tables = {lang: dict(_flat(raw[lang])) for lang in LANGUAGES}
    examples = tuple(
        Example({lang: row[lang] for lang in LANGUAGES}, row["input"])
        for row in raw.get("examples", []))
    return tables, examples


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, str(value)))
    return rows


class Texts:
    """``Texts("customer_service")("zh", "intro", n=3)`` gives a text of a tab.

    Another language than English and Chinese gives English; an unknown key is a KeyError.
    """

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self._tables, self.examples = _read(slug)
        self._common = self._tables if slug == "page" else _read("page")[0]

    def __call__(self, lang: str, key: str, **values: object) -> str:
        lang = lang if lang in LANGUAGES else "en"
        found = self._tables[lang].get(key)
        text = self._common[lang][key] if found is None else found
        return text.format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self._tables["en"] or key in self._common["en"]

    def keys(self, lang: str) -> frozenset[str]:
        """The keys of the tab's own table in one language."""
        return frozenset(self._tables[lang])
