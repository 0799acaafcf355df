"""The medical base: conditions, their six sections, sentences and sources.

The texts are the project's own writing (``assets/knowledge/medical/<language>.json``). A
source is a public record that was read while writing; a section may have several, or none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lepton_engine import sentences
from lepton_engine.retrieval import Passage

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "knowledge" / "medical"
SECTIONS = ("overview", "symptoms", "causes", "self_care", "see_doctor", "emergency")


@dataclass(frozen=True)
class Source:
    """A public record: ``id`` is its number in MedQuAD, ``address`` where it was published."""

    id: str
    title: str
    publisher: str
    address: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "publisher": self.publisher,
                "address": self.address}


@dataclass(frozen=True)
class Section:
    """``text[s.start:s.end] == s.text`` for every sentence; no sources: not checked."""

    name: str
    text: str
    sentences: tuple[sentences.Span, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Condition:
    id: str
    name: str
    aliases: tuple[str, ...]
    language: str
    sections: Mapping[str, Section]


@dataclass(frozen=True)
class MedicalBase:
    """All conditions by language and id, in the order of the files."""

    conditions: Mapping[str, Mapping[str, Condition]]

    def of(self, language: str) -> Mapping[str, Condition]:
        """The conditions in the language of a question; any but Chinese gives English."""
        return self.conditions["zh" if language == "zh" else "en"]

    def passages(self) -> list[Passage]:
        """One passage a section and language, for the retrieval."""
        return [
            _passage(condition, condition.sections[name])
            for by_id in self.conditions.values() for condition in by_id.values()
            for name in SECTIONS
        ]


def _passage(condition: Condition, section: Section) -> Passage:
    # Lay wordings go with the two sections that say what the condition is; in all six they
    # would drown what a section is about.
    named = section.name in ("overview", "symptoms")
    return Passage(
        id=f"{condition.language}:{condition.id}/{section.name}", document=condition.id,
        title=condition.name, text=section.text, section=section.name,
        source="; ".join(dict.fromkeys(s.publisher for s in section.sources)),
        address=section.sources[0].address if section.sources else "",
        language=condition.language, keywords=", ".join(condition.aliases) if named else "")


def load(folder: Path = FOLDER) -> MedicalBase:
    """Read both files of a folder.

    Raises:
        ValueError: a condition lacks a section or a section its text; names which.
    """
    return MedicalBase({
        language: _conditions(folder / f"{language}.json", language) for language in ("en", "zh")
    })


@lru_cache(maxsize=1)
def shipped() -> MedicalBase:
    """The base of the project, read once; immutable after that."""
    return load()


def _conditions(path: Path, language: str) -> dict[str, Condition]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {row["id"]: _condition(row, language) for row in rows}


def _condition(row: Mapping[str, Any], language: str) -> Condition:
    found = {name: _section(name, row["sections"].get(name) or {}) for name in SECTIONS}
    empty = [name for name, section in found.items() if not section.sentences]
    if empty:
        raise ValueError(f"{row['id']} ({language}) has no text for: {', '.join(empty)}.")
    return Condition(row["id"], row["name"], tuple(row["aliases"]), language, found)


def _section(name: str, row: Mapping[str, Any]) -> Section:
    text = str(row.get("text") or "")
    sources = tuple(
        Source(str(s["id"]), str(s["title"]), str(s["publisher"]), str(s["url"]))
        for s in row.get("sources") or ())
    return Section(name, text, tuple(sentences.split(text)), sources)
