"""Sub-word vocabularies: from texts to the ids of one model, with special tokens as text.

A separator or a role that a user types is text like any other: every vocabulary here is
opened so that only the model's own template inserts such ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lepton_engine.encoding import Span
from lepton_engine.errors import ModelUnavailableError

if TYPE_CHECKING:
    import tokenizers


@dataclass(frozen=True)
class Pieces:
    """One text, or a pair, in ids. ``special`` marks ids that stand for no character.

    ``offsets`` are characters of the text that ``type_ids`` names (0 first, 1 second).
    """

    ids: Sequence[int]
    type_ids: Sequence[int]
    tokens: Sequence[str] = ()
    offsets: Sequence[Span] = ()
    special: Sequence[int] = ()
    truncated: bool = False


class Vocabulary(Protocol):
    """What a model needs of its tokenizer; safe to call from threads."""

    digest: str
    size: int
    pad_id: int
    served_by: str

    def encode(self, texts: Sequence[str] | Sequence[tuple[str, str]],
               spans: bool = True) -> list[Pieces]:
        """Ids with the model's separators; tokens and offsets too when ``spans``."""
        ...

    def token(self, index: int) -> str: ...


def vocabulary_digest(vocabulary: Mapping[str, int]) -> str:
    """sha256 over ``token TAB id`` in the order of the ids; equal tables give equal digests."""
    digest = hashlib.sha256()
    for token, index in sorted(vocabulary.items(), key=lambda pair: (pair[1], pair[0])):
        digest.update(f"{token}\t{index}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class HubVocabulary:
    """A ``tokenizers`` tokenizer (WordPiece, BPE, Unigram) opened for one model.

    Args:
        max_length: cut texts here, separators counted; None: never.
        keep: special tokens which a text may contain on purpose: the mask of a fill-mask model.
        bare: for decoders, whose prompts are put together elsewhere: no added token and no
            separator exists.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, max_length: int | None = None,
                 keep: Sequence[str] = (), bare: bool = False) -> None:
        self.digest = vocabulary_digest(tokenizer.get_vocab())
        self.size = int(tokenizer.get_vocab_size())
        self.served_by = f"{type(tokenizer.model).__name__} of {self.size:,} sub-words"
        self.pad_id = _pad_id(tokenizer)
        table: dict[str, Any] = json.loads(tokenizer.to_str())
        kept = {tokenizer.token_to_id(token) for token in keep}
        unknown = _unknown_id(tokenizer, table)
        self._substitute = self.pad_id if unknown is None else unknown
        self._forbidden = {added["id"] for added in table["added_tokens"]
                           if added["special"]} - kept - {unknown}
        self._tokenizer = _text_only(table, keep, bare)
        if max_length is not None:
            self._tokenizer.enable_truncation(max_length)

    @classmethod
    def from_folder(cls, folder: Path, max_length: int | None = None,
                    keep: Sequence[str] = (), bare: bool = False) -> HubVocabulary:
        """Open ``tokenizer.json``. Raises ModelUnavailableError where there is none."""
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelUnavailableError("The model's folder has no tokenizer.json. Add the one "
                                        "that its publisher provides.")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelUnavailableError("The model's tokenizer.json cannot be read "
                                        f"({type(error).__name__}). Fetch it anew.") from error
        return cls(tokenizer, max_length, keep, bare)

    def encode(self, texts: Sequence[str] | Sequence[tuple[str, str]],
               spans: bool = True) -> list[Pieces]:
        if not spans:
            return [Pieces(self._safe(e), e.type_ids, truncated=bool(e.overflowing))
                    for e in self._tokenizer.encode_batch_fast(list(texts))]
        return [Pieces(self._safe(e), e.type_ids, e.tokens, e.offsets, e.special_tokens_mask,
                       bool(e.overflowing))
                for e in self._tokenizer.encode_batch(list(texts))]

    def _safe(self, encoding: tokenizers.Encoding) -> list[int]:
        """Ids in which a special one stands only where the template put it: a Unigram model may
        hold ``<s>`` among its ordinary pieces and find it in a text."""
        ids: list[int] = encoding.ids
        if self._forbidden.isdisjoint(ids):
            return ids
        return [self._substitute if index in self._forbidden and not special else index
                for index, special in zip(ids, encoding.special_tokens_mask, strict=True)]

    def token(self, index: int) -> str:
        return self._tokenizer.id_to_token(index) or ""

    def id_of(self, token: str) -> int | None:
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids)))


def _text_only(table: dict[str, Any], keep: Sequence[str], bare: bool) -> tokenizers.Tokenizer:
    """The tokenizer of a ``tokenizer.json`` for which special tokens in a text are text."""
    from tokenizers import Tokenizer

    if bare:
        table["added_tokens"], table["post_processor"] = [], None
    for added in table["added_tokens"]:
        if added["content"] in keep:
            added["special"] = False  # the switch below concerns special ones only
    tokenizer = Tokenizer.from_str(json.dumps(table, ensure_ascii=False))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def _pad_id(tokenizer: tokenizers.Tokenizer) -> int:
    if tokenizer.padding:
        return int(tokenizer.padding["pad_id"])
    names = ("[PAD]", "<pad>", "<|endoftext|>")
    return next((i for i in map(tokenizer.token_to_id, names) if i is not None), 0)


def _unknown_id(tokenizer: tokenizers.Tokenizer, table: Mapping[str, Any]) -> int | None:
    model = table["model"]
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    token = model.get("unk_token")
    found: int | None = tokenizer.token_to_id(token) if token else None
    return found


def open_vocabulary(folder: Path, max_length: int | None = None,
                    keep: Sequence[str] = ()) -> Vocabulary:
    """SentencePiece where the folder has ``sp.model``, else ``tokenizer.json``."""
    pieces = folder / "sp.model"
    if pieces.is_file():
        return SentencePieceVocabulary(pieces, max_length)
    return HubVocabulary.from_folder(folder, max_length, keep)


class SentencePieceVocabulary:
    """A SentencePiece model with a begin and an end id round every text."""

    def __init__(self, path: Path, max_length: int | None = None) -> None:
        import sentencepiece

        # The model is a protobuf that holds tables only; nothing in it is executed.
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self._max_length = max_length
        self.size = int(self._processor.get_piece_size())
        self.served_by = f"SentencePiece of {self.size:,} sub-words"
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.pad_id = 0

    def encode(self, texts: Sequence[str] | Sequence[tuple[str, str]],
               spans: bool = True) -> list[Pieces]:
        return [self._one(text, spans) for text in texts if isinstance(text, str)]

    def _one(self, text: str, spans: bool) -> Pieces:
        processor = self._processor
        ids: list[int] = []
        tokens: list[str] = []
        offsets: list[Span] = []
        if spans:
            found = processor.encode(text, return_type="offset_mapping")
            ids, tokens, offsets = found["ids"], found["pieces"], found["offsets"]
        else:
            ids = processor.encode(text)
        ids = ids or [processor.unk_id()]
        room = len(ids) if self._max_length is None else self._max_length - 2
        truncated = len(ids) > room
        ids, tokens, offsets = ids[:room], tokens[:room], offsets[:room]
        whole = [processor.bos_id(), *ids, processor.eos_id()]
        if not spans:
            return Pieces(whole, [0] * len(whole), truncated=truncated)
        offsets = offsets or [(0, len(text))]
        tokens = tokens or ["<unk>"]
        return Pieces(whole, [0] * len(whole), ["<s>", *tokens, "</s>"],
                      [(0, 0), *offsets, (0, 0)], [1, *[0] * len(ids), 1], truncated)

    def token(self, index: int) -> str:
        return str(self._processor.id_to_piece(index))
