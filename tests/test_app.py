"""The application on the fake engine: tabs, endpoints, settings; one live client."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import app
from domains import DOMAINS
from tests.demo import DEMO
from tests.fakes import FakeEngine

Serve = Callable[..., str]
ROOT = Path(app.__file__).parent


def run_app(**environment: str) -> subprocess.CompletedProcess[str]:
    """``python app.py`` from another folder; it must not need to stand in its own."""
    return subprocess.run([sys.executable, str(ROOT / "app.py")], cwd=ROOT.parent, text=True,
                          env={**os.environ, **environment}, capture_output=True, timeout=120)


def test_building_the_page_loads_no_model() -> None:
    engine = FakeEngine()
    app.create_app(engine)
    assert set(engine.calls) <= {"status", "adapter_card"}


def test_every_endpoint_is_public_and_typed_and_every_event_private() -> None:
    demo = app.create_app(FakeEngine())
    public = {fn.api_name for fn in demo.fns.values() if fn.api_visibility == "public"
              and fn.outputs}
    assert public == {d.slug for d in DOMAINS}
    for fn in demo.fns.values():
        if fn.outputs:
            assert fn.api_name


def test_the_tabs_stand_in_order() -> None:
    config = app.create_app(FakeEngine()).get_config_file()
    # A tab within a tab (the lab has five) has no id.
    tabs = [c["props"]["id"] for c in config["components"]
            if c["type"] == "tabitem" and c["props"].get("id")]
    assert tabs == [d.slug for d in DOMAINS]


def test_a_program_asks_through_the_client(serve: Serve) -> None:
    client = Client(serve(FakeEngine()), verbose=False)
    answer = client.predict("What does a lost card cost?", api_name="/demo")
    assert answer["decision"] == "answered"
    assert answer["stamp"]["latency_ms"] == 123.4
    refused = client.predict(question="Will it rain in Paris?", n=2, api_name="/demo")
    assert refused["decision"] == "abstained"
    with pytest.raises(AppError, match=r"`question` must be a text, not a list. \(id [0-9a-f]{8}"):
        client.predict(["a"], api_name="/demo")
    with pytest.raises(AppError, match="The question is empty"):
        client.predict(" ", api_name="/demo")
    with pytest.raises(AppError, match="has 4,001 characters; at most 4,000 are taken"):
        client.predict("x" * 4001, api_name="/demo")


def test_private_events_answer_odd_values_with_a_sentence(serve: Serve) -> None:
    """A raw call of a private event with values that the page never sends."""
    url = serve(FakeEngine())
    config = httpx.get(f"{url}config").json()
    event = next(d for d in config["dependencies"] if d["api_name"] == "demo_page_1")
    for value in (None, 5, ["x"], {"a": {"b": None}}):
        body = {"data": [value, "en"], "fn_index": event["id"], "session_hash": "abc"}
        httpx.post(f"{url}gradio_api/queue/join", json=body, timeout=20)
        answer = httpx.get(f"{url}gradio_api/queue/data?session_hash=abc", timeout=20).text
        assert "Traceback" not in answer
        assert "process_completed" in answer
    assert httpx.get(url).status_code == 200


def test_a_taken_port_is_a_sentence_and_exit_code_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_app(GRADIO_SERVER_PORT=port, GRADIO_SERVER_NAME="127.0.0.1")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        f"Port {port} is taken. Stop the other program, or choose another port with "
        "GRADIO_SERVER_PORT.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["many", "0", "70000", ""])
def test_a_port_that_is_none_is_a_sentence(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    with pytest.raises(SystemExit, match="must be a number from 1 to 65535"):
        app.settings()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    monkeypatch.delenv("GRADIO_SERVER_PORT", raising=False)
    assert app.settings() == ("127.0.0.1", 7860)
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "8080")
    assert app.settings() == ("0.0.0.0", 8080)


def test_main_preloads_in_tab_order_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    import lepton_engine

    engine, launched = FakeEngine(), {}
    warmed: list[str] = []

    def launch(self: Any, **options: Any) -> None:
        launched.update(options)

    monkeypatch.setattr(lepton_engine, "Engine", lambda: engine, raising=False)
    monkeypatch.setattr(app, "DOMAINS", (DEMO,))
    monkeypatch.setattr(app, "build_page", lambda engine: (
        app.gr.Blocks(), [lambda: warmed.append("after " + " ".join(engine.loaded))]))
    monkeypatch.setattr(app, "port_is_taken", lambda host, port: False)
    monkeypatch.setattr(app.gr.Blocks, "launch", launch)
    assert app.main() == 0
    assert list(engine.loaded) == ["minilm-l6", "qwen-0.5b"]
    assert warmed == ["after minilm-l6 qwen-0.5b"]
    assert launched["ssr_mode"] is False
    assert launched["server_name"] == "127.0.0.1"
    assert engine.calls["close"] == 1


def test_without_models_the_page_opens_and_each_tab_says_what_is_missing(tmp_path: Path) -> None:
    """``python app.py`` as it is, offline, on an empty store; SIGTERM ends it cleanly."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py")], cwd=tmp_path, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "LEPTON_HOME": str(tmp_path), "LEPTON_OFFLINE": "1",
             "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)})
    url = f"http://127.0.0.1:{port}"
    try:
        status = wait_until_ready(url)
        failed = {m["name"]: m["detail"] for m in status["models"] if m["state"] == "failed"}
        assert {"minilm-l6", "qwen-0.5b", "films"} <= set(failed)
        assert all(len(detail) > 20 and str(tmp_path) not in detail for detail in failed.values())
        assert "Lepton" in httpx.get(url).text
        client = Client(url, verbose=False)
        with pytest.raises(AppError, match=r"\(id [0-9a-f]{8}\)"):
            client.predict("How do I activate my card?", api_name="/customer_service")
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "activate my card" not in errors


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, seconds: float = 120) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = httpx.get(f"{url}/readyz", timeout=10)
        except httpx.TransportError:
            time.sleep(0.5)
            continue
        if answer.status_code == 200:
            status: dict[str, Any] = answer.json()
            return status
        time.sleep(0.5)
    raise AssertionError("the application did not become ready")


def test_importing_the_application_loads_no_heavy_library() -> None:
    code = ("import sys, app; print([m for m in ('torch', 'openvino', 'transformers', 'spacy', "
            "'plotly') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True,
                          timeout=120, check=True)
    assert done.stdout.strip() == "[]"
