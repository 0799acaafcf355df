"""What the texts show of a module: its outputs, how much each part matters, and the second
moments of what enters its linear layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lepton_engine.compression.modules import Batch, Context, Structure

#: Importances settle on few texts; each batch costs a pass back as well.
SCORED_BATCHES = 32
#: Bytes of second moments that are collected in one pass over the texts.
MOMENT_BYTES = 1_200_000_000


@dataclass(frozen=True)
class Outputs:
    """Hidden states of a pass: ``hidden`` (layers + 1) of (batch, length, width), the last as
    it leaves the network; ``logits`` (batch, labels) or (batch, length, vocabulary)."""

    hidden: tuple[torch.Tensor, ...]
    logits: torch.Tensor | None

    @property
    def last(self) -> torch.Tensor:
        return self.hidden[-1]


def outputs_of(module: nn.Module, batch: Batch) -> Outputs:
    """Run a transformers module, or an EncoderModule around one, on ``batch``."""
    inner: Any = getattr(module, "module", module)
    given = dict(batch)
    if getattr(inner.config, "is_decoder", False) or hasattr(inner, "lm_head"):
        given["use_cache"] = False  # type: ignore[assignment]
        given.pop("token_type_ids", None)
    out = inner(**given, output_hidden_states=True, return_dict=True)
    return Outputs(tuple(out.hidden_states), getattr(out, "logits", None))


def some(batches: Sequence[Batch], limit: int) -> list[Batch]:
    """At most ``limit`` batches, spread evenly over all lengths."""
    if len(batches) <= limit:
        return list(batches)
    return [batches[round(i * (len(batches) - 1) / (limit - 1))] for i in range(limit)]


def mean_vectors(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(batch, width): the mean over the tokens that are no padding."""
    weights = mask.unsqueeze(2).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def _probe(outputs: Outputs, batch: Batch, decoder: bool,
           generator: torch.Generator) -> torch.Tensor:
    """A number a batch whose gradients tell how much the outputs feel a part.

    A decoder: the loss of the next token. Others: the outputs along a random direction; the
    mean of its squared gradients over directions is the Gauss-Newton diagonal of the squared
    change of the outputs.
    """
    mask = batch["attention_mask"]
    if decoder and outputs.logits is not None:
        wanted = batch["input_ids"][:, 1:].masked_fill(mask[:, 1:] == 0, -100)
        logits = outputs.logits[:, :-1].float()
        return nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(),
                                           reduction="sum")
    if outputs.logits is not None and outputs.logits.dim() == 2:
        return (outputs.logits * _directions(outputs.logits, generator)).sum()
    pooled = mean_vectors(outputs.last, mask)
    tokens = outputs.last * _directions(outputs.last, generator) * mask.unsqueeze(2)
    spread = mask.sum(1, keepdim=True).unsqueeze(2).clamp(min=1).sqrt()
    return (pooled * _directions(pooled, generator)).sum() + (tokens / spread).sum()


def _directions(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator).to(like.device, like.dtype)


def importances(context: Context, path: str, group: Callable[[int], int],
                stage: str) -> list[torch.Tensor]:
    """How much the outputs feel each group of inputs of the linear layer ``path``, a layer.

    The score of a group is the mean over texts of the squared gradient with respect to a gate
    on it, which is the sum of value times gradient: Molchanov et al. 2019, "Importance
    Estimation for Neural Network Pruning" (arXiv:1906.10771), equation 8, on the gates that
    Michel et al. 2019 (arXiv:1905.10650) put on attention heads.

    Args:
        group: layer's index -> neighbouring inputs that make one group (a head's width, or 1).

    Returns:
        For each layer float32 (groups,).
    """
    structure = context.structure
    seen: dict[int, torch.Tensor] = {}
    scores = [torch.zeros(0)] * len(structure.layers)
    generator = torch.Generator().manual_seed(context.seed)
    chosen = some(context.batches, SCORED_BATCHES)
    with _watched(structure, path, seen):
        for number, batch in enumerate(chosen):
            context.tell(stage, number / len(chosen))
            seen.clear()
            with torch.enable_grad():
                outputs = outputs_of(context.module, batch)
                _probe(outputs, batch, structure.family.decoder, generator).backward()
            for index, values in seen.items():
                assert values.grad is not None
                felt = (values.detach() * values.grad).float().sum(dim=1)  # (texts, width)
                squared = felt.unflatten(1, (-1, group(index))).sum(2).square().sum(0)
                scores[index] = scores[index] + squared if scores[index].numel() else squared
    return [score.cpu() for score in scores]


