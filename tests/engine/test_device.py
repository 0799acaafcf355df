"""The choice of a device: order, wishes, sentences, and that nothing heavy loads by importing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lepton_engine import device
from lepton_engine.device import Probe, choose_device
from lepton_engine.errors import DeviceError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Pretend a machine: ``machine(cuda="bf16", cpu="fp32")`` has these and nothing else."""
    monkeypatch.delenv("LEPTON_DEVICE", raising=False)

    def pretend(**present: str) -> None:
        for name in device.ORDER:
            precision = present.get(name, "")
            detail = f"the {name} here" if precision else f"no {name} is plugged in"
            runtimes = ("openvino", "torch") if name == "cpu" else ("torch",)
            monkeypatch.setitem(device.PROBES, name,
                                lambda p=precision, d=detail, r=runtimes: Probe(p, d, r))

    return pretend


@pytest.mark.parametrize(("present", "expected"), [
    ({"cuda": "bf16", "xla": "bf16", "mps": "fp32", "cpu": "bf16"}, "cuda"),
    ({"xla": "bf16", "mps": "fp32", "cpu": "bf16"}, "xla"),
    ({"mps": "fp32", "cpu": "bf16"}, "mps"),
    ({"cpu": "fp32"}, "cpu"),
])
def test_the_fastest_device_that_is_there_is_chosen(machine, present, expected) -> None:
    machine(**present)
    choice = choose_device()
    assert choice.device == expected
    assert choice.precision == present[expected]
    assert choice.runtimes[0] == ("openvino" if expected == "cpu" else "torch")


def test_the_reason_names_what_is_missing_and_what_is_there(machine) -> None:
    machine(cpu="bf16")
    reason = choose_device().reason
    assert "no CUDA GPU, TPU or Apple GPU" in reason
    assert "the cpu here" in reason
    assert reason.endswith(".")


def test_an_argument_overrules_the_environment_and_both_overrule_the_order(
        machine, monkeypatch) -> None:
    machine(cuda="bf16", mps="fp32", cpu="bf16")
    monkeypatch.setenv("LEPTON_DEVICE", "CPU")
    assert choose_device().device == "cpu"
    assert "LEPTON_DEVICE" in choose_device().reason
    assert choose_device("mps").device == "mps"
    assert "asked for" in choose_device("mps").reason
    assert choose_device("auto").device == "cuda"
    assert choose_device("gpu").device == "cuda"


def test_an_impossible_wish_says_what_there_is(machine) -> None:
    machine(mps="fp32", cpu="bf16")
    with pytest.raises(DeviceError, match=r"no cuda is plugged in.*This machine has: mps, cpu"):
        choose_device("cuda")


def test_an_unknown_wish_lists_the_devices(machine) -> None:
    machine(cpu="bf16")
    with pytest.raises(DeviceError, match=r"“abacus”.*cuda, xla, mps, cpu"):
        choose_device("abacus")


def test_a_machine_without_any_runtime_is_told_what_to_install(machine) -> None:
    machine()
    with pytest.raises(DeviceError, match=r"requirements\.txt"):
        choose_device()


def test_the_build_of_torch_decides_without_importing_it(monkeypatch) -> None:
    monkeypatch.setattr(device, "_torch_version", lambda: "2.13.0+cpu")
    device._probe_cuda.cache_clear()
    try:
        probe = device._probe_cuda()
    finally:
        device._probe_cuda.cache_clear()
    assert not probe.present
    assert "processors only" in probe.detail


def test_the_processors_precision_is_what_openvino_reports() -> None:
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    choice = choose_device("cpu")
    assert choice.precision == ("bf16" if "BF16" in able else "fp32")
    assert choice.precision in choice.reason
    assert choice.runtimes == ("openvino", "torch")


def test_importing_the_module_loads_no_runtime() -> None:
    code = ("import sys, lepton_engine.device; "
            "print([m for m in ('torch', 'openvino', 'transformers') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
                          check=True)
    assert done.stdout.strip() == "[]"
