"""Makes text from outside safe to hand on: to tokenizers, pages, JSON and logs."""

from __future__ import annotations

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
