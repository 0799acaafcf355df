"""Tokenizer: from a text to words or sub-words, each tied to its characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lepton_engine.catalog import Store, catalogue
from lepton_engine.encoding import Encoding, TokenIds, Tokens, plain_text
from lepton_engine.errors import InputError, UnknownNameError
from lepton_engine.lazy import spacy_module
from lepton_engine.settings import Settings
from lepton_engine.subwords import HubVocabulary, Vocabulary, open_vocabulary

if TYPE_CHECKING:
    from lepton_engine.catalog import ModelSpec
    from lepton_engine.runtimes.encoders import ConvertedStore

#: spaCy's languages whose words need no further package, by the code in an alias.
SPACY_LANGUAGES: Mapping[str, str] = {
    code: code for code in ("xx", "en", "zh", "de", "es", "fr", "it", "nl", "pt", "pl", "ru",
                            "tr", "ar", "sv", "da", "fi", "el", "hu", "cs", "ro", "hi")
} | {"multilingual": "xx", "english": "en", "chinese": "zh"}
#: Sizes of spaCy's pipelines. They share their language's tokenizer, so none changes the words.
SPACY_SIZES = ("", "sm", "md", "lg", "trf", "small", "medium", "large")


class Splitter(Protocol):
    """Cuts a text into tokens and makes an encoding of it."""

    served_by: str

    def tokens(self, text: str) -> Tokens: ...

    def encode(self, tokens: Tokens) -> Encoding: ...


class SpacyWords:
    """The words of ``spacy.blank(language)``; Chinese is cut into characters."""

    def __init__(self, language: str) -> None:
        self._pipeline: Any = spacy_module().blank(language)
        self.served_by = f'spacy.blank("{language}")'

    def tokens(self, text: str) -> Tokens:
        words = [word for word in self._pipeline.tokenizer(text) if not word.is_space]
        return Tokens(tuple(word.text for word in words),
                      tuple((word.idx, word.idx + len(word.text)) for word in words),
                      text, self.served_by)

    def encode(self, tokens: Tokens) -> Encoding:
        return Encoding(tokens.words, tokens.offsets, tokens.text, tokens.served_by)


class Subwords:
    """The sub-words of a model's own vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.served_by = vocabulary.served_by

    def tokens(self, text: str) -> Tokens:
        pieces = self._vocabulary.encode([text])[0]
        own = [i for i, special in enumerate(pieces.special) if not special]
        return Tokens(tuple(pieces.tokens[i] for i in own),
                      tuple(pieces.offsets[i] for i in own), text, self.served_by)

    def encode(self, tokens: Tokens) -> Encoding:
        ids = self._vocabulary.encode([tokens.text], spans=False)[0].ids
        return Encoding(tokens.words, tokens.offsets, tokens.text, tokens.served_by,
                        TokenIds([ids], self._vocabulary.digest),
                        np.ones((1, len(ids)), dtype=np.int64), self._vocabulary.digest)


class Tokenizer:
    """Cuts texts into tokens and encodes them for any model.

    Special tokens in a text are text: ``[SEP]`` or ``<|im_end|>`` that a person typed never
    becomes the id of that name.

    Attributes:
        served_by: what really cuts the text, such as ``spacy.blank("xx")``.
        vocabulary: sha256 of the sub-word vocabulary; empty where words are cut.
    """

    def __init__(self, splitter: Splitter, vocabulary: str = "") -> None:
        self._splitter = splitter
        self.served_by = splitter.served_by
        self.vocabulary = vocabulary

    @classmethod
    def from_pretrained(cls, name: str, *, store: ConvertedStore | None = None) -> Tokenizer:
        """By a spaCy alias (``spacy-xx-large``, ``spacy-zh``), a model's name, or a folder.

        A model brings its own: WordPiece (``minilm-l6``), BPE (``qwen-0.5b``), SentencePiece
        (``use-multilingual``).

        Raises:
            UnknownNameError, ModelUnavailableError (and its kinds).
        """
        if name.startswith("spacy-") or name == "spacy":
            return cls(SpacyWords(spacy_language(name)))
        spec = catalogue().resolve(name)
        if spec.kind == "data":
            raise InputError(f"{spec.alias} is a data set and has no tokenizer.")
        place = Store(Settings.from_env()) if store is None else store
        vocabulary: Vocabulary
        if spec.kind == "decoder":
            vocabulary = _decoder_vocabulary(spec, place)
        else:
            vocabulary = open_vocabulary(place.fetch(spec))
        return cls(Subwords(vocabulary), vocabulary.digest)

    def tokenize(self, text: str) -> Tokens:
        """The tokens of a text: a sequence of str with ``.text``, ``.offsets``, ``.served_by``.

        Raises:
            InputError: not a str, or nothing but white space.
        """
        return self._splitter.tokens(plain_text(text))

    def encode(self, tokens: Tokens | Sequence[str] | str) -> Encoding:
        """Ready for ``LeptonModel.predict``: the words with their offsets and the text, and
        for sub-words also ids, mask and the digest of the vocabulary.

        A plain list of str keeps its words; offsets then refer to ``" ".join(tokens)``.
        """
        if isinstance(tokens, str):
            tokens = self.tokenize(tokens)
        if not isinstance(tokens, Tokens):
            if not isinstance(tokens, Sequence) or isinstance(tokens, bytes):
                raise InputError("encode takes tokens, a list of str or a text, "
                                 f"not {type(tokens).__name__}.")
            tokens = Tokens.joined(tokens, "the caller's own list")
        return self._splitter.encode(tokens)

    def __repr__(self) -> str:
        return f"Tokenizer({self.served_by})"


def spacy_language(alias: str) -> str:
    """The language of ``spacy-xx-large``. Raises UnknownNameError for any other form."""
    _, _, rest = alias.partition("-")
    language, _, size = rest.partition("-")
    if language not in SPACY_LANGUAGES or size not in SPACY_SIZES:
        raise UnknownNameError.of("spaCy tokenizer", alias,
                                  [f"spacy-{code}" for code in SPACY_LANGUAGES])
    return SPACY_LANGUAGES[language]


def _decoder_vocabulary(spec: ModelSpec, store: Any) -> HubVocabulary:
    """A decoder's BPE, taken out of its GGUF once and kept in the store."""
    from lepton_engine.runtimes.decoders import decoder_tokenizer_folder

    return HubVocabulary.from_folder(decoder_tokenizer_folder(spec, store), bare=True)
