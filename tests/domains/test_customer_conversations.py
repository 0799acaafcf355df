"""Conversations of the customer service: follow-ups, the store of the API, limits."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from domains.base import Decision
from domains.customer_service.conversation import MAX_TURNS
from lepton_engine.errors import InputError, LimitError, ModelUnavailableError
from tests.domains.customer import ALWAYS, NEW_CARD, SEPA, SEPA_FACT, ask, service, talk
from tests.fakes import FakeEngine


def test_a_follow_up_is_read_with_the_question_before_it() -> None:
    made = service(thresholds=ALWAYS)
    conversation = talk(made, ["What is an arranged overdraft?", "thanks"])
    turn = ask(made, "and how do I get it?", conversation)
    assert turn.evidence[0].title == "Arranged overdraft"


def test_turns_that_the_model_did_not_see_are_counted() -> None:
    made = service(FakeEngine(reply=SEPA_FACT))
    conversation = talk(made, [SEPA, "hello", SEPA])
    assert ask(made, SEPA, conversation).dropped_turns == 2
    assert ask(made, SEPA).dropped_turns == 0


def test_sessions_of_the_api_never_read_each_other() -> None:
    engine = FakeEngine(reply=SEPA_FACT)
    made = service(engine)
    secret = "My name is Zebulon. How long does a SEPA transfer in euros take?"
    one = made.api(secret)
    two = made.api(SEPA)
    assert one.session_id != two.session_id
    assert re.fullmatch(r"[0-9a-f]{32}", one.session_id)
    assert "Zebulon" not in json.dumps(engine.messages[-1])
    unknown = made.api(SEPA, "f" * 32)
    assert unknown.session_id not in ("f" * 32, one.session_id, two.session_id)
    assert "Zebulon" not in json.dumps(engine.messages[-1])
    assert made.api(SEPA, one.session_id).session_id == one.session_id
    assert "Zebulon" in json.dumps(engine.messages[-1])
    assert "Zebulon" not in made.api("agent", two.session_id).summary
    assert "Zebulon" in made.api("agent", one.session_id).summary


def test_a_failed_call_leaves_the_conversation_as_it_was() -> None:
    engine = FakeEngine(reply=SEPA_FACT)
    made = service(engine)
    first = made.api(SEPA)
    engine.fail["embed"] = ModelUnavailableError("No encoder.")
    with pytest.raises(ModelUnavailableError):
        made.api(NEW_CARD, first.session_id)
    engine.fail.clear()
    assert "activate" not in made.api("agent", first.session_id).summary


def test_the_payload_is_plain_json_with_the_promised_fields() -> None:
    payload = service().api(NEW_CARD).to_json()
    json.dumps(payload)
    assert {"decision", "reason", "confidence", "evidence", "stamp", "text", "intent",
            "session_id"} <= set(payload)
    assert payload["decision"] == "answered"


# -- limits -------------------------------------------------------------------------------


@pytest.mark.parametrize(("message", "error", "said"), [
    ("", InputError, "empty"), (" \n\t ", InputError, "empty"),
    ("a" * 4001, LimitError, "4,000"), (None, InputError, "text"), (["a"], InputError, "text"),
])
def test_broken_messages_are_sentences(message: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        service().api(message)  # type: ignore[arg-type]


def test_the_longest_message_is_taken_and_a_lone_surrogate_does_not_break_it() -> None:
    assert ask(service(), "card " * 800).decision in Decision
    turn = ask(service(), "how do I activate my card \ud800?")
    assert "\ud800" not in json.dumps(turn.to_json(), ensure_ascii=False)


def test_the_fifty_first_turn_is_refused_with_the_limit() -> None:
    made = service()
    conversation = talk(made, ["hello"])
    full = replace(conversation, exchanges=conversation.exchanges * MAX_TURNS)
    with pytest.raises(LimitError, match="50 turns"):
        ask(made, "hello", full)
    assert ask(made, "hello", replace(full, exchanges=full.exchanges[1:]))
