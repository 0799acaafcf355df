"""A folder of transformers weights, looked at before anything of it is opened by torch.

Refused here: a configuration that names code, weights that would be unpickled, and heads
whose weights the files do not hold (transformers would invent them at random).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lepton_engine.errors import ModelUnavailableError, UnsafeModelError

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
_HEADER_LIMIT = 100_000_000


@dataclass(frozen=True)
class Signature:
    """What a runtime takes and gives. Stored as JSON beside a converted model.

    ``outputs`` are names of ``EncoderRuntime.run``; ``labels`` those of ``logits``;
    ``max_positions`` 0 means that nothing limits the length.
    """

    outputs: tuple[str, ...]
    labels: tuple[str, ...] = ()
    type_ids: bool = False
    vocabulary_size: int = 0
    max_positions: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Signature:
        row = json.loads(text)
        return cls(tuple(row.pop("outputs")), tuple(row.pop("labels")), **row)


@dataclass(frozen=True)
class Head:
    """One way to open a checkpoint: the auto class, and our name of each of its outputs.

    ``marks`` are parts of weight names of which one must be in the files.
    """

    auto_class: str
    fields: Mapping[str, str]
    marks: tuple[tuple[str, ...], ...] = ()
    architecture: str = ""


_MASK_MARKS = ("cls.predictions.", "lm_head.", "vocab_transform.", "predictions.dense.",
               "generator_lm_head.")
#: Tried in this order; the first whose weights are all there serves.
HEADS = (
    Head("AutoModelForSequenceClassification", {"logits": "logits"},
         architecture="ForSequenceClassification"),
    Head("AutoModelForPreTraining", {"hidden_states": "last_hidden_state",
                                     "prediction_logits": "mlm_logits",
                                     "seq_relationship_logits": "nsp_logits"},
         marks=(("cls.seq_relationship.",), ("cls.predictions.",))),
    Head("AutoModelForMaskedLM", {"hidden_states": "last_hidden_state", "logits": "mlm_logits"},
         marks=(_MASK_MARKS,)),
    Head("AutoModelForNextSentencePrediction", {"hidden_states": "last_hidden_state",
                                                "logits": "nsp_logits"},
         marks=(("cls.seq_relationship.",),)),
    Head("AutoModel", {"last_hidden_state": "last_hidden_state"}),
)


@dataclass(frozen=True)
class Checkpoint:
    """A checked folder: its configuration and the names of its weights."""

    folder: Path
    config: Mapping[str, Any]
    weights: frozenset[str]

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """Raises UnsafeModelError or ModelUnavailableError, each with the next step."""
        config = _read_config(folder)
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            if any(next(folder.glob(pattern), None) for pattern in _PICKLED):
                raise UnsafeModelError("The model's weights are pickled, and opening them could "
                                       "run code. Use the safetensors files of the same model.")
            raise ModelUnavailableError("The model's folder has no safetensors weights. "
                                        "Fetch the model again.")
        return cls(folder, config, frozenset(n for file in files for n in weight_names(file)))

    @property
    def labels(self) -> tuple[str, ...]:
        table = self.config.get("id2label") or {}
        return tuple(str(table[key]) for key in sorted(table, key=int))

    def candidates(self) -> tuple[Head, ...]:
        """The heads that the architecture and the weights' names allow, in order."""
        architectures = [str(name) for name in self.config.get("architectures") or ()]
        return tuple(head for head in HEADS if self._allows(head, architectures))

    def _allows(self, head: Head, architectures: list[str]) -> bool:
        if head.architecture and not any(a.endswith(head.architecture) for a in architectures):
            return False
        return all(any(mark in name for mark in marks for name in self.weights)
                   for marks in head.marks)


def _read_config(folder: Path) -> Mapping[str, Any]:
    configs = {}
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            configs[name] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ModelUnavailableError(f"The model's {name} is no JSON. "
                                        "Fetch the model again.") from error
        if "auto_map" in configs[name]:
            raise UnsafeModelError("The model's configuration names code of its own (auto_map), "
                                   "which Lepton never runs. Use a model of a known architecture.")
    config = configs.get("config.json")
    if not isinstance(config, dict):
        raise ModelUnavailableError("The model's folder has no config.json. "
                                    "Add the one that its publisher provides.")
    return config


def weight_names(path: Path) -> list[str]:
    """The names in a safetensors file, read from its header alone."""
    try:
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > _HEADER_LIMIT:
                raise ValueError("header too long")
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error) as error:
        raise ModelUnavailableError("The model's weights are no readable safetensors file. "
                                    "Fetch the model again.") from error
    return [name for name in header if name != "__metadata__"]
