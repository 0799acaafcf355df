"""The adapter of the API: strict types, limits, sentences with ids, silent logs."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import gradio as gr
import pytest

from domains.base import Decision, Outcome
from domains.shared.endpoints import guarded
from lepton_engine.errors import InputError, RuntimeFailure

SECRET = "my secret diagnosis"


@dataclass(frozen=True, kw_only=True)
class Echo(Outcome):
    given: dict[str, Any] = field(default_factory=dict)


def echo(headlines: list[str], query: str = "", n: int = 10, diversity: float = 0.3,
         task: Literal["summarize", "translate"] = "summarize") -> Echo:
    """Gives back what it was given."""
    return Echo(decision=Decision.ANSWERED, reason="ok", given={
        "headlines": headlines, "query": query, "n": n, "diversity": diversity, "task": task})


def call(*values: Any, **named: Any) -> dict[str, Any]:
    result: dict[str, Any] = guarded("echo", echo)(*values, **named)["given"]
    return result


def refused(*values: Any, **named: Any) -> str:
    with pytest.raises(gr.Error) as caught:
        call(*values, **named)
    message = str(caught.value.message)
    assert re.search(r" \(id [0-9a-f]{8}\)$", message), message
    return re.sub(r" \(id [0-9a-f]{8}\)$", "", message)


def test_good_values_and_defaults_pass() -> None:
    assert call(["a"]) == {"headlines": ["a"], "query": "", "n": 10, "diversity": 0.3,
                           "task": "summarize"}
    assert call(["a"], "q", 3, 1, "translate")["diversity"] == 1
    assert call(["a"], None)["query"] == ""


@pytest.mark.parametrize(("values", "sentence"), [
    (("abc",), "`headlines` must be a list of texts, not a text."),
    ((["a", 3],), "`headlines` item 2 must be a text, not a whole number."),
    (({"a": 1},), "`headlines` must be a list of texts, not an object."),
    ((["a"], 5), "`query` must be a text, not a whole number."),
    ((["a"], "", "three"), "`n` must be a whole number, not a text."),
    ((["a"], "", True), "`n` must be a whole number, not true or false."),
    ((["a"], "", 2.5), "`n` must be a whole number, not a number."),
    ((["a"], "", 3, "0.5"), "`diversity` must be a number, not a text."),
    ((["a"], "", 3, float("nan")), "`diversity` must be a finite number."),
    ((["a"], "", 3, 0.5, "sing"), "`task` must be one of “summarize”, “translate”."),
    ((["a"], "", 3, 0.5, 7), "`task` must be one of “summarize”, “translate”, not a whole number."),
    ((), "`headlines` is missing; it must be a list of texts."),
])
def test_wrong_types_get_a_sentence(values: tuple[Any, ...], sentence: str) -> None:
    assert refused(*values) == sentence


def test_limits_name_themselves() -> None:
    assert "has 4,001 characters; at most 4,000" in refused([], "x" * 4001)
    assert "has 1,001 items; at most 1,000" in refused(["x"] * 1001)
    assert "`headlines` item 2 has 4,001" in refused(["x", "y" * 4001])
    assert call(["x"] * 1000, "x" * 4000)["query"] == "x" * 4000


def test_lone_surrogates_never_arrive() -> None:
    given = call(["a\ud800b", "\ud83d\ude00"], "\udfff")
    assert given["headlines"] == ["a\ufffdb", "😀"]
    assert given["query"] == "\ufffd"


def test_output_is_plain_json() -> None:
    def odd(text: str) -> Echo:
        return Echo(decision=Decision.ABSTAINED, reason="\ud800", confidence=float("nan"),
                    given={"inf": float("inf"), "list": [float("-inf"), "x"]})

    payload = guarded("odd", odd)("x")
    assert payload["reason"] == "\ufffd"
    assert payload["confidence"] is None
    assert payload["given"] == {"inf": None, "list": [None, "x"]}
    assert payload["decision"] == "abstained"


@pytest.mark.parametrize("error", [
    ValueError(f"could not parse {SECRET}"), KeyError(SECRET), MemoryError(),
    RuntimeError(f"/home/someone/{SECRET}")])
def test_foreign_exceptions_become_a_general_sentence(
        error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def broken(text: str) -> Echo:
        raise error

    with caplog.at_level(logging.DEBUG), pytest.raises(gr.Error) as caught:
        guarded("broken", broken)(SECRET)
    message = str(caught.value.message)
    found = re.search(r"\(id ([0-9a-f]{8})\)$", message)
    assert found
    assert message.startswith("Something went wrong on our side")
    assert SECRET not in message
    assert SECRET not in caplog.text
    assert found[1] in caplog.text
    assert type(error).__name__ in caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("error", [InputError("Write a question."), RuntimeFailure("Ask again.")])
def test_leptons_own_sentences_pass_with_their_id(
        error: InputError | RuntimeFailure, caplog: pytest.LogCaptureFixture) -> None:
    def failing(text: str) -> Echo:
        raise error

    with caplog.at_level(logging.DEBUG), pytest.raises(gr.Error) as caught:
        guarded("failing", failing)(SECRET)
    assert caught.value.message == f"{error.message} (id {error.id})"
    assert error.id in caplog.text
    assert SECRET not in caplog.text


def test_the_wrapper_keeps_names_types_and_description() -> None:
    from gradio.utils import get_function_params

    endpoint = guarded("echo", echo)
    assert [(name, default) for name, _, default, _ in get_function_params(endpoint)] == [
        ("headlines", None), ("query", ""), ("n", 10), ("diversity", 0.3), ("task", "summarize")]
    assert endpoint.__doc__ == "Gives back what it was given."
    assert endpoint.__name__ == "echo"
