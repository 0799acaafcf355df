"""Texts to measure on: the bundled examples, typed lines, a CSV file of text and label."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domains.engine_lab.models import LabModel
from domains.shared.csv_input import decoded
from lepton_engine.errors import InputError, LimitError
from lepton_engine.text import clean

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "lab.json"
SOURCES = ("bundled", "typed", "csv")
MAX_ROWS = 5_000
MAX_CHARACTERS = 4_000
MAX_BYTES = 5_000_000
_FORMAT = ("Send a CSV file in UTF-8 whose first line names the columns: text and, if you like, "
           "label.")


@dataclass(frozen=True)
class Examples:
    """Texts and, where they have them, their true labels. ``source`` is one of SOURCES."""

    source: str
    texts: tuple[str, ...]
    labels: tuple[str, ...] | None = None


@lru_cache(maxsize=1)
def samples() -> dict[str, Any]:
    """The bundled texts by name; written for this project."""
    loaded: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    return loaded


def bundled(model: LabModel) -> Examples:
    """The bundled examples of a model: labelled for a head, texts alone otherwise."""
    rows = samples()[model.sample]
    if rows and isinstance(rows[0], list):
        return Examples("bundled", tuple(text for text, _ in rows),
                        tuple(label for _, label in rows))
    return Examples("bundled", tuple(rows))


def examples(model: LabModel, source: str, typed: str, data: bytes | None) -> Examples:
    """The examples that a person chose.

    Raises:
        InputError, LimitError: nothing there, or what is there cannot be read.
    """
    if source == "typed":
        return of_lines(typed)
    if source == "csv":
        if not data:
            raise InputError(f"There is no file yet. {_FORMAT}")
        return of_csv(data)
    return bundled(model)


def of_lines(typed: str) -> Examples:
    """One text a line; blank lines are none."""
    lines = [" ".join(line.split()) for line in clean(typed or "").split("\n")]
    texts = [line for line in lines if line]
    if not texts:
        raise InputError("There is no text. Write or paste some, one in each line.")
    return Examples("typed", _checked(texts))


def of_csv(data: bytes) -> Examples:
    """The columns ``text`` and, if present, ``label`` of a CSV file. Cells are only text.

    UTF-8 with or without a byte order mark; comma, semicolon or tab; at most 5 MB and 5,000
    rows. Lines without anything are skipped.

    Raises:
        InputError, LimitError: one sentence on what is wrong; rows count from 1 after the header.
    """
    names, table = _table(decoded(data, MAX_BYTES, _FORMAT))
    if "text" not in names:
        raise InputError(f"The file has no column “text” in its first line. {_FORMAT}")
    for name in ("text", "label"):
        if names.count(name) > 1:
            raise InputError(f"The file has the column “{name}” more than once. {_FORMAT}")
    if not len(table):
        raise InputError(f"The file has a header but no row. {_FORMAT}")
    if len(table) > MAX_ROWS:
        raise LimitError(f"The file has {len(table):,} rows; at most {MAX_ROWS:,} are measured. "
                         "Take a part of it.")
    texts = [" ".join(clean(cell).split()) for cell in table.iloc[:, names.index("text")]]
    _refuse_empty(texts, "text")
    if "label" not in names:
        return Examples("csv", _checked(texts))
    labels = [" ".join(clean(cell).split()) for cell in table.iloc[:, names.index("label")]]
    _refuse_empty(labels, "label")
    if len(set(labels)) < 2:
        raise InputError(f"Every row has the same label, “{labels[0][:40]}”. Quality is measured "
                         "between at least two; add rows of another, or leave the column out.")
    return Examples("csv", _checked(texts), tuple(labels))


def _table(text: str) -> tuple[list[str], pd.DataFrame]:
    """The names of the columns and every cell as the text that it is: no numbers, no dates, no
    missing values. The header is read as a row, or pandas would rename what stands twice."""
    import pandas as pd

    first = text.lstrip("\r\n").splitlines()[:1]
    if not first:
        raise InputError(f"The file is empty. {_FORMAT}")
    separator = max(",;\t", key=first[0].count)
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False,
                            header=None, skip_blank_lines=True, nrows=MAX_ROWS + 2)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError):
        # pandas' own message may quote the file
        raise InputError("The file does not read as a table: a row has more cells than the header "
                         "or a quotation mark never closes. Put texts that hold the separator "
                         "into quotation marks.") from None
    # A line of separators alone is no row; cells that a short row lacks are empty.
    table = table.fillna("")
    table = table[[any(cell.strip() for cell in row) for row in table.itertuples(index=False)]]
    if not len(table):
        raise InputError(f"The file is empty. {_FORMAT}")
    return [cell.strip().casefold() for cell in table.iloc[0]], table.iloc[1:]


def _refuse_empty(cells: Sequence[str], name: str) -> None:
    empty = [number for number, cell in enumerate(cells, 1) if not cell]
    if empty:
        shown = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
        raise InputError(f"{len(empty)} of {len(cells)} rows have no {name} (row {shown}). Fill "
                         "it in or take the row out.")


def _checked(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > MAX_ROWS:
        raise LimitError(f"These are {len(texts):,} texts; at most {MAX_ROWS:,} are measured. "
                         "Take a part of them.")
    for number, text in enumerate(texts, 1):
        if len(text) > MAX_CHARACTERS:
            raise LimitError(f"Text {number} has {len(text):,} characters; at most "
                             f"{MAX_CHARACTERS:,} are read. Shorten it.")
    return tuple(texts)
