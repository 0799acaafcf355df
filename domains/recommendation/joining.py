"""Joins a listed film with its row of the film table; a wrong join is worse than none.

567 titles stand in the table more than once, so a title alone joins nothing. A row is taken
when its title is the film's (or stands among the names in the introduction's subject), a
director of the row is named in the introduction, and the years agree within one year (a
festival and a release), or within two where the title and the director's full name agree.
Where exactly one row passes, it is joined. The rest is decided by a person, line by line, in
``assets/films/joins.toml``.
"""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from domains.recommendation.introductions import Introduction, fold

_HAND = Path(__file__).resolve().parents[2] / "assets" / "films" / "joins.toml"
_ARTICLES = re.compile(r"^(?:the|a|an|le|la|les|il|el|l|der|die|das) (?=\w)")
_POSSESSIVE = re.compile(r"['’]s\b")
_QUERY = 'SELECT ID, imdbID, Title, Year, Director, Genre, "Cast" FROM omdb ORDER BY ID'


@dataclass(frozen=True)
class Row:
    """One row of ``movies.db``; ``id`` is IMDb's key (with the row's number where it repeats)."""

    id: str
    title: str
    year: int
    directors: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    cast: tuple[str, ...] = ()


def without_article(title: str) -> str:
    """``title`` folded and without its leading article: how titles are looked up."""
    return _ARTICLES.sub("", fold(title))


@dataclass(frozen=True)
class Table:
    """The rows with an index by title and by year."""

    rows: tuple[Row, ...]
    by_title: dict[str, list[Row]] = field(
        default_factory=lambda: defaultdict(list), repr=False)
    by_year: dict[int, list[tuple[str, Row]]] = field(
        default_factory=lambda: defaultdict(list), repr=False)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Table:
        table = cls(tuple(rows))
        for row in table.rows:
            folded = fold(row.title)
            table.by_title[_ARTICLES.sub("", folded)].append(row)
            table.by_year[row.year].append((folded, row))
        return table

    @classmethod
    def read(cls, path: Path) -> Table:
        """Open the SQLite file read-only. Raises sqlite3.Error or OSError."""
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute(_QUERY).fetchall()
        keys: Counter[str] = Counter()
        made = []
        for number, key, title, year, directors, genres, cast in rows:
            keys[key] += 1  # two keys stand in the table twice: a film and its later cut
            if title and year:
                made.append(Row(key if keys[key] == 1 else f"{key}-{number}", title, int(year),
                                _names(directors), _names(genres), _names(cast)))
        return cls.of(made)

    def matching(self, title: str, introduction: Introduction) -> Row | None:
        """The one row that is surely the film of this title and introduction, or None."""
        same = self.by_title.get(without_article(title), [])
        near = [r for r in same if _years_apart(r, introduction) <= 1
                and names_director(introduction.text, r, whole=False)]
        loose = [r for r in same if _years_apart(r, introduction) <= 2
                 and names_director(introduction.text, r, whole=True)]
        for rows in (near, loose, self._by_alias(introduction)):
            if rows:
                return rows[0] if len(rows) == 1 else None
        return None

    def exactly(self, wished: Row) -> Row | None:
        """The one row with this title, this year and this (first) director."""
        rows = [r for r in self.by_title.get(without_article(wished.title), [])
                if r.title == wished.title and r.year == wished.year
                and wished.directors[0] in r.directors]
        return rows[0] if len(rows) == 1 else None

    def _by_alias(self, introduction: Introduction) -> list[Row]:
        """Rows whose title stands in the introduction's subject; year and full name agree."""
        if introduction.year is None:
            return []
        subject = f" {fold(introduction.subject)} "
        years = range(introduction.year - 1, introduction.year + 2)
        return [r for year in years for title, r in self.by_year.get(year, [])
                if len(title) > 3 and f" {title} " in subject
                and names_director(introduction.text, r, whole=True)]


def names_director(text: str, row: Row, *, whole: bool) -> bool:
    """Whether a director of the row is named in the text, in full or by the last name."""
    said = f" {fold(_POSSESSIVE.sub(' ', text))} "
    names = (fold(name) for name in row.directors)
    return any(f" {name if whole else name.split()[-1]} " in said for name in names if name)


def hand_joins() -> dict[str, Row]:
    """The table of joins by hand: title in the list -> title, year and director of its row."""
    rows = tomllib.loads(_HAND.read_text(encoding="utf-8"))["joins"]
    return {title: Row("", name, int(year), (director,))
            for title, (name, year, director) in rows.items()}


def _years_apart(row: Row, introduction: Introduction) -> int:
    """Years between row and introduction; 2 where the introduction states none."""
    return 2 if introduction.year is None else abs(row.year - introduction.year)


def _names(cell: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (cell or "").split(",") if name.strip())
