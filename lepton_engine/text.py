"""Makes text from outside safe to hand on: to tokenizers, pages, JSON and logs; and the one
way in which numbers are written for people."""

from __future__ import annotations

import math
import re
import unicodedata

_LINE_ENDS = re.compile(r"\r\n?|\u2028|\u2029")
# Control characters (C0 without tab and newline, DEL, C1), the byte-order mark, and the
# direction overrides, with which a text can show itself in another order than it is read.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\u202a-\u202e\u2066-\u2069]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` in Unicode's NFC form, without what only breaks the parts that read it.

    Lone surrogates (which no UTF-8 can hold) become U+FFFD, every line end becomes a
    newline, and control characters but newline and tab are dropped. Letters, spaces and
    punctuation stay as they are; ``clean(clean(t)) == clean(t)``.
    """
    text = _LINE_ENDS.sub("\n", text)
    # A high and a low half side by side are one character that came through UTF-16.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = _CONTROL.sub("", _LONE_SURROGATE.sub("\ufffd", text))
    return unicodedata.normalize("NFC", text)


def word_set(words: str) -> frozenset[str]:
    """A set from a list of words with white space between them; for tables in the code."""
    return frozenset(words.split())


def three(value: float | None, unit: str = "") -> str:
    """Three significant digits: 0.85671 -> 0.857, 1234.5 -> 1,230; None or no number -> a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        text = "0"
    else:
        places = 2 - math.floor(math.log10(abs(value)))
        rounded = round(float(value), places)
        # Rounding may carry into a further digit: 0.9996 -> 1.00, 99.96 -> 100.
        places = 2 - math.floor(math.log10(abs(rounded)))
        text = f"{rounded:,.{max(places, 0)}f}"
    return f"{text} {unit}" if unit else text
