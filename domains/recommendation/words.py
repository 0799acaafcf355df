"""How many of a query's telling words a film's text has: the lexical half of the search."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

# Words that tell no film from another.
_COMMON = frozenset(re.findall(r"\w+", """
    a an and are as at be but by can do does for from had has have he her his how i if in into is
    it its like me my not of on one or our she so some something than that the their them then
    there they this to too was we were what when where which who why will with would you your
    about film films movie movies want watch see story stories please any"""))
_ENDINGS = ("ies", "ing", "ers", "er", "ed", "es", "s", "e")


def stems(text: str) -> list[str]:
    """The telling words of an English text in order, without their endings."""
    found = re.findall(r"[^\W_]+", text.casefold())
    return [_stem(word) for word in found if word not in _COMMON]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


class Vocabulary:
    """Which text has which words; rare words weigh more (inverse document frequency)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [frozenset(stems(text)) for text in texts]
        self._counts = Counter(word for words in self._texts for word in words)

    def weight(self, word: str) -> float:
        """ln(1 + (N - n + 0.5) / (n + 0.5)), as in BM25 (Robertson and Zaragoza 2009)."""
        with_word = self._counts[word]
        return math.log(1 + (len(self._texts) - with_word + 0.5) / (with_word + 0.5))

    def shares(self, query: str) -> np.ndarray:
        """Per text, the share of the query's word weight that it has; float32 (texts,), 0..1."""
        words = list(dict.fromkeys(stems(query)))
        total = sum(self.weight(word) for word in words)
        if not total:
            return np.zeros(len(self._texts), dtype=np.float32)
        return np.array([sum(self.weight(word) for word in words if word in have) / total
                         for have in self._texts], dtype=np.float32)
