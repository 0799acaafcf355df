"""Small tokenizers of the real kinds, in the place where the engine's store has the models'."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from lepton_engine.text import word_set

WORDS = word_set("""the a is of card bank price token ##izer ##ize ##s ##ing ##ed un ##believ ##able
new profit share ##rupt 的 新 卡 您""")


class FakeStore:
    """What `Tokenizer.from_pretrained` needs of a store: WordPiece, and BPE for decoders."""

    @cached_property
    def folder(self) -> Path:
        return Path(tempfile.mkdtemp())

    def fetch(self, spec: Any, *_: Any) -> Path:
        return self._made("wordpiece", word_piece)

    def converted(self, key: Mapping[str, Any], *_: Any) -> Path:
        return self._made("bpe", byte_pairs)

    def _made(self, name: str, make: Any) -> Path:
        folder = self.folder / name
        if not folder.is_dir():
            folder.mkdir()
            make().save(str(folder / "tokenizer.json"))
        return folder


def word_piece() -> Any:
    """Lower case, single Latin letters and a few words; all else is [UNK]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,:()"
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters),
             *sorted(WORDS)]
    vocabulary = {name: i for i, name in enumerate(dict.fromkeys(names))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def byte_pairs() -> Any:
    """Bytes, and pairs learned from a few sentences."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=320, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([" ".join(sorted(WORDS))] * 3, trainer)
    return tokenizer
