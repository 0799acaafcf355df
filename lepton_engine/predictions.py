"""What ``LeptonModel.predict`` gives, by task. Labels are ``results.Classification``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_engine.encoding import Span
from lepton_engine.results import ResultList, Stamp

if TYPE_CHECKING:
    import pandas as pd


class _Shown:
    """``print`` shows what ``to_text`` says; ``to_frame`` is a table of one row."""

    def to_text(self) -> str:
        raise NotImplementedError

    def to_row(self) -> dict[str, Any]:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.to_text()

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([self.to_row()])


@dataclass(frozen=True, eq=False)
class VectorPrediction(_Shown):
    """One text in numbers, tied to its characters.

    Attributes:
        vectors: float32 (1, dimension), pooled over the text, of length 1 where the model's
            card asks for it. ``vector`` is the same as (dimension,).
        token_vectors: float32 (sub-words, hidden); ``tokens`` and ``offsets`` (character spans
            of ``text``) have one entry each. A text's separators are left out; ids that were
            given as ids are all kept, and have no offsets.
        word_vectors: float32 (words, hidden): the mean over the sub-words that share a
            character with the word; a row of zeros for a word that has none (white space, or
            past the model's length). None where the caller gave no words.
    """

    vectors: np.ndarray
    token_vectors: np.ndarray
    tokens: tuple[str, ...]
    offsets: tuple[Span, ...]
    stamp: Stamp
    text: str = ""
    words: tuple[str, ...] = ()
    word_offsets: tuple[Span, ...] = ()
    word_vectors: np.ndarray | None = None
    truncated: bool = False

    @property
    def vector(self) -> np.ndarray:
        return np.asarray(self.vectors[0])

    def to_text(self) -> str:
        first = ", ".join(f"{value:.3g}" for value in self.vector[:3])
        return (f"a vector of {self.vectors.shape[1]} dimensions ({first}, …) over "
                f"{len(self.tokens)} sub-words; {self.stamp.to_text()}")

    def to_row(self) -> dict[str, Any]:
        return {"text": self.text, "tokens": len(self.tokens),
                **{f"v{index}": float(value) for index, value in enumerate(self.vector)}}


@dataclass(frozen=True)
class VectorPredictions(ResultList[VectorPrediction]):
    """Many texts: ``vectors`` is float32 (texts, dimension)."""

    @property
    def vectors(self) -> np.ndarray:
        return np.concatenate([item.vectors for item in self.items])

    @property
    def token_vectors(self) -> tuple[np.ndarray, ...]:
        """One (sub-words, hidden) a text."""
        return tuple(item.token_vectors for item in self.items)


@dataclass(frozen=True)
class PairScore(_Shown):
    """How well a passage fits a query: ``score`` 0..1 is the logistic of ``logit``."""

    score: float
    logit: float
    stamp: Stamp
    truncated: bool = False

    def to_text(self) -> str:
        return f"{self.score:.3g}"

    def to_row(self) -> dict[str, Any]:
        return {"score": self.score, "logit": self.logit}


@dataclass(frozen=True)
class Candidate:
    """One sub-word for a gap, with its probability among the whole vocabulary."""

    token: str
    probability: float


@dataclass(frozen=True)
class MaskPrediction(_Shown):
    """The likeliest sub-words for each gap of a text, best first."""

    gaps: tuple[tuple[Candidate, ...], ...]
    stamp: Stamp
    text: str = ""
    truncated: bool = False

    @property
    def filled(self) -> tuple[str, ...]:
        """The best sub-word of each gap."""
        return tuple(gap[0].token for gap in self.gaps)

    def to_text(self) -> str:
        return "; ".join(", ".join(f"{c.token} ({c.probability:.3g})" for c in gap)
                         for gap in self.gaps)

    def to_row(self) -> dict[str, Any]:
        return {f"gap{number}": gap[0].token for number, gap in enumerate(self.gaps, 1)}

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([{"gap": number, "token": c.token, "probability": c.probability}
                             for number, gap in enumerate(self.gaps, 1) for c in gap])


@dataclass(frozen=True)
class NextSentence(_Shown):
    """Whether the second text followed the first: ``probability`` 0..1 that it did."""

    follows: bool
    probability: float
    stamp: Stamp
    truncated: bool = False

    def to_text(self) -> str:
        return f"{'follows' if self.follows else 'does not follow'} ({self.probability:.3g})"

    def to_row(self) -> dict[str, Any]:
        return {"follows": self.follows, "probability": self.probability}


@dataclass(frozen=True)
class Completion(_Shown):
    """What a decoder wrote after a text. ``finish_reason``: stop, length or deadline."""

    text: str
    stamp: Stamp
    finish_reason: str
    prompt: str = ""

    def to_text(self) -> str:
        return self.text

    def to_row(self) -> dict[str, Any]:
        return {"prompt": self.prompt, "text": self.text, "finish_reason": self.finish_reason}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    raised = np.exp(shifted)
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def probabilities(logits: np.ndarray, labels: tuple[str, ...]) -> Mapping[str, float]:
    """{label: probability} in the order of the labels; they sum to 1."""
    return dict(zip(labels, softmax(logits).tolist(), strict=True))
