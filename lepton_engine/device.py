"""Which device computes, in which precision, and why, as a sentence for the page.

Importing this module loads neither torch nor OpenVINO; they are asked when a choice is made.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import logging
import os
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lepton_engine.errors import DeviceError

logger = logging.getLogger(__name__)

#: A device that takes longer than this for a sum of two numbers is given up.
ANSWER_SECONDS = 4.0
ORDER = ("cuda", "xla", "mps", "cpu")
SYNONYMS: Mapping[str, str] = {"gpu": "cuda", "nvidia": "cuda", "tpu": "xla", "metal": "mps",
                               "apple": "mps"}
NAMES: Mapping[str, str] = {"cuda": "CUDA GPU", "xla": "TPU", "mps": "Apple GPU",
                            "cpu": "processor"}


@dataclass(frozen=True)
class DeviceChoice:
    """``runtimes`` in the order in which they are tried; ``reason`` is a sentence."""

    device: str
    precision: str
    reason: str
    runtimes: tuple[str, ...] = ("torch",)


@dataclass(frozen=True)
class Probe:
    """What asking for one device gave; ``precision`` is empty where it is not there."""

    precision: str
    detail: str
    runtimes: tuple[str, ...] = ("torch",)

    @property
    def present(self) -> bool:
        return bool(self.precision)


def choose_device(wish: str | None = None) -> DeviceChoice:
    """The device for ``wish``, else for ``LEPTON_DEVICE``, else the fastest that is there.

    Raises:
        DeviceError: the wish is no device's name, or this machine does not have it.
    """
    origin = "asked for" if wish else "set by LEPTON_DEVICE"
    wanted = (wish or os.environ.get("LEPTON_DEVICE") or "auto").strip().lower()
    wanted = SYNONYMS.get(wanted, wanted)
    if wanted == "auto":
        return _fastest()
    if wanted not in ORDER:
        raise DeviceError(f"“{wanted[:40]}” is no device that Lepton knows. "
                          f"Choose one of {', '.join(ORDER)}, or auto.")
    probe = PROBES[wanted]()
    if not probe.present:
        there = ", ".join(name for name in ORDER if PROBES[name]().present)
        raise DeviceError(f"The device {wanted} cannot be used: {probe.detail}. "
                          f"This machine has: {there}. Choose one of these, or auto.")
    return DeviceChoice(wanted, probe.precision, f"{NAMES[wanted]}, {origin}; {probe.detail}.",
                        probe.runtimes)


def lost(choice: DeviceChoice) -> bool:
    """Whether a device that was there no longer computes; asked after a failure on it.

    A processor is never lost. A device that does not answer within ``ANSWER_SECONDS`` is.
    """
    if choice.device not in TRIALS:
        return False
    answered: list[bool] = []

    def attempt() -> None:
        try:
            TRIALS[choice.device]()
            answered.append(True)
        except Exception as error:  # a lost device raises errors of many kinds
            logger.warning("The device %s does not answer: %s", choice.device,
                           type(error).__name__)

    thread = threading.Thread(target=attempt, daemon=True, name="lepton-trial")
    thread.start()
    thread.join(ANSWER_SECONDS)
    return not answered


def without(choice: DeviceChoice) -> DeviceChoice:
    """The processor in place of a lost device.

    torch comes first: it is in memory already and needs no conversion, so that work goes on
    within seconds. A new start takes the processor's faster runtime.
    """
    probe = PROBES["cpu"]()
    if not probe.present:
        raise DeviceError(f"The {NAMES[choice.device]} was lost and no other device can compute "
                          f"here: {probe.detail}. Start Lepton again.")
    runtimes = tuple(sorted(probe.runtimes, key=lambda name: name != "torch"))
    reason = (f"{NAMES['cpu']}, because the {NAMES[choice.device]} stopped answering while it "
              "was in use; start Lepton again when it is back.")
    return DeviceChoice("cpu", probe.precision, reason, runtimes)


def _fastest() -> DeviceChoice:
    missing: list[str] = []
    for name in ORDER:
        probe = PROBES[name]()
        if probe.present:
            absent = f", as there is no {_listed(missing)}" if missing else ""
            reason = f"{NAMES[name]}{absent}; {probe.detail}."
            return DeviceChoice(name, probe.precision, reason, probe.runtimes)
        missing.append(NAMES[name])
    raise DeviceError("No device can compute here: neither OpenVINO nor torch is installed. "
                      "Install the packages of requirements.txt.")


def _listed(names: list[str]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _torch_version() -> str | None:
    """The installed torch's version without importing it (an import takes seconds)."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def _probe_cuda() -> Probe:
    version = _torch_version()
    if version is None:
        return Probe("", "torch is not installed")
    if version.endswith("+cpu"):
        return Probe("", "the installed torch is the build for processors only")
    import torch

    if not torch.cuda.is_available():
        return Probe("", "torch finds no CUDA device and driver")
    name = torch.cuda.get_device_name(0)
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Probe("bf16", f"{name} computes in bf16")
    return Probe("fp16", f"{name} has no bf16, so it computes in fp16")


@functools.cache
def _probe_xla() -> Probe:
    if importlib.util.find_spec("torch_xla") is None:
        return Probe("", "torch_xla is not installed")
    try:
        import torch_xla.core.xla_model as xla

        found = xla.xla_device_hw(xla.xla_device())
    except Exception as error:  # torch_xla raises RuntimeErrors of many kinds without a TPU
        return Probe("", f"torch_xla finds no device ({type(error).__name__})")
    if found != "TPU":
        return Probe("", f"torch_xla finds a {found}, not a TPU")
    return Probe("bf16", "a TPU computes in bf16")


@functools.cache
def _probe_mps() -> Probe:
    if _torch_version() is None:
        return Probe("", "torch is not installed")
    if platform.system() != "Darwin":
        return Probe("", "this is not a Mac")
    import torch

    if not torch.backends.mps.is_available():
        return Probe("", "torch finds no Apple GPU")
    return Probe("fp32", "the Apple GPU computes in fp32, the precision of the reference")


@functools.cache
def _probe_cpu() -> Probe:
    has_torch = _torch_version() is not None
    if importlib.util.find_spec("openvino") is None:
        if not has_torch:
            return Probe("", "neither OpenVINO nor torch is installed")
        return Probe("fp32", "OpenVINO is not installed, so torch computes in fp32")
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    runtimes = ("openvino", "torch") if has_torch else ("openvino",)
    if "BF16" in able:
        return Probe("bf16", "it has bf16 instructions, so OpenVINO computes in bf16", runtimes)
    return Probe("fp32", "it has no bf16 instructions, so OpenVINO computes in fp32", runtimes)


def _try_torch(device: str) -> None:
    import torch

    if float((torch.ones(2, device=device) + 1).sum()) != 4.0:
        raise RuntimeError("the device computes wrongly")


def _try_xla() -> None:
    import torch_xla.core.xla_model as xla

    _try_torch(str(xla.xla_device()))


#: A small sum on a device that was chosen before; it raises where the device is gone.
TRIALS: dict[str, Callable[[], None]] = {
    "cuda": functools.partial(_try_torch, "cuda"), "xla": _try_xla,
    "mps": functools.partial(_try_torch, "mps"),
}

PROBES: dict[str, Callable[[], Probe]] = {
    "cuda": _probe_cuda, "xla": _probe_xla, "mps": _probe_mps, "cpu": _probe_cpu,
}
