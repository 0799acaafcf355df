"""What a tokenizer hands over: tokens with their characters, and encodings of them.

Offsets are ``(start, end)`` in characters of ``text``; they tie together tokenizers and
models that cut the same text differently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from lepton_engine.errors import InputError

Span = tuple[int, int]
_SURROGATE = re.compile("[\ud800-\udfff]")


def plain_text(text: object) -> str:
    """``text`` as a str in which every lone surrogate is U+FFFD (one for one: offsets hold).

    Raises:
        InputError: not a str, or nothing but white space.
    """
    if not isinstance(text, str):
        raise InputError(f"A text must be a str, not {type(text).__name__}.")
    if not text.strip():
        raise InputError("The text is empty. Write at least one word.")
    return _SURROGATE.sub("�", text)


class TokenIds(np.ndarray[Any, np.dtype[np.int64]]):
    """An int64 array that remembers of which vocabulary its ids are.

    ``vocabulary`` is the sha256 of the vocabulary; it survives slicing and copying, and a
    model refuses ids whose vocabulary is not its own.
    """

    vocabulary: str

    def __new__(cls, ids: object, vocabulary: str) -> TokenIds:
        array = np.asarray(ids, dtype=np.int64).view(cls)
        array.vocabulary = vocabulary
        return array

    def __array_finalize__(self, source: object) -> None:
        self.vocabulary = getattr(source, "vocabulary", "")


@dataclass(frozen=True, eq=False)
class Tokens(Sequence[str]):
    """The tokens of one text. Equal to any sequence of the same strings.

    ``offsets`` has one character span a token; ``served_by`` says what really cut the text.
    """

    words: tuple[str, ...]
    offsets: tuple[Span, ...]
    text: str
    served_by: str

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self.words[index]

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return list(self.words) == list(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.words)

    def __str__(self) -> str:
        return str(list(self.words))

    @classmethod
    def joined(cls, words: Sequence[str], served_by: str) -> Tokens:
        """Tokens of a plain list: the offsets refer to ``" ".join(words)``.

        Raises:
            InputError: not every item is a str, or there is no character at all.
        """
        for word in words:
            if not isinstance(word, str):
                raise InputError(f"A token must be a str, not {type(word).__name__}.")
        starts = np.cumsum([0, *(len(word) + 1 for word in words)]).tolist()
        text = plain_text(" ".join(words))
        spans = tuple((start, start + len(word))
                      for start, word in zip(starts, words, strict=False))
        return cls(tuple(text[start:end] for start, end in spans), spans, text, served_by)


@dataclass(frozen=True, eq=False)
class Encoding:
    """One text ready for a model: its words, and the ids where a sub-word tokenizer made it.

    ``input_ids`` and ``attention_mask`` are int64 (1, length), with the separators that the
    vocabulary's models expect; None from a tokenizer of words. ``vocabulary`` is the sha256
    of the vocabulary, empty without ids.
    """

    words: tuple[str, ...]
    offsets: tuple[Span, ...]
    text: str
    served_by: str
    input_ids: TokenIds | None = None
    attention_mask: np.ndarray | None = None
    vocabulary: str = ""

    def __len__(self) -> int:
        return len(self.words)


def overlaps(words: Sequence[Span], pieces: Sequence[Span]) -> list[list[int]]:
    """For each word the indices of the pieces that share a character with it.

    Both sequences run from left to right. A piece may belong to two words (a tokenizer that
    cuts elsewhere), and a word may have none (white space, or beyond the truncation).
    """
    found: list[list[int]] = []
    first = 0
    for start, end in words:
        while first < len(pieces) and pieces[first][1] <= start:
            first += 1
        row: list[int] = []
        index = first
        while index < len(pieces) and pieces[index][0] < end:
            if pieces[index][1] > start:
                row.append(index)
            index += 1
        found.append(row)
    return found
