"""What a question asks for: which conditions it names and which sections it wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domains.medical_qa.knowledge import SECTIONS, Condition
from domains.medical_qa.patterns import normalise
from domains.medical_qa.rules import MedicalRules
from lepton_engine.retrieval_conversation import content_words

FEW_WORDS, FEW_CHARACTERS = 2, 3

_BRACKETS = re.compile(r"[(（]([^)）]*)[)）]")
_PARTS = re.compile(r"[,，、;]")


@dataclass(frozen=True)
class Asked:
    """``named``: ids of the conditions in the question's own words, longest names first;
    ``sections``: in natural order, empty when the question names none; ``vague``: it says
    hardly more than one symptom; ``either``: it asks which of several; ``pointing``: it
    points at something said before."""

    named: tuple[str, ...]
    sections: tuple[str, ...]
    vague: bool = False
    either: bool = False
    pointing: bool = False


class Reader:
    """Reads questions of one language against the names of its conditions."""

    def __init__(self, conditions: Mapping[str, Condition], rules: MedicalRules,
                 language: str) -> None:
        self._rules, self._language = rules, language
        self._names = [
            (name, self._pattern(name), condition.id)
            for condition in conditions.values() for name in names_of(condition)
        ]
        self._names.sort(key=lambda row: -len(row[0]))

    def plain(self, question: str) -> str:
        """The question as the patterns read it, spelling mended."""
        return normalise(question, {}, self._rules.spelling).text

    def read(self, question: str) -> Asked:
        text = self.plain(question)
        return Asked(self._named(text), self._sections(text), self._is_vague(text),
                     bool(self._rules.either[self._language].search(text)),
                     bool(self._rules.pointing[self._language].search(text)))

    def _is_vague(self, text: str) -> bool:
        if self._language == "zh":
            return len(self._rules.filler.sub("", text)) <= FEW_CHARACTERS
        return len(content_words(text)) <= FEW_WORDS

    def _pattern(self, name: str) -> re.Pattern[str]:
        special = self._rules.only_as[self._language].get(name)
        if special is not None:
            return special
        if self._language == "zh":
            return re.compile(re.escape(name))
        words = re.escape(self.plain(name)).replace(r"\ ", r"[\s-]?").replace(r"\-", r"[\s-]?")
        return re.compile(rf"(?<![a-z0-9]){words}(?:e?s)?(?![a-z0-9])")

    def _named(self, text: str) -> tuple[str, ...]:
        """A name inside a longer one does not count: "chest cold" is no cold."""
        found: dict[str, int] = {}
        for _, pattern, condition in self._names:
            match = pattern.search(text)
            if match:
                found.setdefault(condition, match.start())
                text = text[:match.start()] + "#" * len(match.group()) + text[match.end():]
        return tuple(found)

    def _sections(self, text: str) -> tuple[str, ...]:
        bare = text.strip(" ?？!！.。")
        hits = {name for name, pattern in self._rules.sections[self._language].items()
                if pattern.search(bare)}
        if len(hits) > 1:  # "what are the symptoms of" is no wish for an overview
            hits.discard("overview")
        return tuple(name for name in SECTIONS if name in hits)


def names_of(condition: Condition) -> list[str]:
    """Its name, the other names in the name's brackets, and the aliases."""
    inside = [part.strip() for found in _BRACKETS.findall(condition.name)
              for part in _PARTS.split(found)]
    names = [_BRACKETS.sub("", condition.name).strip(), *inside, *condition.aliases]
    return list(dict.fromkeys(name for name in (n.lower() for n in names) if len(name) > 1))
