"""Film data with the faults of the real one, and an independent check of reasons."""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.films import write_films

COPIED = "Nowhere to Be Found"  # bears the text of the title before it
# Texts that are no introduction of the film, or that need care to join.
TEXTS = {
    "M": "M, or m, is the thirteenth letter of the modern English alphabet.",
    "Casablanca": "Casablanca is the largest city of Morocco. It lies on the Atlantic coast.",
    "Twins Apart": "Twins Apart is a 1988 American comedy film directed by Ivana Right and "
                   "starring Bo Ham. The story follows two brothers who meet at an airport.",
    "Late Bloom": "Late Bloom is a 1975 drama film directed by Maria Slow. It tells the story of "
                  "a gardener who learns to read at sixty.",
    "Far Off": "Far Off is a 1970 drama film directed by Maria Slow. The film follows a ship's "
               "doctor who cannot go home.",
    "NOW SHOWINGThe Long Wait": "The Long Wait (French: La longue attente) is a 1999 French drama "
                                "film directed by Anne Lent. It is about a station without trains.",
}
# title, year, director, genres, cast
TABLE = (
    ("Casablanca", 1942, "Michael Curtiz", "War, Romance, Drama", "Humphrey Bogart, Paul Henreid"),
    ("Twins Apart", 1988, "Otto Other", "Comedy", "Bo Ham"),
    ("Late Bloom", 1976, "Maria Slow", "Drama, Romance", "Ada Green"),
    ("Far Off", 1974, "Maria Slow", "Horror", "Ada Green"),
    ("La longue attente", 1999, "Anne Lent", "Drama", "Zoé Quai"),
    ("Hamlet", 1948, "Laurence Olivier", "Drama", "Laurence Olivier, Jean Simmons"),
    ("Hamlet", 1990, "Franco Zeffirelli", "Drama", "Mel Gibson, Glenn Close"),
    ("Hamlet", 1996, "Kenneth Branagh", "Drama", "Kenneth Branagh, Kate Winslet"),
    ("Prometheus", 2012, "Ridley Scott", "Sci-Fi, Horror", "Noomi Rapace"),
)

# How introductions name a genre, where it is not by the genre's own word.
GENRE_WORDS = {
    "Sci-Fi": ("science fiction", "sci-fi"), "Biography": ("biograph", "biopic"),
    "Animation": ("animat",), "Comedy": ("comed", "satir", "mockumentary", "screwball"),
    "History": ("histor", "period"), "Romance": ("romance", "romantic"),
    "Crime": ("crime", "gangster", "heist", "noir"),
    "Action": ("action", "martial arts", "samurai", "wuxia"),
    "Experimental": ("experimental", "avant-garde", "structural"),
}


def write_dirty(folder: Path) -> Path:
    """The 24 clean films of ``tests.films`` and those above; returns the folder."""
    write_films(folder)
    path = folder / "movie_summaries.json"
    texts = json.loads(path.read_text(encoding="utf-8"))
    texts[COPIED] = list(texts.values())[-1]
    path.write_text(json.dumps(texts | TEXTS), encoding="utf-8")
    with closing(sqlite3.connect(folder / "movies.db")) as db, db:
        db.executemany(
            'INSERT INTO omdb (imdbID, Title, Year, Director, Genre, "Cast") '
            "VALUES (?, ?, ?, ?, ?, ?)", [(f"xx{i:07d}", *row) for i, row in enumerate(TABLE)])
    return folder


@dataclass(frozen=True)
class Truth:
    """What the raw files say of a film, without the code under test."""

    text: str
    row: Mapping[str, Any]

    @property
    def year_words(self) -> set[str]:
        return {str(self.row.get("Year"))} | set(re.findall(r"\b\d{4}\b", self.text[:900]))

    def has_person(self, name: str) -> bool:
        listed = f"{self.row.get('Director', '')}, {self.row.get('Cast', '')}"
        last = name.split()[-1]
        return plain(name) in plain(listed) or (
            plain(name) in plain(self.text) or plain(last) in plain(self.text[:900]))

    def has_genre(self, genre: str) -> bool:
        said = GENRE_WORDS.get(genre, (genre[:6].lower(),))
        return genre in str(self.row.get("Genre", "")) or any(
            word in self.text[:900].lower() for word in said)


class Truths:
    """Reads both raw files; films are found by title and the row's key."""

    def __init__(self, folder: Path) -> None:
        self.texts = json.loads((folder / "movie_summaries.json").read_text(encoding="utf-8"))
        with closing(sqlite3.connect(folder / "movies.db")) as db:
            db.row_factory = sqlite3.Row
            self.rows: dict[str, dict[str, Any]] = {}
            for row in db.execute("SELECT * FROM omdb ORDER BY ID"):
                self.rows.setdefault(row["imdbID"], dict(row))

    def of(self, film: Any) -> Truth:
        """``film``: a Film; only its raw title and its row's key are used."""
        raw = [t for t in self.texts if re.sub(
            r"^NOW SHOWING|\s*\((?:\d{4} )?film\)$", "", t).strip() == film.title]
        text = self.texts[raw[0]] if raw and film.introduction else ""
        return Truth(text, self.rows.get(film.table_id, {}))


def plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.replace("ı", "i"))
    return "".join(c for c in folded if not unicodedata.combining(c)).casefold()


def squeezed(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def wrong_reasons(item: Any, film: Any, liked: Mapping[str, Any], truths: Truths) -> list[str]:
    """What in an item's reasons does not stand in the raw data; empty when all is true.

    ``liked`` maps the labels of the liked films to Films.
    """
    mine, wrong = truths.of(film), []
    for reason in item.reasons:
        other = truths.of(liked[reason.film]) if reason.film else None
        found = [*_wrong(reason, mine, other), *_wrong_evidence(reason, mine)]
        wrong += [f"{item.title}: {reason.kind} {said}" for said in found]
    return wrong


def _wrong(reason: Any, mine: Truth, other: Truth | None) -> Sequence[str]:
    both = [mine] if other is None else [mine, other]
    if reason.kind in ("director", "cast"):
        return [v for v in reason.values if not all(t.has_person(v) for t in both)]
    if reason.kind == "genre":
        return [v for v in reason.values if not all(t.has_genre(v) for t in both)]
    if reason.kind == "decade":
        decade = reason.values[0][:3]
        return [decade for t in both if not any(y.startswith(decade) for y in t.year_words)]
    if reason.kind == "sentence":
        return [] if squeezed(reason.values[0]) in squeezed(mine.text) else ["sentence"]
    if reason.kind == "pair":
        assert other is not None
        return [v for v, t in zip(reason.values, both, strict=True)
                if squeezed(v) not in squeezed(t.text)]
    return [] if reason.kind == "facts" else [f"unknown kind {reason.kind}"]


def _wrong_evidence(reason: Any, mine: Truth) -> Sequence[str]:
    found = reason.evidence
    if found.passage[found.start:found.end] != found.quote or not found.quote:
        return ["span"]
    if found.source.startswith("Wikipedia"):
        return [] if squeezed(found.quote) in squeezed(mine.text) else ["not in the text"]
    if reason.kind == "facts":
        return [] if str(mine.row["Title"]) else ["no row"]
    return [] if found.quote in " ".join(str(v) for v in mine.row.values()) else ["not in the row"]
