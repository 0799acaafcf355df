"""The torch steps on tiny modules: what is removed is what masking would silence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lepton_engine.compression import Recipe, low_rank, prune_heads, prune_neurons
from lepton_engine.compression.apply import apply_steps
from lepton_engine.compression.looking import outputs_of
from lepton_engine.compression.modules import Batch, Context, Factors, Structure, parameters
from lepton_engine.errors import InputError
from tests.engine import tiny_modules

MODULES: dict[str, Callable[[], Any]] = {
    "bert": tiny_modules.bert, "mpnet": tiny_modules.mpnet, "llama": tiny_modules.llama,
    "classifier": lambda: tiny_modules.bert("ForSequenceClassification", num_labels=3)}
CLOSE = 1e-4


def given(name: str) -> list[Batch]:
    return tiny_modules.batches(type_ids=name in ("bert", "classifier"))


@torch.no_grad()
def last(module: Any, batch: Batch) -> torch.Tensor:
    return outputs_of(module, batch).last[batch["attention_mask"].bool()]


@torch.no_grad()
def masked(module: Any, batch: Batch, path: str, silent: dict[int, torch.Tensor]) -> torch.Tensor:
    """The outputs while some inputs of each layer's linear ``path`` are zero."""
    def hook(index: int) -> Callable[..., Any]:
        def zero(_: Any, values: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            changed = values[0].clone()
            changed[..., silent[index]] = 0
            return (changed,)
        return zero

    layers = Structure.of(module).layers
    handles = [layers[i].get_submodule(path).register_forward_pre_hook(hook(i)) for i in silent]
    found = last(module, batch)
    for handle in handles:
        handle.remove()
    return found


def without(total: int, keep: torch.Tensor) -> torch.Tensor:
    return torch.tensor([i for i in range(total) if i not in set(keep.tolist())], dtype=torch.long)


@pytest.mark.parametrize("name", MODULES)
def test_removed_neurons_are_gone_and_the_rest_computes_as_if_they_were_masked(name: str) -> None:
    module, data = MODULES[name](), given(name)
    whole, structure = copy.deepcopy(module), Structure.of(module)
    generator = torch.Generator().manual_seed(1)
    keeps = {}
    for index in range(len(structure.layers)):
        total = structure.neurons(index)
        keeps[index] = torch.randperm(total, generator=generator)[:total // 2].sort().values
        prune_neurons.remove(structure, index, keeps[index])
    silent = {i: without(structure.neurons(i) * 2, keep) for i, keep in keeps.items()}
    expected = masked(whole, data[1], structure.family.outer, silent)
    torch.testing.assert_close(last(module, data[1]), expected, atol=CLOSE, rtol=CLOSE)
    assert (last(whole, data[1]) - expected).abs().max() > 100 * CLOSE
    assert parameters(module) < parameters(whole)


@pytest.mark.parametrize("name", ["bert", "mpnet", "classifier"])
def test_removed_heads_are_gone_and_the_rest_computes_as_if_they_were_masked(name: str) -> None:
    module, data = MODULES[name](), given(name)
    whole, structure = copy.deepcopy(module), Structure.of(module)
    keeps = {0: torch.tensor([1, 3]), 1: torch.tensor([0, 1, 2])}
    for index, heads in keeps.items():
        prune_heads.remove(structure, index, heads)
    silent = {i: without(32, prune_heads._places(heads, 8)) for i, heads in keeps.items()}
    expected = masked(whole, data[2], structure.family.output, silent)
    torch.testing.assert_close(last(module, data[2]), expected, atol=CLOSE, rtol=CLOSE)
    assert (last(whole, data[2]) - expected).abs().max() > 100 * CLOSE
    assert [structure.heads(0), structure.heads(1)] == [2, 3]


def test_the_unused_go_first() -> None:
    """Neurons and heads whose outgoing weights are zero matter to nothing."""
    module, data = tiny_modules.bert(), given("bert")
    structure = Structure.of(module)
    with torch.no_grad():
        for layer in structure.layers:
            layer.get_submodule("output.dense").weight[:, 10:26] = 0
            layer.get_submodule("attention.output.dense").weight[:, 8:16] = 0
    expected = last(copy.deepcopy(module), data[0])
    reports = apply_steps(module, Recipe.parse("prune-heads:0.25+prune-neurons:0.25"), data)
    torch.testing.assert_close(last(module, data[0]), expected, atol=CLOSE, rtol=CLOSE)
    assert [structure.heads(i) for i in range(3)] == [3, 3, 3]
    assert [structure.neurons(i) for i in range(3)] == [48, 48, 48]
    assert all(r.changed and r.parameters_after < r.parameters_before for r in reports)


def test_refitting_brings_the_outputs_nearer_than_cutting_alone() -> None:
    data, errors = given("bert"), {}
    for refit in (False, True):
        module = tiny_modules.bert(layers=1)
        # Two heads say what the two others say, so that there is something to refit.
        with torch.no_grad():
            attention = module.encoder.layer[0].attention.self
            half = attention.query.out_features // 2
            for part in (attention.query, attention.key, attention.value):
                part.weight[half:] = part.weight[:half] + 0.02 * part.weight[half:]
                part.bias[half:] = part.bias[:half]
        whole = copy.deepcopy(module)
        prune_heads.prune(Context(Structure.of(module), data),
                          prune_heads.Config(0.5, refit=refit))
        errors[refit] = float((last(module, data[3]) - last(whole, data[3])).norm())
    assert errors[True] < 0.8 * errors[False]


@pytest.mark.parametrize("name", MODULES)
def test_removed_layers_are_those_that_change_least(name: str) -> None:
    module, data = MODULES[name](), given(name)
    structure = Structure.of(module)
    total = len(structure.layers)
    with torch.no_grad():  # the second layer adds nearly nothing
        for path in (structure.family.output, structure.family.outer):
            structure.layers[1].get_submodule(path).weight.mul_(1e-4)
    kept = [layer for index, layer in enumerate(structure.layers) if index != 1]
    report, = apply_steps(module, Recipe.parse("prune-layers:0.4"), data)
    assert report.changed == ("layer 1",)
    assert list(structure.layers) == kept
    assert structure.config.num_hidden_layers == total - 1
    assert torch.isfinite(last(module, data[0])).all()
    if name == "llama":
        assert [layer.self_attn.layer_idx for layer in structure.layers] == [0, 1]


@pytest.mark.parametrize("name", MODULES)
def test_full_rank_equals_the_original(name: str) -> None:
    module, data = MODULES[name](), given(name)
    whole, structure = copy.deepcopy(module), Structure.of(module)
    for index, path, part in list(structure.linears()):
        weight = part.weight.detach()
        second = torch.randn(weight.shape[1], weight.shape[1]).double()
        spectrum = low_rank.decomposed(weight, *low_rank.square_root(second @ second.T, 1e-6))
        low_rank.replace(structure, index, path, spectrum, len(spectrum.left) - 1)
    assert all(isinstance(part, Factors) for _, _, part in structure.linears())
    torch.testing.assert_close(last(module, data[0]), last(whole, data[0]), atol=2e-3, rtol=2e-3)


def test_the_texts_decide_what_a_low_rank_keeps() -> None:
    """Inputs of rank 5 need rank 5, whatever the rank of the weight is."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(200, 5, generator=generator) @ torch.randn(5, 24, generator=generator)
    weight = torch.randn(16, 24, generator=generator)
    spectrum = low_rank.decomposed(weight, *low_rank.square_root(rows.T @ rows / 200, 1e-9))
    product = rows @ spectrum.first[:5].T @ spectrum.second[:, :5].T
    torch.testing.assert_close(product, rows @ weight.T, atol=2e-2, rtol=1e-2)
    assert spectrum.left[5] < 1e-4 < spectrum.left[4]


def test_low_rank_keeps_the_asked_share_and_names_what_it_leaves() -> None:
    module, data = tiny_modules.bert(), given("bert")
    structure = Structure.of(module)
    before = sum(part.weight.numel() for _, _, part in structure.linears())
    report, = apply_steps(module, Recipe.parse("low-rank:0.6"), data)
    after = sum(p.first.weight.numel() + p.second.weight.numel() if isinstance(p, Factors)
                else p.weight.numel() for _, _, p in structure.linears())
    assert 0.5 < after / before <= 0.6
    assert report.parameters_before - report.parameters_after == before - after
    # A layer that stays whole is named with the reason.
    module = tiny_modules.bert()
    report, = apply_steps(module, Recipe.parse("low-rank:0.95"), data)
    assert report.skipped
    assert all("larger than itself" in reason for reason in report.skipped)
    assert len(report.skipped) + len(report.changed) == 18


def test_zeroed_weights_change_no_size() -> None:
    module = tiny_modules.bert()
    structure = Structure.of(module)
    report, = apply_steps(module, Recipe.parse("prune-weights:0.5"), [])  # it looks at no text
    flat = torch.cat([part.weight.detach().flatten() for _, _, part in structure.linears()])
    assert float((flat == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    assert report.parameters_after == report.parameters_before
    assert "as large as before" in report.detail


@pytest.mark.parametrize("name", MODULES)
def test_recovery_brings_the_compressed_module_nearer_to_the_original(name: str) -> None:
    module, data = MODULES[name](), given(name)
    whole, alone = copy.deepcopy(module), copy.deepcopy(module)
    apply_steps(alone, Recipe.parse("prune-layers:0.34+prune-neurons:0.4"), data)
    heard: list[float] = []
    reports = apply_steps(module, Recipe.parse("prune-layers:0.34+prune-neurons:0.4+distil:8"),
                          data, tell=lambda stage, share: heard.append(share or 0.0))
    assert [r.step for r in reports] == ["prune-layers:0.34", "prune-neurons:0.4", "distil:8"]
    wanted = last(whole, data[3])
    nearer = (last(module, data[3]) - wanted).norm() / (last(alone, data[3]) - wanted).norm()
    # Decoders are taught at a far lower rate: 32 steps move them a little.
    assert nearer < (0.985 if name == "llama" else 0.95)
    assert heard[-1] > 0.9
    assert not any(part.training for part in module.modules())


def test_recovery_with_one_seed_is_one_result() -> None:
    found = []
    for _ in range(2):
        module = tiny_modules.bert()
        apply_steps(module, Recipe.parse("prune-neurons:0.5+distil:1"), given("bert"), seed=3)
        found.append(last(module, given("bert")[0]))
    torch.testing.assert_close(*found)


def test_steps_that_do_not_fit_are_refused_with_those_that_do() -> None:
    module, data = tiny_modules.llama(), given("llama")
    with pytest.raises(InputError, match=r"prune-heads.*What fits: low-rank, prune-neurons"):
        apply_steps(module, Recipe.parse("prune-neurons:0.5+prune-heads:0.5"), data)
    assert Structure.of(module).neurons(0) == 48, "refused before anything is changed"
    with pytest.raises(InputError, match="number formats: int8-weights, int8"):
        apply_steps(torch.nn.Linear(3, 3), Recipe.parse("prune-neurons:0.5"), data)
    with pytest.raises(InputError, match="look at texts"):
        apply_steps(module, Recipe.parse("prune-neurons:0.5"), [])


def test_a_step_that_changes_nothing_says_so() -> None:
    module = tiny_modules.bert()
    report, = apply_steps(module, Recipe.parse("prune-layers:0.1"), given("bert"))
    assert report.changed == ()
    assert report.detail.startswith("It changed nothing.")
    assert report.parameters_before == report.parameters_after
