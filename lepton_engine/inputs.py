"""What ``predict`` accepts, turned into one kind of item before any model sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lepton_engine.encoding import Encoding, Span, Tokens, plain_text
from lepton_engine.errors import InputError, LimitError

_ACCEPTED = ("a text, a list of texts, a pair of texts as a tuple, an Encoding, "
             "or input ids of shape (batch, length)")


@dataclass(frozen=True, eq=False)
class Item:
    """One thing to predict on: a text, a pair (``second``), a text with its caller's words and
    their character spans, or ids that are used as they are."""

    text: str = ""
    second: str | None = None
    words: tuple[str, ...] = ()
    word_offsets: tuple[Span, ...] = ()
    ids: tuple[int, ...] = ()

    @property
    def content(self) -> str | tuple[str, str]:
        """What a vocabulary encodes."""
        return self.text if self.second is None else (self.text, self.second)


def read_inputs(inputs: object, attention_mask: object = None, *, vocabulary: str = "",
                vocabulary_size: int = 0, max_length: int = 0) -> tuple[list[Item], bool]:
    """The items, and whether the caller gave a single one (and so gets a single result).

    A tuple of two texts is one pair; a list is a batch. ``vocabulary`` (the model's sha256),
    ``vocabulary_size`` and ``max_length`` are what ids are checked against.

    Raises:
        InputError: a wrong type, an empty text or batch, ids of another vocabulary.
        LimitError: more ids than the model has positions.
    """
    if isinstance(inputs, Mapping):
        table: Mapping[str, object] = inputs
        inputs, attention_mask = table.get("input_ids"), table.get("attention_mask")
    if _holds_ids(inputs):
        rows = _id_rows(inputs, attention_mask, vocabulary, vocabulary_size, max_length)
        return [Item(ids=row) for row in rows], False
    if attention_mask is not None:
        raise InputError("An attention mask belongs to input ids; texts need none.")
    single = _one(inputs)
    if single is not None:
        return [single], True
    if not isinstance(inputs, Sequence) or isinstance(inputs, bytes):
        raise InputError(f"predict takes {_ACCEPTED}, not {type(inputs).__name__}.")
    if not inputs:
        raise InputError("The list is empty. Give at least one text.")
    items = [_one(item) for item in inputs]
    for item, given in zip(items, inputs, strict=True):
        if item is None:
            raise InputError(f"An item of the list is {type(given).__name__}; "
                             f"predict takes {_ACCEPTED}.")
    return [item for item in items if item is not None], False


def _one(value: object) -> Item | None:
    """A single item, or None when ``value`` is none (a list of items, a wrong type)."""
    if isinstance(value, str):
        return Item(plain_text(value))
    if isinstance(value, (Encoding, Tokens)):
        return Item(plain_text(value.text), words=value.words, word_offsets=value.offsets)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, str) for v in value):
        return Item(plain_text(value[0]), plain_text(value[1]))
    return None


def _holds_ids(value: object) -> bool:
    """Arrays and tensors, and lists of lists of whole numbers."""
    if isinstance(value, (str, bytes, Tokens, Encoding)) or value is None:
        return False
    if hasattr(value, "__array__"):
        return True
    return (isinstance(value, Sequence) and len(value) > 0
            and all(isinstance(v, int) or (isinstance(v, list) and v and isinstance(v[0], int))
                    for v in value))


def _array(value: object, what: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"The {what} must be rows of equal length. "
                         "Pad the shorter ones and mask them.") from error
    if array.dtype.kind not in "iub":
        raise InputError(f"The {what} must hold whole numbers, not {array.dtype}.")
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"The {what} must have the shape (batch, length), not {array.shape}.")
    return array


def _id_rows(ids: object, mask: object, vocabulary: str, size: int,
             max_length: int) -> list[tuple[int, ...]]:
    theirs = getattr(ids, "vocabulary", "")
    if theirs and vocabulary and theirs != vocabulary:
        raise InputError("These ids were made with another vocabulary "
                         f"({theirs[:8]}, this model's is {vocabulary[:8]}), so they mean other "
                         "words here. Pass the encoding or the text itself instead.")
    array = _array(ids, "input ids")
    ones = np.ones_like(array) if mask is None else _array(mask, "attention mask")
    if ones.shape != array.shape:
        raise InputError(f"The attention mask has the shape {ones.shape}, the input ids have "
                         f"{array.shape}. They must be the same.")
    if not np.isin(ones, (0, 1)).all() or not ones.any(axis=1).all():
        raise InputError("The attention mask must hold 1 for an id and 0 for padding, with at "
                         "least one 1 in every row.")
    if _has_hole(ones):
        raise InputError("The ones of an attention mask must stand together in each row.")
    kept = array[ones == 1]
    if kept.min() < 0 or (size and kept.max() >= size):
        raise InputError(f"The input ids must lie between 0 and {size - 1:,}, "
                         "the model's vocabulary.")
    longest = int(ones.sum(axis=1).max())
    if max_length and longest > max_length:
        raise LimitError(f"The model reads at most {max_length:,} ids at once; "
                         f"a row has {longest:,}. Cut it into shorter ones.")
    return [tuple(row[keep == 1].tolist()) for row, keep in zip(array, ones, strict=True)]


def _has_hole(mask: np.ndarray) -> bool:
    starts = np.diff(np.pad(mask.astype(np.int64), ((0, 0), (1, 0))), axis=1) == 1
    return bool((starts.sum(axis=1) > 1).any())
