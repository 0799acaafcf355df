"""Number formats: 8 and 4 bits for weights, 8 for activations, by NNCF on an OpenVINO graph.

``int8`` puts a rounding before every matrix product; its ranges come from calibration texts,
with outliers of activations moved into the weights (SmoothQuant, Xiao et al. 2023,
arXiv:2211.10438), which is what NNCF does for transformers. The others compress weights only.
Before products with compressed weights OpenVINO rounds the activations as they come, by groups
of 32, unless a property forbids it: ``int8-dynamic`` asks for that and ``int8-weights`` forbids
it, so that the name is true; the property is stored beside the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.recipe import STEPS
from lepton_engine.errors import UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from openvino import Model

#: Extra properties for compiling, as JSON, beside the converted model.
COMPILE = "compile.json"
DYNAMIC_GROUP = 32
#: More calibration texts move no range by a visible amount, and each costs two passes.
CALIBRATION_TEXTS = 128
Row = Mapping[str, "np.ndarray"]


@dataclass(frozen=True)
class WeightFormat:
    """Config of a weight format: NNCF's mode, its group (-1: one scale a channel), and how many
    activations are rounded together as they come (0: none)."""

    mode: str
    group: int | None = None
    rounded: int = DYNAMIC_GROUP


@dataclass(frozen=True)
class Quantised:
    """A graph in its number format. ``layers`` are those that changed."""

    model: Model
    layers: tuple[str, ...]
    skipped: tuple[str, ...]
    detail: str
    properties: Mapping[str, Any] = field(default_factory=dict)


FORMATS: Mapping[str, WeightFormat] = {
    "int8-weights": WeightFormat("INT8_ASYM", rounded=0),
    "int8-dynamic": WeightFormat("INT8_ASYM"),
    "int4": WeightFormat("INT4_ASYM", 64),
    "int4-channel": WeightFormat("INT4_SYM", -1),
}


def quantise(model: Model, name: str, rows: Sequence[Row]) -> Quantised:
    """``model`` in the number format ``name``; ``rows`` are inputs for calibration by name.

    Raises UnknownNameError for a format that no table holds.
    """
    _quiet()
    if name == "int8":
        return _static(model, rows)
    if name not in FORMATS:
        raise UnknownNameError.of("number format", name, [k for k in STEPS if STEPS[k].quantises])
    return _weights(model, name)


def _quiet() -> None:
    import logging

    import nncf

    nncf.set_log_level(logging.ERROR)


def _static(model: Model, rows: Sequence[Row]) -> Quantised:
    import nncf

    step = max(1, len(rows) // CALIBRATION_TEXTS)
    chosen = list(rows)[::step][:CALIBRATION_TEXTS]
    done = nncf.quantize(model, nncf.Dataset([dict(row) for row in chosen]),
                         model_type=nncf.ModelType.TRANSFORMER, subset_size=len(chosen))
    layers, skipped = _products(done)
    return Quantised(done, layers, skipped, f"Weights and activations of {len(layers)} matrix "
                     f"products in 8 bits; ranges from {len(chosen)} texts.")


def _weights(model: Model, name: str) -> Quantised:
    import nncf

    found = FORMATS[name]
    extra: dict[str, Any] = {}
    if found.group is not None:
        fallback = nncf.GroupSizeFallbackMode.ADJUST
        extra = {"ratio": 1.0, "group_size": found.group, "all_layers": False,
                 "advanced_parameters": nncf.AdvancedCompressionParameters(
                     group_size_fallback_mode=fallback)}
    done = nncf.compress_weights(model, mode=getattr(nncf.CompressWeightsMode, found.mode),
                                 **extra)
    counts = _formats(done)
    detail = "Weights: " + ", ".join(f"{count} in {kind}" for kind, count in counts.items()) + "."
    properties = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": found.rounded}
    detail += (f" Activations are rounded to 8 bits in groups of {found.rounded} where OpenVINO "
               "has the means." if found.rounded else " Computed in floating point.")
    layers, skipped = _compressed(done)
    return Quantised(done, layers, skipped, detail, properties)


_SMALL = {"u8": "8 bits", "i8": "8 bits", "u4": "4 bits", "i4": "4 bits"}


def _formats(model: Model) -> dict[str, int]:
    """How many weight arrays there are of each small format."""
    counts: dict[str, int] = {}
    for node in model.get_ops():
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) > 1:
            kind = _SMALL.get(node.get_element_type().get_type_name())
            if kind and "zero_point" not in node.get_friendly_name():
                counts[kind] = counts.get(kind, 0) + 1
    return counts


def _compressed(model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the products and look-ups with small weights, and of those left, with why."""
    changed: list[str] = []
    left: list[str] = []
    for node in model.get_ops():
        if node.get_type_name() not in ("MatMul", "Gather"):
            continue
        side = 1 if node.get_type_name() == "MatMul" else 0
        source = _behind_conversions(node.input_value(side).get_node())
        if source.get_type_name() == "Constant" and len(source.get_output_shape(0)) > 1:
            small = source.get_element_type().get_type_name() in _SMALL
            name = node.get_friendly_name()
            (changed if small else left).append(name)
    return tuple(changed), tuple(f"{name}: NNCF left it" for name in left)


def _products(model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Products whose both inputs are rounded, and those that are not."""
    changed: list[str] = []
    left: list[str] = []
    for node in model.get_ops():
        if node.get_type_name() not in ("MatMul", "Convolution"):
            continue
        kinds = [_behind_conversions(node.input_value(side).get_node()) for side in (0, 1)]
        rounded = all(kind.get_type_name() == "FakeQuantize" or _is_small(kind) for kind in kinds)
        (changed if rounded else left).append(node.get_friendly_name())
    return tuple(changed), tuple(f"{name}: NNCF left it in floating point" for name in left)


def _is_small(node: Any) -> bool:
    return (node.get_type_name() == "Constant"
            and node.get_element_type().get_type_name() in _SMALL)


_PASSED = ("Convert", "Multiply", "Subtract", "Reshape", "Transpose")


def _behind_conversions(node: Any) -> Any:
    """The source of a value, behind what turns its format and shape."""
    while node.get_type_name() in _PASSED:
        node = node.input_value(0).get_node()
    return node


def write_properties(folder: Path, properties: Mapping[str, Any]) -> None:
    """``compile.json`` for the class that compiles; none where there is nothing to say."""
    import json

    if properties:
        (folder / COMPILE).write_text(json.dumps(dict(properties)), encoding="utf-8")
