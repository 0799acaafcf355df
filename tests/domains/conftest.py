"""Fixtures of the shared parts: the demo domain's texts and a running demo application."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domains.shared import page, texts
from tests.demo import DEMO, TEXTS


@pytest.fixture
def demo_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A texts folder that holds the real page.toml and the demo's; no recorded examples."""
    shutil.copy(texts.FOLDER / "page.toml", tmp_path)
    shutil.copy(TEXTS, tmp_path)
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    monkeypatch.setattr(page, "RECORDED", tmp_path)
    yield tmp_path
    texts._read.cache_clear()


@pytest.fixture
def serve(demo_texts: Path) -> Iterator[Callable[..., str]]:
    """``serve(engine)`` launches the application with the demo tab and gives its address."""
    import app

    running: list[Any] = []

    def start(engine: Any, domains: Any = (DEMO,)) -> str:
        demo = app.create_app(engine, domains)
        demo.launch(server_name="127.0.0.1", prevent_thread_lock=True,
                    **app.launch_options(engine))
        running.append(demo)
        return str(demo.local_url)

    yield start
    for demo in running:
        demo.close()
