"""All endpoints over a live ``gradio_client``: the fields that the design promises."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from domains import DOMAINS
from domains.base import Decision
from tests.domains.lab import GATE
from tests.fakes import FakeEngine
from tests.films import write_films

COMMON = {"decision", "reason", "confidence", "evidence", "stamp"}
FIELDS = {
    "customer_service": {"text", "intent", "session_id"},
    "medical_qa": {"answer", "red_flags"},
    "financial_sentiment": {"rows", "index"},
    "recommendation": {"items"},
    "text_studio": {"text"},
    "engine_lab": {"name", "rows"},
}
ROWS = {
    "financial_sentiment": ("rows", {"headline", "entity", "ticker", "label", "score", *COMMON}),
    "recommendation": ("items", {"id", "title", "score", "reasons"}),
    "medical_qa": ("answer", {"sentence", "evidence"}),
    "engine_lab": ("rows", {"recipe", "decision", "loss_points", "n", "speedup", "host", "date"}),
}
EVIDENCE = {"source", "title", "address", "quote", "score"}
# Per endpoint: arguments that must be refused, and what the sentence says.
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("customer_service", {"message": ""}, "(empty|Write)"),
    ("customer_service", {"message": "x" * 4001}, "4,00[01]"),
    ("customer_service", {"message": ["hello"]}, "`message` must be a text, not a list"),
    ("medical_qa", {"question": "   "}, "(empty|Write)"),
    ("medical_qa", {"question": "x" * 4001}, "4,00[01]"),
    ("financial_sentiment", {"headlines": "abc"}, "`headlines` must be a list of texts, not a"),
    ("financial_sentiment", {"headlines": ["x"] * 1001}, "1,000"),
    ("recommendation", {"liked": ["Alien"], "n": "three"}, "`n` must be a whole number, not a"),
    ("recommendation", {"liked": "Alien"}, "`liked` must be a list of texts, not a text"),
    ("recommendation", {"liked": ["Alien"], "diversity": 7.0}, "from 0 to 1"),
    ("text_studio", {"task": "sing", "text": "x"}, "`task` must be one of “summarize”"),
    ("text_studio", {"task": "summarize", "text": ""}, "(empty|Write|Enter)"),
    ("engine_lab", {"name": "gpt-9"}, "no model in the lab called"),
    ("engine_lab", {"name": 3}, "`name` must be a text, not a"),
]


@pytest.fixture(scope="module")
def fake_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    films = write_films(tmp_path_factory.mktemp("films"))
    yield from client_on(FakeEngine(data={"films": films}, gate=GATE))


@pytest.fixture(scope="module")
def real_client() -> Iterator[Client]:
    from lepton_engine import Engine

    engine = Engine()
    yield from client_on(engine)
    engine.close()


def client_on(engine: Any) -> Iterator[Client]:
    import app

    demo = app.create_app(engine)
    demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, **app.launch_options(engine))
    yield Client(demo.local_url, verbose=False)
    demo.close()


def ask(client: Client, slug: str) -> dict[str, Any]:
    given = next(d for d in DOMAINS if d.slug == slug).module("service").RECORDED_INPUT
    answer: dict[str, Any] = client.predict(**given, api_name=f"/{slug}")
    return answer


def check(slug: str, answer: dict[str, Any]) -> None:
    assert COMMON | FIELDS[slug] <= set(answer)
    assert answer["decision"] in {d.value for d in Decision}
    assert answer["reason"].strip()
    assert answer["confidence"] is None or 0 <= answer["confidence"] <= 1
    assert answer["stamp"]["latency_ms"] > 0
    assert all(set(row) >= EVIDENCE for row in answer["evidence"])
    if slug in ROWS:
        name, columns = ROWS[slug]
        assert answer[name]
        assert all(columns <= set(row) for row in answer[name])
    json.dumps(answer, allow_nan=False)


@pytest.mark.parametrize("slug", list(FIELDS))
def test_every_endpoint_answers_as_the_design_says(fake_client: Client, slug: str) -> None:
    check(slug, ask(fake_client, slug))


@pytest.mark.integration
@pytest.mark.parametrize("slug", list(FIELDS))
def test_every_endpoint_answers_with_real_models(real_client: Client, slug: str) -> None:
    answer = ask(real_client, slug)
    check(slug, answer)
    assert answer["decision"] == "answered"
    assert "@openvino:cpu" in answer["stamp"]["variant"]


@pytest.mark.parametrize(("slug", "given", "sentence"), WRONG)
def test_wrong_input_gets_a_sentence(
        fake_client: Client, slug: str, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence) as caught:
        fake_client.predict(**given, api_name=f"/{slug}")
    assert "upstream Gradio app" not in str(caught.value)
    assert " (id " in str(caught.value)


def test_a_conversation_is_continued_by_its_id_and_by_no_other(fake_client: Client) -> None:
    say: Callable[..., dict[str, Any]] = fake_client.predict
    first = say(message="How do I activate my new card?", api_name="/customer_service")
    again = say(message="And how long does it take?", session_id=first["session_id"],
                api_name="/customer_service")
    assert again["session_id"] == first["session_id"]
    stranger = say(message="Hello", session_id="f" * 32, api_name="/customer_service")
    assert stranger["session_id"] not in ("f" * 32, first["session_id"])
    assert len(bytes.fromhex(stranger["session_id"])) == 16


def test_the_list_of_endpoints_is_that_of_the_domains(fake_client: Client) -> None:
    named = fake_client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {f"/{slug}" for slug in FIELDS}


def test_the_films_of_the_tests_are_read(tmp_path: Path) -> None:
    from domains.recommendation.films import load

    assert len(load(write_films(tmp_path)).recommendable) == 24
