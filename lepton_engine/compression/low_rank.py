"""Linear layers as products of two thin ones: a singular value decomposition that knows what
enters the layer.

The weight is multiplied by the square root of its inputs' second moment before it is
decomposed, so that what is cut off is what changes the outputs least: SVD-LLM, Wang et al.
2024 (arXiv:2403.07378), section 3.1, whose whitening makes the cut singular values the exact
error. Ranks differ by layer: one price for a weight is sought at which all layers together
keep the wanted share, each at the rank where the error it would still save (as a share of its
outputs' energy) is worth the price. A layer whose factors would be larger than itself stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lepton_engine.compression.looking import Moments, moments
from lepton_engine.compression.modules import Change, Context, Factors, Structure, dense


@dataclass(frozen=True)
class Config:
    """``share`` of the linear layers' weights to keep; ``ridge`` is added to the diagonal of
    the second moments in units of its mean."""

    share: float
    ridge: float = 1e-4
    #: Bisections of the price; each halves its interval.
    bisections: int = 60


@dataclass(frozen=True)
class Spectrum:
    """A decomposed layer: ``first`` (full, in), ``second`` (out, full), best rank first, and
    ``left`` (full + 1,): the share of the outputs' energy that is lost at each rank."""

    first: torch.Tensor
    second: torch.Tensor
    left: torch.Tensor

    @property
    def weights(self) -> int:
        """Of the layer as it is."""
        return self.first.shape[1] * self.second.shape[0]

    @property
    def price(self) -> int:
        """Weights that one rank costs."""
        return self.first.shape[1] + self.second.shape[0]

    def best(self, price: float) -> int:
        """The rank that is worth it at ``price`` for a weight; -1: leave the layer whole."""
        largest = (self.weights - 1) // self.price
        ranks = torch.arange(1, largest + 1, dtype=torch.float64)
        costs = self.left[1:largest + 1] + price * self.price * ranks
        rank = int(costs.argmin()) + 1 if largest else -1
        if rank < 1 or float(costs[rank - 1]) >= price * self.weights:
            return -1
        return rank

    def size(self, rank: int) -> int:
        return self.weights if rank < 0 else rank * self.price


def unfit(structure: Structure) -> str:
    """Why the step does not fit, or ""."""
    return ""


def apply(context: Context, value: float) -> Change:
    """Factorise linear layers of ``context.module`` in place."""
    return factorise(context, Config(value))


def factorise(context: Context, config: Config) -> Change:
    structure = context.structure
    spectra: dict[tuple[int, str], Spectrum] = {}
    sharing: dict[tuple[int, str], list[str]] = {}
    for index, path, part in structure.linears():
        if not isinstance(part, Factors):
            sharing.setdefault((index, structure.family.linears[path]), []).append(path)

    def decompose(index: int, source: str, found: Moments) -> None:
        root = square_root(found.second, config.ridge)
        for path in sharing[index, source]:
            weight = dense(structure.layers[index].get_submodule(path))
            spectra[index, path] = decomposed(weight.float().cpu(), *root)

    moments(context, list(sharing), "decomposing the layers", decompose)
    places = sorted(spectra)
    ranks = dict(zip(places, chosen([spectra[place] for place in places], config), strict=True))
    for place, rank in ranks.items():
        if rank > 0:
            replace(structure, *place, spectra[place], rank)
    return _told(structure, config, spectra, ranks)


def _told(structure: Structure, config: Config, spectra: dict[tuple[int, str], Spectrum],
          ranks: dict[tuple[int, str], int]) -> Change:
    before = sum(spectrum.weights for spectrum in spectra.values())
    after = sum(spectra[place].size(rank) for place, rank in ranks.items())
    changed = tuple(f"{structure.name(*place)}: rank {rank} of {len(spectra[place].left) - 1}"
                    for place, rank in ranks.items() if rank > 0)
    skipped = tuple(f"{structure.name(*place)}: factors that keep what it needs would be larger "
                    "than itself" for place, rank in ranks.items() if rank < 0)
    return Change(changed, skipped,
                  f"{len(changed)} of {len(ranks)} linear layers factorised; they hold "
                  f"{after / max(before, 1):.3f} of their weights ({config.share:g} asked for).")


def square_root(second: torch.Tensor, ridge: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A root S of the second moment (S S^T) and its inverse, both float64 (in, in)."""
    values, vectors = torch.linalg.eigh(second.double())
    values = values.clamp(min=0) + ridge * values.clamp(min=0).mean().clamp(min=1e-30)
    root = values.sqrt()
    return vectors * root, (vectors / root).T


def decomposed(weight: torch.Tensor, root: torch.Tensor, inverse: torch.Tensor) -> Spectrum:
    """``weight`` (out, in) in the metric of its inputs."""
    left, values, right = torch.linalg.svd(weight.double() @ root, full_matrices=False)
    energy = values.square()
    lost = torch.cat([energy, energy.new_zeros(1)]).flip(0).cumsum(0).flip(0)
    scale = values.sqrt()
    return Spectrum((scale[:, None] * (right @ inverse)).float(), (left * scale).float(),
                    lost / lost[0].clamp(min=1e-30))


def chosen(spectra: Sequence[Spectrum], config: Config) -> list[int]:
    """A rank a layer (-1: whole), together at most ``share`` of the weights."""
    budget = config.share * sum(spectrum.weights for spectrum in spectra)
    if config.share >= 1:
        return [-1] * len(spectra)

    def at(price: float) -> list[int]:
        return [spectrum.best(price) for spectrum in spectra]

    low, high = 0.0, 1.0  # an error is at most 1, so at price 1 nothing is worth a weight
    for _ in range(config.bisections):
        middle = (low * high) ** 0.5 if low > 0 else high / 1e3
        size = sum(s.size(rank) for s, rank in zip(spectra, at(middle), strict=True))
        low, high = (middle, high) if size > budget else (low, middle)
        if low > 0 and high / low < 1 + 1e-9:
            break
    return at(high)


def replace(structure: Structure, index: int, path: str, spectrum: Spectrum, rank: int) -> None:
    """Put the factors of ``rank`` in the place of the layer."""
    part: Any = structure.layers[index].get_submodule(path)
    factors = Factors(spectrum.first[:rank].to(part.weight),
                      spectrum.second[:, :rank].to(part.weight), part.bias)
    structure.layers[index].set_submodule(path, factors)
