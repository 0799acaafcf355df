"""What an encoder's outputs mean: one small class a task, and the table that picks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from lepton_engine.encoding import overlaps
from lepton_engine.errors import InputError
from lepton_engine.predictions import (
    Candidate,
    MaskPrediction,
    NextSentence,
    PairScore,
    VectorPrediction,
    VectorPredictions,
    probabilities,
    softmax,
)
from lepton_engine.results import Classification, ResultList, Stamp
from lepton_engine.runtimes.pooling import HIDDEN, MEAN_VECTOR
from lepton_engine.session import EncoderSession, Work
from lepton_engine.subwords import HubVocabulary

Row = Mapping[str, np.ndarray]
SENTENCE = "sentence_embedding"
CANDIDATES = 5

#: (length, hidden) of a text without padding -> (hidden,)
POOLINGS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda hidden: np.asarray(hidden.mean(axis=0)),
    "cls": lambda hidden: np.asarray(hidden[0]),
    "max": lambda hidden: np.asarray(hidden.max(axis=0)),
}


class Task(Protocol):
    """How one kind of prediction is made; ``pairs`` says whether texts come in pairs."""

    name: str
    outputs: tuple[str, ...]
    pairs: str

    def reduce(self, work: Work, row: Row) -> Any:
        """What is kept of an item's outputs."""
        ...

    def result(self, work: Work, kept: Any, stamp: Stamp) -> Any: ...

    def collect(self, results: Sequence[Any], stamp: Stamp) -> ResultList[Any]: ...


class _Listed:
    def collect(self, results: Sequence[Any], stamp: Stamp) -> ResultList[Any]:
        return ResultList(tuple(results), stamp)


class VectorTask:
    """Pooled and token vectors of an encoder without a head."""

    name = "vectors"
    pairs = "none"

    def __init__(self, session: EncoderSession, pooling: str, normalize: bool) -> None:
        if pooling not in POOLINGS:
            raise InputError(f"There is no pooling “{pooling}”. There are: {', '.join(POOLINGS)}.")
        self._pool = POOLINGS[pooling]
        self._normalize = normalize
        has_own = SENTENCE in session.runtime.signature.outputs
        self.outputs: tuple[str, ...] = (SENTENCE, HIDDEN) if has_own else (HIDDEN,)
        #: All that a caller needs who wants pooled vectors only.
        self.pooled_outputs = self.outputs[:1]
        if not has_own and pooling == "mean" and getattr(session.runtime, "gives_mean", False):
            self.pooled_outputs = (MEAN_VECTOR,)

    def pooled(self, _: Work, row: Row) -> np.ndarray:
        """float32 (dimension,); of length 1 when the model's card asks for it."""
        if SENTENCE in row:
            return row[SENTENCE]
        vector = row[MEAN_VECTOR] if MEAN_VECTOR in row else self._pool(row[HIDDEN])
        if self._normalize:
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return vector.astype(np.float32)

    def reduce(self, work: Work, row: Row) -> tuple[np.ndarray, np.ndarray]:
        return self.pooled(work, row), row[HIDDEN]

    def result(self, work: Work, kept: tuple[np.ndarray, np.ndarray],
               stamp: Stamp) -> VectorPrediction:
        vector, hidden = kept
        item, pieces = work.item, work.pieces
        own = [i for i, special in enumerate(pieces.special) if not special]
        token_vectors = np.ascontiguousarray(hidden[own])
        offsets = tuple(pieces.offsets[i] for i in own) if pieces.offsets else ()
        words = None
        if item.words:
            words = np.zeros((len(item.words), hidden.shape[1]), dtype=np.float32)
            for index, found in enumerate(overlaps(item.word_offsets, offsets)):
                if found:
                    words[index] = token_vectors[found].mean(axis=0)
        return VectorPrediction(
            vectors=vector[None, :], token_vectors=token_vectors,
            tokens=tuple(pieces.tokens[i] for i in own), offsets=offsets, stamp=stamp,
            text=item.text, words=item.words, word_offsets=item.word_offsets,
            word_vectors=words, truncated=pieces.truncated)

    def collect(self, results: Sequence[VectorPrediction], stamp: Stamp) -> VectorPredictions:
        return VectorPredictions(tuple(results), stamp)


