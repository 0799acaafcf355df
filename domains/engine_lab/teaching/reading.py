"""Labelled texts as they come in: the bundled examples, pasted rows, a CSV file."""

from __future__ import annotations

from pathlib import Path

from domains.shared.csv_input import decoded, rows_of
from lepton_engine.errors import InputError

SAMPLES = Path(__file__).resolve().parents[3] / "assets" / "samples"
BUNDLED = {"sample": "teach.csv", "sample_zh": "teach_zh.csv"}
SOURCES = (*BUNDLED, "pasted", "csv")
MAX_BYTES = 5_000_000
TEXT_COLUMNS, LABEL_COLUMNS = ("text", "文本"), ("label", "标签")
_FORMAT = "Send a CSV file in UTF-8 whose first line names the columns text and label."
_LINE = "Write each as text, a comma or tab, and its label."
_SEPARATORS = ("\t", ",", ";", "，")
Rows = tuple[list[str], list[str]]


def examples(source: str, pasted: str, data: bytes | None) -> Rows:
    """Texts and labels from where a person chose. What they hold is checked by the engine.

    Raises:
        InputError, LimitError: nothing there, or what is there cannot be read as rows.
    """
    if source not in SOURCES:
        raise InputError(f"`source` must be one of {', '.join(SOURCES)}.")
    if source == "csv":
        if not data:
            raise InputError(f"There is no file yet. {_FORMAT}")
        return of_csv(data)
    if source == "pasted":
        return of_lines(pasted)
    return of_csv((SAMPLES / BUNDLED[source]).read_bytes())


def of_csv(data: bytes) -> Rows:
    """The columns ``text`` and ``label``; further ones are not read.

    A row without anything stays, so that the engine can name it, but not at the end.
    """
    rows = rows_of(decoded(data, MAX_BYTES, _FORMAT))
    header = next(rows, None)
    if header is None:
        raise InputError(f"The file is empty. {_FORMAT}")
    names = [name.strip().casefold() for name in header]
    places = [_place(names, wanted) for wanted in (TEXT_COLUMNS, LABEL_COLUMNS)]
    table = list(rows)
    while table and not any(cell.strip() for cell in table[-1]):
        table.pop()
    if not table:
        raise InputError(f"The file has a header but no row. {_FORMAT}")
    for number, row in enumerate(table, 1):
        if len(row) != len(names) and any(cell.strip() for cell in row):
            raise InputError(f"Row {number} has {len(row)} cells, the header {len(names)}. Put a "
                             "text that holds the separator into quotation marks.")
    text, label = ([row[place] if row else "" for row in table] for place in places)
    return text, label


def _place(names: list[str], wanted: tuple[str, ...]) -> int:
    found = [place for place, name in enumerate(names) if name in wanted]
    if not found:
        raise InputError(f"The file has no column “{wanted[0]}” in its first line. {_FORMAT}")
    if len(found) > 1:
        raise InputError(f"The file has the column “{wanted[0]}” more than once. {_FORMAT}")
    return found[0]


def of_lines(pasted: str) -> Rows:
    """One row a line: the label stands after the last tab or, without one, the last comma."""
    lines = [line.strip() for line in (pasted or "").splitlines()]
    found = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not found:
        raise InputError(f"There is no row. Paste some, one in each line. {_LINE}")
    if found[0][1].casefold().replace("\t", ",").replace(" ", "") == "text,label":
        found = found[1:]  # a header that was copied along
    texts, labels = [], []
    for number, line in found:
        text, label = _cut(line)
        if not text or not label:
            raise InputError(f"Line {number} has no text or no label. {_LINE}")
        texts.append(text)
        labels.append(label)
    return texts, labels


def _cut(line: str) -> tuple[str, str]:
    mark = "\t" if "\t" in line else max(_SEPARATORS[1:], key=line.rfind)
    text, _, label = line.rpartition(mark)
    text, label = text.strip(), label.strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return (text[1:-1].replace('""', '"') if quoted else text), label.strip('"')
