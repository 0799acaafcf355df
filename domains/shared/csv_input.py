"""CSV files as people send them: decoded and cut into rows, or a sentence on what is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from lepton_engine.errors import InputError, LimitError

_DELIMITERS = (",", ";", "\t")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decoded(data: bytes, most_bytes: int, form: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    ``form`` is the sentence that says what to send.

    Raises:
        InputError: another encoding. LimitError: larger than ``most_bytes``.
    """
    if len(data) > most_bytes:
        raise LimitError(f"The file is larger than {most_bytes / 1e6:.0f} MB. Split it.")
    if data.startswith(_BYTE_ORDER_MARKS):
        raise InputError("The file is in UTF-16. Save it as “CSV UTF-8” and send it again.")
    if b"\0" in data:
        raise InputError("The file has NUL bytes, so it is no text. " + form)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"Line {line} of the file is not UTF-8. Save it as “CSV UTF-8” and "
                         "send it again.") from None


def rows_of(text: str) -> Iterator[list[str]]:
    """The rows; the first line tells whether commas, semicolons or tabs part the cells.

    Raises:
        InputError: a quotation mark out of place, or a field past csv's limit. ``strict``
            makes the reader refuse quotes that do not close.
    """
    first = text.lstrip("\r\n").splitlines()[:1]
    delimiter = max(_DELIMITERS, key=first[0].count) if first else ","
    reader = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter,
                        strict=True)
    try:
        yield from reader
    except csv.Error as error:
        problem = ("a quotation mark that never closes" if "unexpected end" in str(error)
                   else "a quotation mark in the wrong place" if "expected after" in str(error)
                   else "a field that is too long or broken")
        raise InputError(f"The file has {problem} near line {reader.line_num}. Check whether it "
                         "is complete, and double the quotation marks inside a field.") from None
