"""Tiny transformers in memory, and batches of random ids for them."""

from __future__ import annotations

from typing import Any

import torch
import transformers

from lepton_engine.compression.modules import Batch

VOCABULARY = 90


def widened(model: Any) -> Any:
    """Weights wide enough that every part matters in the outputs."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "Norm" not in name:
                parameter.normal_(0, 0.2)
    return model.eval()


def bert(kind: str = "Model", layers: int = 3, **extra: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=48, **extra)
    return widened(getattr(transformers, f"Bert{kind}")(config))


def mpnet() -> Any:
    torch.manual_seed(0)
    return widened(transformers.MPNetModel(transformers.MPNetConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=48), add_pooling_layer=False))


def llama() -> Any:
    torch.manual_seed(0)
    return widened(transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=64)))


def batches(count: int = 4, texts: int = 8, type_ids: bool = True) -> list[Batch]:
    """Random ids with padding at the right."""
    generator = torch.Generator().manual_seed(7)
    made = []
    for number in range(count):
        length = 6 + 3 * number
        ids = torch.randint(5, VOCABULARY, (texts, length), generator=generator)
        mask = torch.ones_like(ids)
        mask[: texts // 2, length - 2:] = 0
        batch = {"input_ids": ids, "attention_mask": mask}
        made.append(batch | ({"token_type_ids": torch.zeros_like(ids)} if type_ids else {}))
    return made
