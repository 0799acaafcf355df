"""The torch decoder: number formats, the cache of fixed size, refusals; CUDA where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from lepton_engine.catalog import Store, catalogue
from lepton_engine.device import DeviceChoice
from lepton_engine.errors import InputError, ModelUnavailableError, RuntimeFailure
from lepton_engine.runtimes import decoders
from lepton_engine.runtimes.base import GenerateOptions, RuntimeInfo
from lepton_engine.runtimes.torch_decoder import TorchDecoder
from lepton_engine.runtimes.torch_weights import FORMATS, QuantizedLinear, quantize_linears
from lepton_engine.settings import Settings
from tests.engine import tiny_decoder

PROMPT = list(range(5, 45))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder.build(tmp_path_factory.mktemp("tiny"))


def load(source: Path, recipe: str = "original", device: str = "cpu",
         precision: str = "fp32") -> TorchDecoder:
    return TorchDecoder.load(source, RuntimeInfo("tiny", recipe, "torch", device, precision), 512)


def ids_of(decoder: TorchDecoder, prompt: list[int] = PROMPT, count: int = 20) -> list[int]:
    options = GenerateOptions(max_new_tokens=count)
    return [i for chunk in decoder.stream(prompt, options) for i in chunk.ids]


@pytest.mark.parametrize(("recipe", "error"), [("int8", 0.006), ("int4", 0.09),
                                               ("int4-channel", 0.12)])
def test_a_quantized_layer_is_near_its_original(recipe: str, error: float) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(192, 96)
    bits, group = FORMATS[recipe]
    quantized = QuantizedLinear(linear, bits, group)
    off = (quantized.weight() - linear.weight).norm() / linear.weight.norm()
    assert 0 < off < error
    x = torch.randn(3, 192)
    assert torch.allclose(quantized(x), x @ quantized.weight().T + linear.bias, atol=1e-5)


def test_every_value_of_four_bits_survives_packing() -> None:
    linear = nn.Linear(16, 1, bias=False)
    linear.weight.data = torch.arange(-7, 9).float()[None].clamp(max=7)
    assert torch.equal(QuantizedLinear(linear, 4, 0).weight(), linear.weight)


@pytest.mark.parametrize(("recipe", "share"), [("int8", 0.45), ("int4", 0.4)])
def test_a_quantized_decoder_is_smaller_and_computes_with_its_rounded_weights(
        source: Path, recipe: str, share: float) -> None:
    original, small = load(source), load(source, recipe)
    assert small.memory_bytes < share * original.memory_bytes
    for name, module in small._model.named_modules():
        if isinstance(module, QuantizedLinear):
            original._model.get_submodule(name).weight.data = module.weight()
    with torch.inference_mode():
        one, two = (d._model(input_ids=torch.tensor([PROMPT])).logits[0, -1]
                    for d in (original, small))
    assert torch.allclose(one, two, atol=1e-4)
    assert small.info.variant == f"tiny/{recipe}@torch:cpu"
    assert len(set(ids_of(small))) > 4


def test_a_layer_that_does_not_divide_is_left_and_named(source: Path) -> None:
    model = load(source)._model
    model.model.layers[0].mlp.down_proj = nn.Linear(190, 128)
    assert quantize_linears(model, "int4") == ["model.layers.0.mlp.down_proj"]


def test_the_cache_of_fixed_size_gives_the_same_ids_again_and_again(source: Path) -> None:
    growing = load(source)
    fixed = TorchDecoder(growing._model, growing.info, 512, static=True)
    expected = ids_of(growing)
    assert ids_of(fixed) == expected
    assert ids_of(fixed, PROMPT[::-1]) == ids_of(growing, PROMPT[::-1])
    assert ids_of(fixed) == expected  # nothing of the one before is left in it
    with pytest.raises(InputError, match="this runtime holds 512"):
        ids_of(fixed, PROMPT * 13)


def test_a_prompt_in_chunks_gives_the_same_ids(source: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = load(source)
    whole = ids_of(decoder)
    monkeypatch.setattr("lepton_engine.runtimes.torch_decoder.PROMPT_CHUNK", 7)
    assert ids_of(decoder) == whole


def test_memory_that_runs_out_is_tried_again_once_then_said(
        source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = load(source)
    expected, model, fails = ids_of(decoder), decoder._model, [1]

    class Full:
        config, device = model.config, model.device

        def __call__(self, **arguments: object) -> object:
            if fails and fails.pop():
                raise torch.OutOfMemoryError("full")
            return model(**arguments)

    monkeypatch.setattr(decoder, "_model", Full())
    assert ids_of(decoder) == expected
    fails[:] = [1, 1]
    with pytest.raises(RuntimeFailure, match="memory is full"):
        ids_of(decoder)


def test_a_schema_and_an_unknown_recipe_are_refused(source: Path, tmp_path: Path) -> None:
    decoder = load(source)
    with pytest.raises(InputError, match="JSON schema"):
        next(iter(decoder.stream(PROMPT, GenerateOptions(schema="{}"))))
    store = Store(Settings(home=tmp_path, offline=True))
    choice = DeviceChoice("cpu", "fp32", "a test", ("torch",))
    with pytest.raises(ModelUnavailableError, match="as original, int8"):
        decoders.load_decoder(catalogue().resolve(str(source)), store, choice,
                              runtime="torch", recipe="prune-heads:0.5")
    decoder.close()
    with pytest.raises(RuntimeFailure, match="unloaded"):
        ids_of(decoder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("recipe", ["original", "int8", "int4"])
def test_on_cuda_the_graphs_give_the_ids_of_the_eager_model(source: Path, recipe: str) -> None:
    fast = load(source, recipe, "cuda", "bf16")
    eager = TorchDecoder(fast._model, fast.info, 512, static=False)
    eager._one = fast._model
    assert ids_of(fast, count=8) == ids_of(eager, count=8)
    assert ids_of(fast, count=8) == ids_of(eager, count=8)
