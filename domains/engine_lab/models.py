"""The models that the lab offers, and good recipes for each kind of model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lepton_engine.compression.recipe import Recipe
from lepton_engine.errors import InputError, LimitError, UnknownNameError

MAX_RECIPES = 24


@dataclass(frozen=True)
class LabModel:
    """One row: ``kind`` is adapter, encoder, cross-encoder or decoder.

    ``languages`` are those in which the model is asked; ``sample`` names its bundled texts
    in ``assets/samples/lab.json``, empty where the engine brings its own.
    """

    name: str
    kind: str
    languages: tuple[str, ...] = ("en",)
    sample: str = ""


MODELS: dict[str, LabModel] = {model.name: model for model in (
    LabModel("finance-sentiment", "adapter", sample="finance-sentiment"),
    LabModel("bank-intent", "adapter", sample="bank-intent"),
    LabModel("minilm-l6", "encoder", sample="sentences"),
    LabModel("reranker", "cross-encoder", sample="questions"),
    LabModel("qwen-0.5b", "decoder", ("en", "zh"), sample="questions"),
    LabModel("smollm2-135m", "decoder", sample="questions"),
)}
_ENCODER = (
    # measured before: these have verdicts
    "int8", "int8-dynamic", "int8-weights", "int4",
    "prune-heads:0.25", "prune-neurons:0.25", "prune-layers:0.17", "low-rank:0.8",
    "prune-weights:0.5", "prune-neurons:0.25+int8", "prune-layers:0.17+int8",
    "low-rank:0.8+int8", "prune-heads:0.25+prune-neurons:0.25+int8",
    "prune-layers:0.17+distil:8+int8",
    # further away from the original
    "int4-channel", "prune-neurons:0.5+int8", "low-rank:0.6+int8",
    "prune-neurons:0.5+distil:2+int8", "low-rank:0.6+prune-neurons:0.25+int8",
)
_DECODER = ("int8", "int8-dynamic", "int8-weights", "int4", "int4-channel",
            "prune-neurons:0.1+int8", "low-rank:0.8+int8")
RECIPES: dict[str, tuple[str, ...]] = {
    "adapter": _ENCODER, "encoder": _ENCODER, "cross-encoder": _ENCODER, "decoder": _DECODER}
# What is ticked when a model is picked: few, so that the first run is short.
FIRST: dict[str, tuple[str, ...]] = {
    "adapter": ("int8", "prune-heads:0.25"), "encoder": ("int8", "prune-heads:0.25"),
    "cross-encoder": ("int8",), "decoder": ("int8",)}


def lab_model(name: object) -> LabModel:
    """Raises UnknownNameError with the models that there are."""
    found = MODELS.get(name) if isinstance(name, str) else None
    if found is None:
        raise UnknownNameError.of("model in the lab", str(name), MODELS)
    return found


def one_recipe(text: object) -> Recipe:
    """Raises InputError, UnknownNameError: `Recipe.parse` says what exists."""
    if not isinstance(text, str):
        raise InputError("A recipe must be a text such as prune-heads:0.25+int8.")
    return Recipe.parse(text)


def all_recipes(picked: Iterable[object] | None, own: str = "") -> tuple[Recipe, ...]:
    """The picked recipes and those typed (apart by white space, commas or semicolons), once each.

    Raises:
        InputError, UnknownNameError: none at all, or one that `Recipe.parse` refuses.
        LimitError: more than 24.
    """
    texts = [*(picked or ()), *(part for part in re.split(r"[\s,;，；、]+", own or "") if part)]
    recipes = tuple(dict.fromkeys(one_recipe(text) for text in texts))
    compressed = tuple(recipe for recipe in recipes if len(recipe))
    if not compressed:
        raise InputError("Pick a recipe or write one, such as prune-heads:0.25+int8. The original "
                         "is measured beside each.")
    if len(compressed) > MAX_RECIPES:
        raise LimitError(f"At most {MAX_RECIPES} recipes are measured in one run; these are "
                         f"{len(compressed)}. Take some away.")
    return compressed
