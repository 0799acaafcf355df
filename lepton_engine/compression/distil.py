"""Recovery: the compressed module learns the original's outputs, without labels.

What is matched: the hidden states that leave each layer (Jiao et al. 2020, "TinyBERT",
arXiv:1909.10351; where layers were removed, what the original hands to the next layer that was
kept), the mean vector of an encoder, and the logits, softened (Hinton, Vinyals and Dean 2015,
arXiv:1503.02531). A decoder matches its logits and last hidden states. The embedding tables
stay as they are: a few thousand texts touch few of their rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from lepton_engine.compression.looking import Outputs, mean_vectors, outputs_of
from lepton_engine.compression.modules import Batch, Change, Context, Structure
from lepton_engine.errors import InputError


@dataclass(frozen=True)
class Config:
    """``epochs`` passes over the batches; ``rate`` is the highest learning rate, reached after
    ``warm_up`` of the steps and falling to zero in a straight line."""

    epochs: float
    rate: float = 4e-4
    decoder_rate: float = 1e-4
    warm_up: float = 0.1
    decay: float = 0.01
    temperature: float = 2.0
    clip: float = 1.0


def unfit(structure: Structure) -> str:
    """Why the step does not fit, or ""."""
    return ""


def apply(context: Context, value: float) -> Change:
    return teach(context, Config(value))


def teach(context: Context, config: Config) -> Change:
    """Train ``context.module`` in place to give the outputs of ``context.original``."""
    if context.original is None or not context.batches:
        raise InputError("The step “distil” needs the original model and texts.")
    module, structure = context.module, context.structure
    decoder = structure.family.decoder
    original = context.original.eval().requires_grad_(False)
    trained = _trained(module)
    rate = config.decoder_rate if decoder else config.rate
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=config.decay)
    steps = max(1, round(config.epochs * len(context.batches)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _shape(steps, config.warm_up))
    losses: list[float] = []
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(context.seed)
        module.eval()  # no dropout: few texts, and the targets are exact
        for number, batch in enumerate(_order(context, steps)):
            context.tell("recovering from the original", number / steps)
            loss = _loss(structure, original, batch, config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, config.clip)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
    module.requires_grad_(True).zero_grad(set_to_none=True)
    span = max(1, min(len(context.batches), len(losses) // 4))
    first, last = (sum(part) / len(part) for part in (losses[:span], losses[-span:]))
    return Change((structure.prefix,), (),
                  f"{steps} steps on {len(context.batches)} batches; the distance to the "
                  f"original went from {first:.4g} to {last:.4g}.")


def copied(module: nn.Module) -> nn.Module:
    """The original as it is now, for a recovery later in the recipe."""
    return copy.deepcopy(module).eval().requires_grad_(False)


def _trained(module: nn.Module) -> list[nn.Parameter]:
    fixed = {id(p) for part in module.modules() if isinstance(part, nn.Embedding)
             for p in part.parameters()}
    for parameter in module.parameters():
        parameter.requires_grad_(id(parameter) not in fixed)
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _shape(steps: int, warm_up: float) -> Callable[[int], float]:
    rising = max(1, round(steps * warm_up))
    return lambda step: min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))


def _order(context: Context, steps: int) -> Iterator[Batch]:
    """Batches in a new random order each pass."""
    generator = torch.Generator().manual_seed(context.seed)
    done = 0
    while done < steps:
        for index in torch.randperm(len(context.batches), generator=generator).tolist():
            if done == steps:
                return
            yield context.batches[index]
            done += 1


def _bf16(device: torch.device) -> bool:
    """Whether this device multiplies bf16 faster than fp32."""
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


def _loss(structure: Structure, original: nn.Module, batch: Batch,
          config: Config) -> torch.Tensor:
    device = batch["input_ids"].device
    with torch.autocast(device.type, torch.bfloat16, enabled=_bf16(device)):
        with torch.no_grad():
            wanted = outputs_of(original, batch)
        got = outputs_of(structure.module, batch)
    mask = batch["attention_mask"].bool()
    if structure.family.decoder:
        return _far(got.last, wanted.last, mask) + _decoder_logits(got, wanted, mask)
    kept: list[int] = getattr(structure.layers, "kept", None) or list(range(len(structure.layers)))
    targets = [*kept[1:], len(wanted.hidden) - 1]
    loss = torch.stack([_far(got.hidden[index + 1], wanted.hidden[target], mask)
                        for index, target in enumerate(targets)]).mean()
    ours, theirs = (mean_vectors(outputs.last.float(), mask) for outputs in (got, wanted))
    loss = loss + 1 - functional.cosine_similarity(ours, theirs).mean()
    if got.logits is not None and wanted.logits is not None and got.logits.dim() == 2:
        loss = loss + _labels(got.logits, wanted.logits, config.temperature)
    return loss


def _far(got: torch.Tensor, wanted: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared distance over tokens, in units of the wanted states' variance."""
    ours, theirs = got[mask].float(), wanted[mask].float()
    return (ours - theirs).square().mean() / theirs.var().clamp(min=1e-12)


def _labels(got: torch.Tensor, wanted: torch.Tensor, temperature: float) -> torch.Tensor:
    """Divergence of the softened labels; of a single score its squared distance."""
    ours, theirs = got.float(), wanted.float()
    if ours.shape[1] == 1:
        return (ours - theirs).square().mean() / theirs.var(unbiased=False).clamp(min=1e-2)
    divergence = functional.kl_div((ours / temperature).log_softmax(1),
                                   (theirs / temperature).log_softmax(1),
                                   log_target=True, reduction="batchmean")
    return divergence * temperature ** 2


def _decoder_logits(got: Outputs, wanted: Outputs, mask: torch.Tensor) -> torch.Tensor:
    if got.logits is None or wanted.logits is None:
        return got.last.new_zeros(())
    return functional.kl_div(got.logits[mask].float().log_softmax(-1),
                             wanted.logits[mask].float().log_softmax(-1),
                             log_target=True, reduction="batchmean")
