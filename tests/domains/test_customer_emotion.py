"""What is felt in a message: it changes the opening, never the facts or who takes over."""

from __future__ import annotations

import json

import pytest

from domains.base import Decision
from domains.customer_service import views
from domains.customer_service.conversation import Conversation
from domains.customer_service.outcome import Emotion, Turn
from domains.shared.why import why_html
from lepton_engine.errors import DigestError
from lepton_engine.results import Classification
from tests.domains.customer import NEW_CARD, SEPA, SEPA_FACT, ask, service
from tests.fakes import FakeEngine

ZH = "欧元SEPA转账要几个工作日到对方银行？"


class Unsure(FakeEngine):
    """Feels something, but not surely enough."""

    def _classified(self, text: str, adapter: str, stamp: object) -> Classification:
        found: Classification = super()._classified(text, adapter, stamp)  # type: ignore[arg-type]
        if not adapter.startswith("emotion"):
            return found
        return Classification("upset", 0.41, {"upset": 0.41}, found.stamp, False, 0.41)


def felt(label: str, message: str = SEPA, head: str = "emotion") -> Turn:
    engine = FakeEngine(reply=SEPA_FACT, labels={head: {message: label}})
    return ask(service(engine), message)


@pytest.mark.parametrize("label", ["upset", "urgent"])
def test_who_is_upset_or_in_a_hurry_is_told_so_and_offered_a_person(label: str) -> None:
    calm, moved = felt("calm"), felt(label)
    assert calm.opening == ""
    assert "agent" in moved.opening
    assert (moved.text, moved.evidence, moved.decision) == (calm.text, calm.evidence, calm.decision)


def test_it_is_said_in_the_language_of_the_message() -> None:
    assert "人工" in felt("upset", ZH, "emotion-zh").opening


def test_the_opening_stands_before_the_answer_on_the_page() -> None:
    turn = felt("upset")
    shown = views.messages(views.page_payload(turn.to_json(), []), "en")[-1]["content"]
    assert shown.index("sorry") < shown.index("SEPA")
    later = Conversation().plus(turn).exchanges[0].to_json()
    assert "sorry" in views.answer(later)


def test_who_is_confused_is_offered_the_next_topics() -> None:
    turn = felt("confused")
    assert turn.decision is Decision.ANSWERED
    assert turn.topics
    assert turn.evidence[0].title not in [topic.title for topic in turn.topics]
    assert felt("calm").topics == ()


def test_an_unsure_head_changes_nothing() -> None:
    turn = ask(service(Unsure(reply=SEPA_FACT)), SEPA)
    assert turn.emotion == Emotion("upset", 0.41, accepted=False)
    assert turn.opening == ""
    panel = why_html(turn.to_json(), "en")
    assert "not sure, nearest upset" in panel
    assert "0.41" in panel


def test_a_missing_head_costs_only_the_emotion() -> None:
    turn = ask(service(FakeEngine(fail={"emotion": DigestError("Damaged.")})), NEW_CARD)
    assert turn.emotion is None
    assert turn.decision is Decision.ANSWERED
    assert json.loads(json.dumps(turn.to_json()))["emotion"] is None


def test_the_payload_and_the_panel_name_it_in_the_readers_language() -> None:
    payload = felt("urgent").to_json()
    assert payload["emotion"] == {"label": "urgent", "confidence": 0.9, "accepted": True}
    assert "urgent" in why_html(payload, "en")
    assert "紧急" in why_html(payload, "zh")


def test_small_talk_and_other_languages_have_none() -> None:
    made = service()
    assert ask(made, "Hello!").emotion is None
    assert ask(made, "Wie aktiviere ich meine neue Karte, bitte schön?").emotion is None


@pytest.mark.parametrize("label", ["calm", "confused", "upset", "urgent"])
def test_fraud_goes_to_a_person_whatever_is_felt(label: str) -> None:
    message = "there are three payments I never made"
    turn = felt(label, message)
    assert (turn.decision, turn.category, turn.opening) == (Decision.HANDED_OFF, "fraud", "")
    assert turn.text == felt("calm", message).text


def test_a_feeling_alone_hands_nothing_over() -> None:
    assert felt("urgent").decision is Decision.ANSWERED


def test_a_person_is_handed_over_to_before_the_emotion_is_read() -> None:
    engine = FakeEngine()
    stream = service(engine).stream(Conversation(), "我的卡被盗刷了")
    assert next(stream).decision is Decision.HANDED_OFF
    assert engine.calls["classify"] == 0
    assert list(stream)[-1].emotion is not None


def test_the_summary_tells_who_takes_over() -> None:
    engine = FakeEngine(reply=SEPA_FACT, labels={"emotion": {SEPA: "upset", "agent": "calm"}})
    made = service(engine)
    told = ask(made, "agent", Conversation().plus(ask(made, SEPA))).summary
    assert f"- {SEPA} [upset]" in told
    assert "- agent\n" in told
    assert "Emotion: calm (0.90)" in told


def test_what_the_model_reads_has_no_opening() -> None:
    engine = FakeEngine(reply=SEPA_FACT, labels={"emotion": {SEPA: "upset"}})
    made = service(engine)
    ask(made, "And how long does that take to Poland?", Conversation().plus(ask(made, SEPA)))
    assert "sorry" not in json.dumps(engine.messages[-1])


def test_the_emotion_is_read_after_the_search() -> None:
    """Only then are the vectors at hand; see the count of passes in tests/integration."""
    order: list[str] = []

    class Told(FakeEngine):
        def _enter(self, method: str, *names: str) -> None:
            order.extend(name for name in (method, *names) if name in ("rerank", "emotion"))
            super()._enter(method, *names)

    found = ask(service(Told(reply=SEPA_FACT)), SEPA)
    assert found.emotion is not None
    assert order[:2] == ["rerank", "emotion"]
