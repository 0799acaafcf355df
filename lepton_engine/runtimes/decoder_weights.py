"""A decoder's weights and tokenizer as transformers knows them, from GGUF or safetensors.

GGUF tensors are dequantised once, to bf16 or f32; the arithmetic of each tensor type is
the ``gguf`` package's. Everything heavy is imported inside the functions, because the
application itself never needs torch or transformers once a model is converted. Run as a
program it writes a tokenizer folder: ``python -m ...decoder_weights SOURCE TARGET``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.errors import UnsafeModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENIZER_FILE = "tokenizer.json"
TEMPLATE_FILE = "chat.json"
SCHEMA_FILES = ("openvino_tokenizer.xml", "openvino_detokenizer.xml")


def gguf_file(folder: Path) -> str | None:
    """The name of the folder's GGUF file, or None for a safetensors folder."""
    return next((p.name for p in sorted(folder.glob("*.gguf"))), None)


def _arguments(folder: Path) -> dict[str, Any]:
    arguments: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if name := gguf_file(folder):
        arguments["gguf_file"] = name
    return arguments


def load_causal_lm(folder: Path, precision: str) -> PreTrainedModel:
    """The torch module, in ``fp32`` or ``bf16``, ready for inference."""
    import torch
    from transformers import AutoModelForCausalLM

    arguments = _arguments(folder)
    if "gguf_file" not in arguments:
        refuse_code(folder)
        arguments["use_safetensors"] = True
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=dtype, **arguments
    )
    return model.eval()


def refuse_code(folder: Path) -> None:
    """Refuse a configuration that names code of its own."""
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists() and "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            raise UnsafeModelError(
                f"The model's {name} asks to run code of its own (auto_map); Lepton runs none. "
                "Choose a model whose architecture transformers has built in."
            )


def save_tokenizer(folder: Path, target: Path) -> None:
    """Write ``tokenizer.json`` and ``chat.json`` (template and special tokens) to ``target``."""
    from transformers import AutoConfig, AutoTokenizer

    if gguf_file(folder) is None:
        refuse_code(folder)
    arguments = _arguments(folder)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), **arguments)
    config = AutoConfig.from_pretrained(str(folder), **arguments)
    tokenizer.backend_tokenizer.save(str(target / TOKENIZER_FILE))
    facts = {
        "template": tokenizer.chat_template,
        "eos_token": tokenizer.eos_token,
        "bos_token": tokenizer.bos_token,
        "eos_token_id": tokenizer.eos_token_id,
        "context_length": int(getattr(config, "max_position_embeddings", 2048)),
    }
    (target / TEMPLATE_FILE).write_text(
        json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    _save_for_schemas(tokenizer, target)


def _save_for_schemas(tokenizer: Any, target: Path) -> None:
    """The tokenizer as OpenVINO models, which GenAI needs to hold a reply to a JSON schema."""
    try:
        import openvino as ov
        from openvino_tokenizers import convert_tokenizer  # type: ignore[import-untyped]

        models = convert_tokenizer(tokenizer, with_detokenizer=True)
        for model, name in zip(models, SCHEMA_FILES, strict=True):
            ov.save_model(model, str(target / name))
    except Exception as error:  # everything but schemas works without
        print(f"no tokenizer for schemas: {type(error).__name__}: {error}", file=sys.stderr)
        for name in SCHEMA_FILES:
            (target / name).unlink(missing_ok=True)


if __name__ == "__main__":
    save_tokenizer(Path(sys.argv[1]), Path(sys.argv[2]))
