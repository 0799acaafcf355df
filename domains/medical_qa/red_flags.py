"""Emergencies in a person's words, told by rules that are data (``assets/red_flags.toml``).

A *concept* is something said about a body ("chest pain"), a *rule* joins concepts to a
category, and ``scope`` takes out what is denied, long past, asked in general, about a pet or
a figure of speech. No model is asked: the rules can be read, and they answer in a
millisecond. When in doubt they flag.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from domains.medical_qa.patterns import Normal, compiled, expand, normalise
from domains.medical_qa.scope import Scope

RULES_FILE = Path(__file__).resolve().parents[2] / "assets" / "red_flags.toml"
LANGUAGES = ("en", "zh")
MOST_PLACES = 40  # of one concept; more say nothing new and only cost time


@dataclass(frozen=True)
class RedFlag:
    """A category with the words that raised it: ``text == question[start:end]``."""

    category: str
    text: str
    start: int
    end: int

    def to_json(self) -> dict[str, Any]:
        return {"category": self.category, "text": self.text,
                "start": self.start, "end": self.end}


@dataclass(frozen=True)
class _Rule:
    category: str
    all: tuple[str, ...]
    none: tuple[str, ...]
    near: int


Place = tuple[int, int]
Places = Mapping[str, Sequence[Place]]


class RedFlagRules:
    """The compiled rules. ``find`` is pure; one object serves any number of threads."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        settings = table["settings"]
        self.order: tuple[str, ...] = tuple(settings["order"])
        self._traditional = dict(zip(table["traditional"]["from"], table["traditional"]["to"],
                                     strict=True))
        self._spelling: Mapping[str, str] = table["spelling"]
        self._names: Mapping[str, Mapping[str, str]] = table["names"]
        self._texts: Mapping[str, Mapping[str, str]] = table["texts"]
        self._rules = tuple(
            _Rule(row["category"], tuple(row["all"]), tuple(row.get("none", ())),
                  int(row.get("near", settings["near"])))
            for row in table["combine"]["rules"]
        )
        self._concepts: dict[str, dict[str, re.Pattern[str]]] = {}
        self._masks: dict[str, re.Pattern[str]] = {}
        self._scopes: dict[str, Scope] = {}
        for code in LANGUAGES:
            macros = table["macros"][code]
            self._concepts[code] = {
                name: compiled([expand(p, macros, code) for p in patterns], code)
                for name, patterns in table["concepts"][code].items()
            }
            self._masks[code] = compiled(
                [expand(p, macros, code) for p in table["masks"][code]], code)
            reach = settings["negation_words" if code == "en" else "negation_chars"]
            self._scopes[code] = Scope(table["negation"][code], table["context"][code],
                                       macros, code, int(reach))

    def name(self, category: str, language: str) -> str:
        """The category's name for people."""
        return self._names[language][category]

    def advice(self, category: str, language: str) -> str:
        """The fixed text of a category; for danger to oneself it stands alone, because
        its own first words and numbers serve better than an ambulance's."""
        text = self._texts[language][category]
        if category == "self_harm":
            return text
        joint = "" if language == "zh" else " "
        return f"{self._texts[language]['call']}{joint}{text}"

    def find(self, question: str) -> tuple[RedFlag, ...]:
        """The flags of a question, the gravest category first, then by place in the text."""
        normal = normalise(question, self._traditional, self._spelling)
        hits = self._hits(normal.text, scoped=True)
        return tuple(
            _flag(category, place, normal, question)
            for category in self.order for place in _merged(hits.get(category, ()))
        )

    def took_out(self, question: str) -> bool:
        """Whether a figure of speech was used, the text is far from here and now, or
        something was said that would be a flag, were it not denied, past, general or a
        pet's."""
        text = normalise(question, self._traditional, self._spelling).text
        if any(mask.search(text) for mask in self._masks.values()) \
                or any(scope.far_from_now(text) for scope in self._scopes.values()):
            return True
        return bool(self._hits(text, scoped=False)) and not self._hits(text, scoped=True)

    def _hits(self, text: str, *, scoped: bool) -> dict[str, list[Place]]:
        """The places that raise each category."""
        places: dict[str, list[Place]] = {}
        for code in LANGUAGES:
            for name, found in self._said(text, code, scoped=scoped).items():
                places.setdefault(name, []).extend(found)
        hits: dict[str, list[Place]] = {}
        for rule in self._rules:
            for match in _matches(rule, places):
                hits.setdefault(rule.category, []).extend(match)
        return hits

    def about_a_pet(self, question: str) -> bool:
        """Whether the question is about an animal and no hurt person is in it."""
        text = normalise(question, self._traditional, self._spelling).text
        return any(scope.about_a_pet(text) for scope in self._scopes.values())

    def _said(self, text: str, code: str, *, scoped: bool) -> Places:
        """Where each concept is said; ``scoped``: of someone, now, as a fact."""
        scope = self._scopes[code]
        masked = self._masks[code].sub(_blank, text) if scoped else text
        if scoped and scope.about_a_pet(masked):
            return {}
        found: dict[str, list[Place]] = {}
        for name, pattern in self._concepts[code].items():
            for match in pattern.finditer(masked):
                if not scoped or scope.is_live(masked, match.start(), match.end()):
                    found.setdefault(name, []).append(match.span())
                    if len(found[name]) == MOST_PLACES:
                        break
        return found


def _blank(match: re.Match[str]) -> str:
    """Keeps the length, and a word's outline so that counts of words stay as they were."""
    return re.sub(r"\w", "_", match.group())


def _matches(rule: _Rule, places: Places) -> list[list[Place]]:
    """Every place of the first concept with the nearest places of the others."""
    if any(places.get(name) for name in rule.none):
        return []
    if not all(places.get(name) for name in rule.all):
        return []
    found = []
    for anchor in places[rule.all[0]]:
        others = [min(places[name], key=lambda p: _gap(p, anchor)) for name in rule.all[1:]]
        spots = [anchor, *others]
        if max(end for _, end in spots) - min(start for start, _ in spots) <= rule.near \
                or len(spots) == 1:
            found.append(spots)
    return found


def _gap(one: Place, other: Place) -> int:
    return max(one[0] - other[1], other[0] - one[1], 0)


def _merged(places: Sequence[Place]) -> list[Place]:
    """Overlapping or touching places as one, in order."""
    joined: list[Place] = []
    for start, end in sorted(set(places)):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _flag(category: str, place: Place, normal: Normal, question: str) -> RedFlag:
    start, end = normal.original(*place)
    return RedFlag(category, question[start:end], start, end)


@lru_cache(maxsize=1)
def rules() -> RedFlagRules:
    """The shipped rules, compiled once; immutable after that."""
    with RULES_FILE.open("rb") as file:
        return RedFlagRules(tomllib.load(file))
