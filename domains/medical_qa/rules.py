"""The tables of ``assets/medical_rules.toml``, compiled once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from domains.medical_qa.patterns import compiled, expand

RULES_FILE = Path(__file__).resolve().parents[2] / "assets" / "medical_rules.toml"

Patterns = Mapping[str, re.Pattern[str]]


@dataclass(frozen=True)
class MedicalRules:
    """By language ("en", "zh"), then by name, in the order of the file."""

    sections: Mapping[str, Patterns]
    refuse: Mapping[str, Patterns]
    others: Patterns
    health: Patterns
    either: Patterns
    pointing: Patterns
    filler: re.Pattern[str]
    topic_forms: Mapping[str, tuple[re.Pattern[str], ...]]
    topic_personal: Patterns
    only_as: Mapping[str, Patterns]
    spelling: Mapping[str, str]
    settings: Mapping[str, Any]


def read(path: Path = RULES_FILE) -> MedicalRules:
    with path.open("rb") as file:
        table = tomllib.load(file)

    def of(patterns: list[str], language: str) -> re.Pattern[str]:
        macros = table["macros"][language]
        return compiled([expand(p, macros, language) for p in patterns], language)

    def by_name(name: str) -> dict[str, Patterns]:
        return {
            language: {key: of(value if isinstance(value, list) else [value], language)
                       for key, value in table[name][language].items()}
            for language in ("en", "zh")
        }

    return MedicalRules(
        sections=by_name("sections"), refuse=by_name("refuse"), only_as=by_name("only_as"),
        others={code: of(table["others"][code], code) for code in ("en", "zh")},
        either={code: of(table["either"][code], code) for code in ("en", "zh")},
        pointing={code: of(table["pointing"][code], code) for code in ("en", "zh")},
        filler=of(table["filler"]["zh"], "zh"),
        health={code: of(table["health"][code], code) for code in ("en", "zh")},
        topic_forms={
            code: tuple(re.compile(expand(form, table["macros"][code], code), re.ASCII
                                   if code == "en" else 0)
                        for form in table["topic"][code]["forms"])
            for code in ("en", "zh")},
        topic_personal={code: of(table["topic"][code]["personal"], code)
                        for code in ("en", "zh")},
        spelling=table["spelling"], settings=table.get("settings", {}))


@lru_cache(maxsize=1)
def rules() -> MedicalRules:
    """The shipped tables; immutable."""
    return read()