class ClassifyTask(_Listed):
    """Labels of a sequence classifier, for a text or a pair."""

    name = "classify"
    pairs = "either"
    outputs: tuple[str, ...] = ("logits",)

    def __init__(self, session: EncoderSession) -> None:
        self._labels = session.runtime.signature.labels

    def reduce(self, _: Work, row: Row) -> np.ndarray:
        return row["logits"]

    def result(self, _: Work, kept: np.ndarray, stamp: Stamp) -> Classification:
        table = probabilities(kept, self._labels or tuple(str(i) for i in range(len(kept))))
        label = max(table, key=lambda name: table[name])
        return Classification(label, table[label], table, stamp)


class ScoreTask(_Listed):
    """One logit for a pair: a cross-encoder."""

    name = "score"
    pairs = "only"
    outputs: tuple[str, ...] = ("logits",)

    def __init__(self, _: EncoderSession) -> None:
        pass

    def reduce(self, _: Work, row: Row) -> float:
        return float(row["logits"][0])

    def result(self, work: Work, kept: float, stamp: Stamp) -> PairScore:
        return PairScore(logistic(kept), kept, stamp, work.pieces.truncated)


class MaskTask(_Listed):
    """The likeliest sub-words for every mask of a text.

    This is the one place where a special token that a person writes is meant as such: the
    session's vocabulary keeps the mask (and nothing else) as a token.
    """

    name = "fill-mask"
    pairs = "none"
    outputs: tuple[str, ...] = ("mlm_logits",)

    def __init__(self, session: EncoderSession, mask_token: str) -> None:
        vocabulary = session.vocabulary
        assert isinstance(vocabulary, HubVocabulary)
        self._vocabulary = vocabulary
        self._token = mask_token
        self._mask = vocabulary.id_of(mask_token)

    def reduce(self, work: Work, row: Row) -> list[tuple[Candidate, ...]]:
        places = [i for i, piece in enumerate(work.pieces.ids) if piece == self._mask]
        if not places:
            raise InputError(f"This model fills gaps, and there is no {self._token} in the text. "
                             f"Write {self._token} where a word is wanted.")
        return [self._best(softmax(row["mlm_logits"][place])) for place in places]

    def _best(self, chances: np.ndarray) -> tuple[Candidate, ...]:
        best = np.argsort(-chances)[:CANDIDATES]
        return tuple(Candidate(self._vocabulary.decode([int(i)]).strip()
                               or self._vocabulary.token(int(i)), float(chances[i]))
                     for i in best)

    def result(self, work: Work, kept: list[tuple[Candidate, ...]],
               stamp: Stamp) -> MaskPrediction:
        return MaskPrediction(tuple(kept), stamp, work.item.text, work.pieces.truncated)


class NextSentenceTask(_Listed):
    """Whether the second text of a pair followed the first (BERT's own head: 0 is "yes")."""

    name = "next-sentence"
    pairs = "only"
    outputs: tuple[str, ...] = ("nsp_logits",)

    def __init__(self, _: EncoderSession) -> None:
        pass

    def reduce(self, _: Work, row: Row) -> float:
        return float(softmax(row["nsp_logits"])[0])

    def result(self, work: Work, kept: float, stamp: Stamp) -> NextSentence:
        return NextSentence(kept >= 0.5, kept, stamp, work.pieces.truncated)


def logistic(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow at either end."""
    return float(0.5 * (1.0 + np.tanh(0.5 * logit)))


def tasks_of(session: EncoderSession, kind: str, options: Mapping[str, object],
             masks: Sequence[str]) -> tuple[Task, ...]:
    """What a loaded encoder can do, the first choice first; without a head it gives vectors."""
    signature = session.runtime.signature
    found: list[Task] = []
    if masks:
        found.append(MaskTask(session, masks[0]))
    if "logits" in signature.outputs:
        single = len(signature.labels) == 1 or kind == "cross-encoder"
        found.append(ScoreTask(session) if single else ClassifyTask(session))
    if "nsp_logits" in signature.outputs:
        found.append(NextSentenceTask(session))
    if HIDDEN in signature.outputs:
        found.append(VectorTask(session, str(options["pooling"]), bool(options["normalize"])))
    return tuple(found)
