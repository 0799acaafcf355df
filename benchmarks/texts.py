"""Texts to be encoded: distinct ones, of 5 to 120 words, the same for whoever gives the seed.

They are runs of whole words from the introductions of the store's films, each beginning where
a sentence begins: real English with names, numbers and rare words, none of it in the texts
that the static int8 variants were calibrated on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

SHORTEST, LONGEST = 5, 120
#: Words of the texts that are encoded one at a time.
ONE_SENTENCE = (10, 25)
_ENDS = (".", "!", "?")


class TextSource:
    """Hands out texts that it never hands out twice."""

    def __init__(self, introductions: list[str], seed: int) -> None:
        self._words = [words for text in introductions if len(words := text.split()) >= SHORTEST]
        self._random = random.Random(seed)
        self._given: set[str] = set()

    @classmethod
    def of_films(cls, folder: Path, seed: int) -> TextSource:
        """From the folder of the catalogue's data set ``films``."""
        found = json.loads((folder / "movie_summaries.json").read_text(encoding="utf-8"))
        return cls(list(found.values()), seed)

    def take(self, count: int, low: int = SHORTEST, high: int = LONGEST) -> list[str]:
        """``count`` texts whose numbers of words are spread evenly over ``low..high``."""
        texts: list[str] = []
        lengths = self._lengths(count, low, high)
        for length in lengths:
            text = self._new(length)
            self._given.add(text)
            texts.append(text)
        return texts

    def _lengths(self, count: int, low: int, high: int) -> list[int]:
        # Spread evenly and then shuffled: every call has the same work in another order.
        lengths = [low + index * (high - low + 1) // count for index in range(count)]
        self._random.shuffle(lengths)
        return lengths

    def _new(self, length: int) -> str:
        for _ in range(1000):
            words = self._random.choice(self._words)
            if len(words) < length:
                continue
            start = self._random.choice(list(_starts(words, length)))
            text = " ".join(words[start:start + length])
            if text not in self._given:
                return text
        raise ValueError(f"there is no further text of {length} words")


def _starts(words: list[str], length: int) -> Iterator[int]:
    """Places where a sentence begins with ``length`` words from there on; 0 is always one."""
    yield 0
    for place in range(1, len(words) - length + 1):
        if words[place - 1].endswith(_ENDS):
            yield place
