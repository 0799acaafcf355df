"""Fixtures of the demo domain, for the tests of the shared parts and of the browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domains.shared import page, texts
from tests.demo import DEMO, TEXTS, service
from tests.fakes import FakeEngine


@pytest.fixture
def demo_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the real page.toml, the demo's texts and no recorded example."""
    shutil.copy(texts.FOLDER / "page.toml", tmp_path)
    shutil.copy(TEXTS, tmp_path)
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    monkeypatch.setattr(page, "RECORDED", tmp_path)
    yield tmp_path
    texts._read.cache_clear()


@pytest.fixture
def demo_recorded(demo_texts: Path) -> Path:
    """The demo's recorded example, from a real run of its service on the fake engine."""
    payload = service.build(FakeEngine()).api(**service.RECORDED_INPUT).to_json()
    row = {"recorded_at": "2026-11-23", "host": "2 CPU cores", "input": service.RECORDED_INPUT,
           "payload": payload}
    (demo_texts / "demo.json").write_text(json.dumps(row), encoding="utf-8")
    return demo_texts


@pytest.fixture
def serve(demo_texts: Path, launch: Callable[..., str]) -> Callable[..., str]:
    """``serve(engine)`` launches the application with the demo tab and gives its address."""

    def start(engine: Any, domains: Any = (DEMO,)) -> str:
        return launch(engine, domains)

    return start
