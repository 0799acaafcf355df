"""What the tests of LeptonModel share: a loader of tiny models and their plain counterparts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lepton_engine import LeptonModel
from lepton_engine.catalog import Store
from lepton_engine.device import DeviceChoice
from tests.engine import tiny_encoders

FP32 = DeviceChoice("cpu", "fp32", "a test", ("openvino", "torch"))
# Sums of 32 products in another order: fp32 leaves six digits.
CLOSE = 2e-5
Load = Callable[..., LeptonModel]


def loader(root: Path, store: Store) -> Load:
    """``load("Model", runtime)``: a model of that head, built and loaded once a runtime."""
    loaded: dict[tuple[str, str], LeptonModel] = {}

    def get(kind: str = "Model", runtime: str = "torch", **extra: object) -> LeptonModel:
        folder = root / f"{kind}{len(extra)}"
        if not folder.exists():
            tiny_encoders.build(folder, kind, **extra)
        key = (folder.name, runtime)
        if key not in loaded:
            loaded[key] = LeptonModel.load_pretrained_model(
                str(folder), device=FP32, runtime=runtime, store=store)
        return loaded[key]

    return get


def folder_of(model: LeptonModel) -> Path:
    assert model.spec.folder is not None
    return model.spec.folder


def mean_of(model: LeptonModel, text: str) -> np.ndarray:
    return tiny_encoders.hidden_states(folder_of(model), text).mean(axis=0)
