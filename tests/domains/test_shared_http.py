"""Limits and clean JSON before Gradio, over real HTTP; streams pass untouched."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from domains.shared.http import cleaned, suspicious
from lepton_engine.results import EngineStatus, LoadState
from tests.fakes import FakeEngine

Serve = Callable[..., str]
CALL = "gradio_api/call/demo"


def ask(url: str, data: list[Any], body: bytes | None = None) -> tuple[int, str]:
    """One call over raw HTTP: status of the POST, and the event stream's text."""
    headers = {"content-type": "application/json"}
    sent = httpx.post(url + CALL, content=body or json.dumps({"data": data}).encode(),
                      headers=headers, timeout=30)
    if sent.status_code != 200:
        return sent.status_code, sent.text
    with httpx.stream("GET", f"{url}{CALL}/{sent.json()['event_id']}", timeout=30) as answer:
        return 200, answer.read().decode()


def test_what_is_suspicious() -> None:
    assert suspicious(rb'"\ud800"')
    assert suspicious(rb'"\uDFff"')
    assert suspicious(b'"\xed\xa0\x80"')
    assert suspicious('"\ud800\u0080"'.encode("utf-16-le", "surrogatepass"))
    assert not suspicious('"中文 😀 \\u4e2d"'.encode())


def test_cleaning_keeps_pairs_and_replaces_the_lonely() -> None:
    assert json.loads(cleaned(rb'{"a\ud800": ["\ud83d\ude00", "x\udc00", 1, null]}')) == {
        "a\ufffd": ["😀", "x\ufffd", 1, None]}


@pytest.fixture
def address(serve: Serve) -> str:
    return serve(FakeEngine())


def test_an_ordinary_call_streams_its_answer(address: str) -> None:
    status, events = ask(address, ["What does a lost card cost?", 3])
    assert status == 200
    assert "event: complete" in events
    payload = json.loads(events.split("data: ")[-1])[0]
    assert payload["decision"] == "answered"
    assert payload["text"].startswith("A lost card costs")


@pytest.mark.parametrize("body", [
    rb'{"data": ["lost card \ud800 cost", 3]}',
    b'{"data": ["lost card \xed\xa0\x80 cost", 3]}',
    '{"data": ["lost card \ud800 cost", 3]}'.encode("utf-16-le", "surrogatepass")])
def test_a_lone_surrogate_is_replaced_before_anything_reads_it(
        body: bytes, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine()
    status, events = ask(serve(engine), [], body)
    assert status == 200
    assert "event: complete" in events
    asked = engine.messages[0][0]["content"]
    assert "\ufffd" in asked
    assert asked.encode("utf-8")
    assert "Surrogate" not in caplog.text
    assert "UnicodeEncodeError" not in caplog.text


def test_thirty_megabytes_get_a_sentence(address: str) -> None:
    body = json.dumps({"data": ["x" * 30_000_000, 3]}).encode()
    for path in (CALL, "gradio_api/queue/join", "gradio_api/run/demo"):
        answer = httpx.post(address + path, content=body, timeout=60,
                            headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["error"] == "A request may have at most 2 MB. Send less at once."


def test_a_body_without_a_length_is_counted(address: str) -> None:
    pieces = (b"x" * 100_000 for _ in range(40))
    answer = httpx.post(address + CALL, content=pieces, timeout=60)
    assert answer.status_code == 413
    files = {"files": ("big.csv", b"a" * 11_000_000)}
    upload = httpx.post(f"{address}gradio_api/upload", files=files, timeout=60)
    assert upload.status_code == 413
    assert "A file may have at most 10 MB" in upload.json()["error"]


def test_a_small_upload_passes(address: str) -> None:
    answer = httpx.post(f"{address}gradio_api/upload", files={"files": ("a.csv", b"headline\nx")})
    assert answer.status_code == 200
    assert answer.json()[0].endswith("a.csv")


def test_broken_json_gets_a_sentence_not_a_trace(address: str) -> None:
    answer = httpx.post(address + CALL, content=rb'{"data": ["\ud800"',
                        headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["error"]
    deep = b'["\\ud800",' + b"[" * 200_000
    answer = httpx.post(address + CALL, content=deep, headers={"content-type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize(("data", "sentence"), [
    ([["a"], 3], "`question` must be a text, not a list. (id "),
    (["x" * 4001, 3], "`question` has 4,001 characters; at most 4,000 are taken."),
    (["   ", 3], "The question is empty. Write one. (id "),
    (["x", "three"], "`n` must be a whole number, not a text. (id "),
])
def test_wrong_input_gets_a_sentence_over_http(
        address: str, data: list[Any], sentence: str) -> None:
    status, events = ask(address, data)
    assert status == 200
    assert "event: error" in events
    assert sentence in events


def test_health_and_readiness(serve: Serve) -> None:
    loading = EngineStatus("cpu", "int8", "why", (LoadState("qwen-0.5b", "loading", 0.5),))
    url = serve(FakeEngine(status=loading))
    assert httpx.get(f"{url}healthz").json() == {"status": "alive"}
    answer = httpx.get(f"{url}readyz")
    assert answer.status_code == 503
    assert answer.json()["models"][0]["progress"] == 0.5
    done = httpx.get(f"{serve(FakeEngine())}readyz")
    assert done.status_code == 200
    assert done.json()["status"] == "ready"
    assert httpx.get(f"{url}openapi.json").status_code == 404
