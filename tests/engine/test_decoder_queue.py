"""The bounded queue and what it says about the wait; JSON schemas checked before a model."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from lepton_engine.errors import BusyError, InputError
from lepton_engine.generation import GROUNDED_TOKENS, ChatOptions, runtime_options
from lepton_engine.runtimes import decoder_queue
from lepton_engine.runtimes.decoder_queue import Places, said
from lepton_engine.structured import schema_text

PERSON = {"type": "object", "properties": {"name": {"type": "string"},
                                           "age": {"type": ["integer", "null"], "minimum": 0}},
          "required": ["name", "age"], "additionalProperties": False}


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(decoder_queue, "time", made)
    return made


def test_the_wait_comes_from_what_replies_really_took(clock: Clock) -> None:
    places = Places(2, 0)
    assert places.expected_wait_s() == 0
    for _ in range(2):
        with places.taken(1):
            clock.now += 8
    with ExitStack() as held:
        held.enter_context(places.taken(1))
        assert places.expected_wait_s() == 0
        held.enter_context(places.taken(1))
        assert places.expected_wait_s() == pytest.approx(4)
        with pytest.raises(BusyError, match="in about 4 seconds"), places.taken(1):
            pass
    with places.taken(1):
        pass  # the places came back


def test_before_the_first_reply_the_present_ones_are_the_measure(clock: Clock) -> None:
    places = Places(1, 0)
    with places.taken(1):
        clock.now += 30
        assert places.expected_wait_s() == pytest.approx(30)


def test_a_place_is_given_back_by_a_failing_caller() -> None:
    places = Places(1, 0)
    with pytest.raises(ValueError, match="own"), places.taken(1):
        raise ValueError("own")
    with places.taken(1):
        assert places.waiting == 0


def test_who_waits_is_served_or_told_after_the_time_allowed() -> None:
    places = Places(1, 4)
    served = threading.Event()

    def second() -> None:
        with places.taken(10):
            served.set()

    with places.taken(1):
        thread = threading.Thread(target=second)
        thread.start()
        with pytest.raises(BusyError, match="whole time allowed"), places.taken(0.05):
            pass
        assert not served.is_set()
    thread.join(10)
    assert served.is_set()


@pytest.mark.parametrize(("seconds", "words"), [(0, "1 second"), (3.2, "4 seconds"),
                                                (89, "89 seconds"), (130, "3 minutes")])
def test_a_wait_in_words(seconds: float, words: str) -> None:
    assert said(seconds) == words


def test_a_schema_passes_as_json_text() -> None:
    assert '"minimum": 0' in schema_text(PERSON)
    assert ChatOptions(schema=PERSON).schema == PERSON


@pytest.mark.parametrize(("schema", "words"), [
    ("{}", "must be a JSON schema"),
    ({"type": "obj"}, "is “obj”; there are: object"),
    ({"type": "object", "properties": ["a"]}, "properties` must be a dict"),
    ({"type": "object", "properties": {"a": 3}}, r"schema\.properties\.a"),
    ({"type": "object", "properties": {"a": {}}, "required": ["b"]}, "names “b”"),
    ({"type": "array", "items": {"enum": []}}, "no reply could follow"),
    ({"$ref": "http://example.org"}, r"“\$ref”"),
    ({"enum": [float("nan")]}, "JSON cannot hold"),
    ({"enum": ["x" * 9_000]}, "at most 8,000 characters"),
])
def test_a_broken_schema_is_refused_before_any_model(schema: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ChatOptions(schema=schema)  # type: ignore[arg-type]


def test_a_schema_without_end_is_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(20):
        deep = {"type": "array", "items": deep}
    with pytest.raises(InputError, match="12 levels"):
        schema_text(deep)


class Words:
    stop_ids = (2,)


@pytest.mark.parametrize(("options", "tokens", "grounded"), [
    (ChatOptions(), GROUNDED_TOKENS, True),
    (ChatOptions(), GROUNDED_TOKENS - 1, False),
    (ChatOptions(temperature=0.7), 900, False),
    (ChatOptions(grounded=False), 900, False),
    (ChatOptions(grounded=True), 10, True),
])
def test_a_long_prompt_is_taken_as_grounded_unless_told(
        options: ChatOptions, tokens: int, grounded: bool) -> None:
    told = runtime_options(options, Words(), tokens)  # type: ignore[arg-type]
    assert told.grounded is grounded
