"""Headlines as they come in: checked texts, pasted lines, CSV files, the bundled sample."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from domains.shared.csv_input import decoded, rows_of
from lepton_engine.errors import InputError, LimitError
from lepton_engine.language import LATIN_LANGUAGES, detect
from lepton_engine.text import clean

MAX_CHARACTERS = 4_000
MAX_ROWS = 1_000
MAX_BYTES = 5_000_000
SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "headlines.json"
_DATE = re.compile(r"\d{4}-?\d\d")
_FORMAT = ("Send a CSV file in UTF-8 with the column “headline” and, if you like, "
           "“published_at” (ISO 8601, as in 2026-10-05T08:15:00Z).")


@dataclass(frozen=True)
class Headline:
    """A cleaned headline; ``published_at`` is ISO 8601 or None."""

    text: str
    published_at: str | None = None


@dataclass(frozen=True)
class Input:
    """Headlines and where they come from; ``ignored`` are columns that were not read."""

    headlines: tuple[Headline, ...]
    sample: bool = False
    ignored: tuple[str, ...] = ()


def checked(headlines: Sequence[str]) -> Input:
    """A list of headlines, none of them empty.

    Raises:
        InputError: no list of texts, an empty one, or an empty headline, with its number.
        LimitError: more than 1,000 headlines, or one of more than 4,000 characters.
    """
    if isinstance(headlines, (str, bytes)) or not isinstance(headlines, Sequence):
        raise InputError("“headlines” must be a list of texts, one for each headline.")
    if not headlines:
        raise InputError("There is no headline. Give at least one.")
    _check_count(len(headlines))
    return Input(tuple(_headline(text, f"Headline {number}")
                       for number, text in enumerate(headlines, 1)))


def pasted(text: str) -> Input:
    """One headline a line; blank lines are no headlines."""
    lines = [line.strip() for line in clean(text).split("\n")]
    if not any(lines):
        raise InputError("There is no headline. Paste one or more, one in each line.")
    return checked([line for line in lines if line])


def sample() -> Input:
    """The bundled headlines: written for this project, their events invented."""
    rows = json.loads(SAMPLE.read_text(encoding="utf-8"))["rows"]
    return Input(tuple(Headline(row["headline"], row["published_at"]) for row in rows),
                 sample=True)


def read_csv(data: bytes) -> Input:
    """The headlines of a CSV file: ``headline`` and optional ``published_at``.

    UTF-8 with or without a byte order mark; separated by comma, semicolon or tab. At most
    5 MB and 1,000 rows. Blank lines are skipped, further columns named in ``ignored``.

    Raises:
        InputError: with one sentence on what is wrong and in which row (1 is the first
            after the header).
        LimitError: too large, too many rows, too long a headline.
    """
    rows = rows_of(decoded(data, MAX_BYTES, _FORMAT))
    header = next(rows, None)
    if header is None:
        raise InputError(f"The file is empty. {_FORMAT}")
    names = [name.strip().casefold() for name in header]
    _check_header(names)
    found = []
    for number, row in enumerate((r for r in rows if any(cell.strip() for cell in r)), 1):
        _check_count(number)
        found.append(_from_row(names, row, number))
    if not found:
        raise InputError(f"The file has a header but no headline. {_FORMAT}")
    ignored = tuple(n for n in names if n and n not in ("headline", "published_at"))
    return Input(tuple(found), ignored=ignored)


def _check_header(names: Sequence[str]) -> None:
    for name in ("headline", "published_at"):
        if names.count(name) > 1:
            raise InputError(f"The file has the column “{name}” more than once. {_FORMAT}")
    if "headline" not in names:
        raise InputError(f"The file has no column “headline” in its first line. {_FORMAT}")


def _from_row(names: Sequence[str], row: Sequence[str], number: int) -> Headline:
    if len(row) != len(names):
        raise InputError(
            f"Row {number} has {_fields(len(row))}, the header {_fields(len(names))}. Put a "
            "headline that holds the separator into quotation marks, and check whether the "
            "file is complete.")
    cells = dict(zip(names, row, strict=True))
    headline = _headline(cells["headline"], f"The headline of row {number}")
    return Headline(headline.text, _time(cells.get("published_at", ""), number))


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _headline(text: object, name: str) -> Headline:
    if not isinstance(text, str):
        raise InputError(f"{name} is not a text but of type {type(text).__name__}.")
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} "
                         "are read. Shorten it.")
    line = " ".join(clean(text).split())
    if not line:
        raise InputError(f"{name} is empty. Write one or leave it out.")
    return Headline(line)


def _time(text: str, number: int) -> str | None:
    text = text.strip()
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        # fromisoformat also takes a bare week date; the years keep shifts of zone in range.
        if not _DATE.match(text) or not 1900 <= time.year <= 2200:
            raise ValueError
        return time.isoformat().replace("+00:00", "Z")
    except ValueError:
        raise InputError(f"“published_at” of row {number} is no ISO 8601 time of the years 1900 to "
                         "2200. Write it like 2026-10-05T08:15:00Z or leave it empty.") from None


def _check_count(count: int) -> None:
    if count > MAX_ROWS:
        raise LimitError(f"At most {MAX_ROWS:,} headlines are read at once. Send the first "
                         f"{MAX_ROWS:,}, then the rest.")


def moment(published_at: str) -> datetime:
    """The time of a headline for sorting; one without a zone is taken as UTC."""
    time = datetime.fromisoformat(published_at)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def language(text: str) -> str:
    """The language of a headline. Names speak many: the words written small may say English."""
    code = detect(text)
    if code not in LATIN_LANGUAGES:
        return code
    small = " ".join(word for word in text.split() if word[0].islower())
    return "en" if detect(small) == "en" else code
