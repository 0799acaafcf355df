"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest_plugins = ["tests.demo.fixtures"]


@pytest.fixture
def launch() -> Iterator[Callable[..., str]]:
    """``launch(engine, domains=None)`` serves the application and gives its address."""
    import app

    running: list[Any] = []

    def start(engine: Any, domains: Any = None) -> str:
        demo = app.create_app(engine, app.DOMAINS if domains is None else domains)
        demo.launch(server_name="127.0.0.1", prevent_thread_lock=True,
                    **app.launch_options(engine))
        running.append(demo)
        return str(demo.local_url)

    yield start
    for demo in running:
        demo.close()
