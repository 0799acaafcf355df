"""The torch steps of a recipe, in place on a module in memory.

For a program of its own (the children that convert, a study), because it imports torch::

    from lepton_engine.compression import Recipe
    from lepton_engine.compression.apply import apply_steps, collate

    batches = collate(texts, folder, max_length=128, batch=32)     # folder with tokenizer.json
    reports = apply_steps(module, Recipe.parse("prune-neurons:0.5+distil:2"), batches)

``module`` is an ``EncoderModule`` (``open_encoder(form, folder)``; a fine-tuned classifier is
``NamedOutputs(model, Head("AutoModelForSequenceClassification", {"logits": "logits"}),
signature)``), or a plain transformers model: a bare BERT, MPNet, DistilBERT, RoBERTa, Llama or
Qwen2, or one with a head. It is changed in place and stays in evaluation mode. Importances and
refits look at the batches (evenly spread ones of many); ``distil`` trains on all of them, a
step a batch, towards ``original`` (None: the module as it was before the first step). With a
head, the logits are matched as well as the hidden states. Number formats of the recipe are not
touched here: they are made of the exported graph.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lepton_engine.compression.calibration import MAX_LENGTH, SEED, Encoded, encode
from lepton_engine.compression.modules import Batch, Change, Context, Structure, parameters
from lepton_engine.compression.recipe import STEPS, Recipe, Step
from lepton_engine.compression.report import StepReport
from lepton_engine.errors import InputError
from lepton_engine.telling import Tell, silent

__all__ = ["StepReport", "apply_steps", "as_tensors", "collate"]

#: Importances and second moments settle on fewer texts than a study trains on.
LOOKED_AT = 64


def collate(texts: Sequence[str], folder: Path, max_length: int = MAX_LENGTH, batch: int = 32,
            *, pairs: bool = False, type_ids: bool = True) -> list[Batch]:
    """Padded batches of neighbouring lengths in the sub-words of the model in ``folder``."""
    from lepton_engine.subwords import open_vocabulary

    encoded = encode(open_vocabulary(folder, max_length), texts, pairs=pairs, batch=batch)
    return [_tensors(found, type_ids) for found in encoded]


def as_tensors(batches: Sequence[Encoded], module: nn.Module) -> list[Batch]:
    """Encoded texts as what ``module`` takes."""
    signature: Any = getattr(module, "signature", None)
    return [_tensors(found, bool(signature is None or signature.type_ids)) for found in batches]


def _tensors(found: Encoded, type_ids: bool) -> Batch:
    return {name: torch.from_numpy(array) for name, array in found.named(type_ids).items()}


def apply_steps(module: nn.Module, recipe: Recipe, batches: Sequence[Batch], *,
                original: nn.Module | None = None, tell: Tell = silent,
                seed: int = SEED) -> list[StepReport]:
    """Do the recipe's steps except its number format, in order and in place.

    Args:
        batches: tensors (batch, length) by the names of the model's inputs, best sorted by
            length; on the module's device.
        original: what ``distil`` teaches; None: the module as it is now.
        tell: hears (stage, share of the stage or None).

    Raises:
        InputError: a step does not fit this kind of model (before anything is changed).
    """
    steps = recipe.structural
    if not steps:
        return []
    structure = Structure.of(module)
    _check(steps, structure)
    if recipe.needs_texts and not batches:
        raise InputError("Pruning and factorising look at texts; none were given.")
    if original is None and any(step.kind.recovers for step in steps):
        from lepton_engine.compression.distil import copied

        original = copied(module)
    module.eval()
    return [_one(step, Context(structure, batches, original, seed, tell)) for step in steps]


def _check(steps: Sequence[Step], structure: Structure) -> None:
    for step in steps:
        if reason := _handler(step.name).unfit(structure):
            fitting = [kind.name for kind in STEPS.values()
                       if kind.quantises or not _handler(kind.name).unfit(structure)]
            raise InputError(f"The step “{step.name}” does not fit this model: {reason}. "
                             f"What fits: {', '.join(fitting)}.")


def _handler(name: str) -> Any:
    return importlib.import_module(STEPS[name].module)


def _one(step: Step, context: Context) -> StepReport:
    from lepton_engine.compression.looking import some

    start, before = time.perf_counter(), parameters(context.module)
    if not step.kind.recovers:
        context.batches = some(context.batches, LOOKED_AT)
    change: Change = _handler(step.name).apply(context, step.value)
    detail = change.detail if change.changed else f"It changed nothing. {change.detail}".strip()
    return StepReport(str(step), change.changed, change.skipped, before,
                      parameters(context.module), detail, time.perf_counter() - start)
