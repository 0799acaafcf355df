"""A BERT cross-encoder out of an ONNX file whose weights were quantised to int8.

Such a file computes every product on integers made anew from each input, which OpenVINO runs
as fp32 with conversions around: several times slower than the plain network. So the int8
weights are turned back into floating point once, and the network is the ordinary one, for
every device. The weights' values stay those of the file; the inputs are no longer rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from lepton_engine.errors import ModelUnavailableError
from lepton_engine.runtimes.checkpoint import HEADS, Signature
from lepton_engine.runtimes.torch_encoder import NamedOutputs

# How onnxruntime's quantiser names what it writes.
_QUANTIZED, _SCALE, _ZERO = "_quantized", "_scale", "_zero_point"
_PRODUCT = "_quant_output_scale_mul"
_LAYERS = "bert.encoder.layer."
_WORDS = "bert.embeddings.word_embeddings.weight"
_POSITIONS = "bert.embeddings.position_embeddings.weight"
_TYPES = "bert.embeddings.token_type_embeddings.weight"
_INNER = f"{_LAYERS}0.intermediate.dense.weight"


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """float32 weights by their names in transformers; linear ones are (out, in).

    A linear weight is stored (in, out) under a number; the product it enters bears the path of
    its layer.
    """
    import openvino as ov

    operations = ov.Core().read_model(path).get_ops()
    constants = {op.get_friendly_name(): op for op in operations
                 if op.get_type_name() == "Constant"}

    def restored(base: str) -> np.ndarray:
        whole, zero, scale = (np.asarray(constants[base + end].get_data(), dtype=np.float32)
                              for end in (_QUANTIZED, _ZERO, _SCALE))
        return (whole - zero) * scale

    found = {name: np.array(op.get_data(), dtype=np.float32)
             for name, op in constants.items() if name.endswith((".bias", ".weight"))}
    found |= {base: restored(base) for name in constants if name.endswith(_QUANTIZED)
              and not (base := name.removesuffix(_QUANTIZED)).startswith("onnx::")}
    for op in operations:
        name = op.get_friendly_name()
        if name.endswith(_PRODUCT):
            scales = op.input_value(1).get_node()
            base = scales.input_value(1).get_node().get_friendly_name().removesuffix(_SCALE)
            layer = name.strip("/").rpartition("/")[0].replace("/", ".")
            found[f"{layer}.weight"] = restored(base).T
    return found


def open_quantized_bert(path: Path, attention_heads: int) -> NamedOutputs:
    """The classifier (one logit: a cross-encoder) in fp32.

    Raises:
        ModelUnavailableError: the file is no BERT quantised in this way.
    """
    from transformers import BertForSequenceClassification

    try:
        weights = read_weights(path)
        module = BertForSequenceClassification(_config(weights, attention_heads))
    except (KeyError, ValueError, RuntimeError, IndexError) as error:
        raise ModelUnavailableError("The ONNX file is not a BERT with int8 weights "
                                    "that Lepton can read. Fetch the model again.") from error
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    lacking = module.load_state_dict(state, strict=False)
    if lacking.missing_keys or lacking.unexpected_keys:
        raise ModelUnavailableError("The ONNX file lacks some of BERT's weights. "
                                    "Fetch the model again.")
    signature = Signature(
        outputs=("logits",), labels=tuple(map(str, range(weights["classifier.bias"].size))),
        type_ids=True, vocabulary_size=weights[_WORDS].shape[0],
        max_positions=weights[_POSITIONS].shape[0])
    return NamedOutputs(module.eval(), HEADS[0], signature)


def _config(weights: Mapping[str, np.ndarray], attention_heads: int) -> object:
    """The file has no configuration: all but the number of heads follows from the shapes."""
    from transformers import BertConfig

    layers = {name.removeprefix(_LAYERS).partition(".")[0] for name in weights
              if name.startswith(_LAYERS)}
    return BertConfig(
        vocab_size=weights[_WORDS].shape[0], hidden_size=weights[_WORDS].shape[1],
        num_hidden_layers=len(layers), num_attention_heads=attention_heads,
        intermediate_size=weights[_INNER].shape[0],
        max_position_embeddings=weights[_POSITIONS].shape[0],
        type_vocab_size=weights[_TYPES].shape[0], num_labels=weights["classifier.bias"].size)
