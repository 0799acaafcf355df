"""Fixtures of the tests on tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_engine.catalog import Store
from lepton_engine.compression import convert
from lepton_engine.runtimes import encoder_export
from lepton_engine.settings import Settings
from lepton_engine.telling import Tell
from tests.engine import tiny_encoders
from tests.engine.tiny_models import Load, loader


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An empty store that asks no network."""
    return Store(Settings(home=tmp_path_factory.mktemp("home"), offline=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder without a head."""
    return tiny_encoders.build(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Load:
    """``load("Model", runtime)``: a tiny model of that head."""
    return loader(tmp_path_factory.mktemp("models"), store)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert in this process, where torch is loaded anyhow: seconds less a model."""

    def export(job: convert.Job, tell: Tell) -> None:
        convert.run(job, tell)

    monkeypatch.setattr(encoder_export, "export", export)