@contextmanager
def _watched(structure: Structure, path: str, seen: dict[int, torch.Tensor]) -> Iterator[None]:
    """``seen`` gets what enters ``path`` in each layer; no parameter gets a gradient meanwhile."""
    handles = [layer.get_submodule(path).register_forward_pre_hook(_watch(seen, index))
               for index, layer in enumerate(structure.layers)]
    learning = [p for p in structure.module.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for parameter in learning:
            parameter.requires_grad_(True)


def _watch(seen: dict[int, torch.Tensor], index: int) -> Callable[..., None]:
    def hook(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        values = given[0]
        if not values.requires_grad:
            values.requires_grad_(True)
        values.retain_grad()
        seen[index] = values

    return hook


@dataclass
class Moments:
    """Of what enters a linear layer, over tokens: ``second`` (in, in) the mean of the outer
    products, ``mean`` (in,).

    Each token counts by the inverse of its squared length. A few tokens, mostly separators,
    have activations hundreds of times as large as the others (Sun et al. 2024, "Massive
    Activations", arXiv:2402.17762); unweighted, they alone would decide, while the
    normalisation behind the layer makes all of them equal again.
    """

    second: torch.Tensor
    mean: torch.Tensor
    weight: float = 0.0

    def add(self, rows: torch.Tensor) -> None:
        """``rows`` (tokens, in)."""
        weights = 1 / rows.square().mean(1, keepdim=True).clamp(min=1e-12)
        self.second += (rows * weights).T @ rows
        self.mean += (rows * weights).sum(0)
        self.weight += float(weights.sum())

    def averaged(self) -> Moments:
        total = self.weight or 1.0
        return Moments(self.second / total, self.mean / total, self.weight)


def moments(context: Context, wanted: Sequence[tuple[int, str]], stage: str,
            use: Callable[[int, str, Moments], None]) -> None:
    """Call ``use(layer, path, moments)`` for every wanted linear layer, on the batches' texts.

    All are measured on the module as it was at the call as long as ``use`` changes nothing;
    few are in memory at once.
    """
    widths = {place: int(context.structure.layers[place[0]].get_submodule(place[1])
                         .in_features) for place in wanted}  # type: ignore[arg-type]
    for group in _groups(widths):
        found = _moments(context, group, widths, stage)
        for (index, path), value in found.items():
            use(index, path, value.averaged())


def _groups(widths: Mapping[tuple[int, str], int]) -> list[list[tuple[int, str]]]:
    groups: list[list[tuple[int, str]]] = [[]]
    held = 0
    for place, width in widths.items():
        size = 4 * width * width
        if groups[-1] and held + size > MOMENT_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(place)
        held += size
    return groups


def _moments(context: Context, group: Sequence[tuple[int, str]],
             widths: Mapping[tuple[int, str], int],
             stage: str) -> dict[tuple[int, str], Moments]:
    found = {place: Moments(torch.zeros(widths[place], widths[place]),
                            torch.zeros(widths[place])) for place in group}
    current: list[torch.Tensor] = []

    def watch(place: tuple[int, str]) -> Callable[..., None]:
        def hook(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            found[place].add(given[0][current[0]].detach().float().cpu())

        return hook

    handles = [context.structure.layers[place[0]].get_submodule(place[1])
               .register_forward_pre_hook(watch(place)) for place in group]
    try:
        for number, batch in enumerate(context.batches):
            context.tell(stage, number / len(context.batches))
            current[:] = [batch["attention_mask"].bool()]
            with torch.no_grad():
                outputs_of(context.module, batch)
    finally:
        for handle in handles:
            handle.remove()
    return found


def influences(structure: Structure, batches: Sequence[Batch]) -> list[float]:
    """Block influence of each layer: one minus the mean cosine of what enters a layer and what
    leaves it, over tokens (Men et al. 2024, "ShortGPT", arXiv:2403.03853, equation 1)."""
    sums, tokens = [0.0] * len(structure.layers), 0
    current: list[torch.Tensor] = []

    def watch(index: int) -> Callable[..., None]:
        def hook(_: nn.Module, given: tuple[torch.Tensor, ...], named: dict[str, Any],
                 out: Any) -> None:
            before = given[0] if given else named["hidden_states"]
            after = out[0] if isinstance(out, tuple) else out
            alike = nn.functional.cosine_similarity(before.float(), after.float(), dim=-1)
            sums[index] += float((1 - alike)[current[0]].sum())

        return hook

    handles = [layer.register_forward_hook(watch(index), with_kwargs=True)
               for index, layer in enumerate(structure.layers)]
    try:
        for batch in some(batches, SCORED_BATCHES):
            current[:] = [batch["attention_mask"].bool()]
            tokens += int(batch["attention_mask"].sum())
            with torch.no_grad():
                outputs_of(structure.module, batch)
    finally:
        for handle in handles:
            handle.remove()
    return [total / max(tokens, 1) for total in sums]
