"""Result tables as CSV files in which no cell can run as a formula."""

from __future__ import annotations

import csv
import io
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domains.shared.markup import printable

# Spreadsheets take a cell that begins with one of these for a formula or a command; the
# full-width forms are taken the same way in East Asian locales.
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠|%")
Row = Mapping[str, Any] | Sequence[Any]


def defuse(cell: Any) -> Any:
    """Numbers and None as they are; a text that would run as a formula gets an apostrophe."""
    if cell is None or isinstance(cell, (int, float)):
        return cell
    text = printable_cell(cell)
    inner = text.lstrip(" \u00a0\u3000\ufeff\u200b")
    return f"'{text}" if inner[:1] in FORMULA_STARTS and inner else text


def printable_cell(cell: Any) -> str:
    """A cell's text without lone surrogates and control characters, but with CR kept."""
    return "\r".join(printable(piece) for piece in str(cell).split("\r"))


def csv_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """A header and the rows (mappings by column, or sequences in column order)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([defuse(name) for name in columns])
    for row in rows:
        cells = [row.get(name) for name in columns] if isinstance(row, Mapping) else row
        writer.writerow([defuse(cell) for cell in cells])
    return out.getvalue()


def csv_file(name: str, rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Write the table to a file of its own in Gradio's cache; returns its path.

    The byte order mark tells spreadsheets that Chinese text is UTF-8.
    """
    data = csv_text(rows, columns).encode("utf-8-sig")
    return bytes_file(f"{Path(name).stem or 'table'}.csv", data)


def bytes_file(name: str, data: bytes) -> str:
    """Write a file of its own in Gradio's cache; returns its path.

    The folder's name is random, so that nobody can guess another person's file. Gradio removes
    it after the time that ``create_app`` sets.
    """
    base = os.environ.get("GRADIO_TEMP_DIR") or str(Path(tempfile.gettempdir()) / "gradio")
    folder = Path(base).resolve() / secrets.token_hex(16)
    folder.mkdir(parents=True)
    path = folder / Path(name).name
    path.write_bytes(data)
    return str(path)
