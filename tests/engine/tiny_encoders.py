"""Tiny encoders built in memory: random weights from a seed, a real WordPiece vocabulary."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["reset", "my", "password", "the", "card", "was", "lost", "film", "paris", "bank", "hello",
         "world", "cafe", "你", "好", "世", "界", "##ing", "##ed", "##s"]
TEXTS = ["reset my password", "The card was lost!", "hello", "你好，世界",
         "a film in paris, and the bank of the world; reseting passwords" * 2, "cafe\u0301 x"]
LABELS = {0: "negative", 1: "neutral", 2: "positive"}


def build(folder: Path, kind: str = "Model", *, seed: int = 0, **extra: Any) -> Path:
    """Write config, safetensors and tokenizer of a two-layer ``Bert<kind>`` and return the folder.

    ``kind``: Model, ForSequenceClassification, ForPreTraining, ForMaskedLM,
    ForNextSentencePrediction. ``extra`` goes into the configuration.
    """
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    size = save_tokenizer(folder)
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=48, **extra)
    model = getattr(transformers, f"Bert{kind}")(config)
    with torch.no_grad():  # wide enough that heads and positions matter in the outputs
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "LayerNorm" not in name:
                parameter.normal_(0, 0.2)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tokenizer(folder: Path) -> int:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``; returns the vocabulary's size."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation, "，"]
    vocabulary = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *WORDS]
    table = {token: index for index, token in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(table, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", table["[CLS]"]), ("[SEP]", table["[SEP]"])])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    # As published tokenizers have it: cut and padded at a length of their own, to be undone.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "BertTokenizer", "mask_token": "[MASK]"}), encoding="utf-8")
    return len(table)


def hidden_states(folder: Path, text: str, second: str | None = None) -> Any:
    """(length, hidden) and the pooled classifier logits are compared with: plain transformers on
    one text without padding."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.no_grad():
        return model(**as_inputs(folder, text, second)).last_hidden_state[0].numpy()


def as_inputs(folder: Path, text: str, second: str | None = None) -> dict[str, Any]:
    """Tensors (1, length) by the published tokenizer, uncut."""
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoding = tokenizer.encode(text, second)
    return {"input_ids": torch.tensor([encoding.ids]),
            "attention_mask": torch.ones((1, len(encoding.ids)), dtype=torch.int64),
            "token_type_ids": torch.tensor([encoding.type_ids])}


def without(source: Path, *parts: str) -> None:
    """Take the weights whose names contain one of ``parts`` out of the files."""
    from safetensors.numpy import load_file, save_file

    path = source / "model.safetensors"
    kept = {k: v for k, v in load_file(path).items() if not any(p in k for p in parts)}
    save_file(kept, path, metadata={"format": "pt"})
