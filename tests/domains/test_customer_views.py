"""From payloads to the page: pure functions, escaped text, both languages."""

from __future__ import annotations

import html
import re

import pytest

from domains.customer_service import views
from domains.customer_service.conversation import Conversation
from domains.shared.texts import Texts
from domains.shared.why import why_html
from tests.domains.customer import SEPA, SEPA_FACT, ask, service, talk
from tests.fakes import FakeEngine

SAY = Texts("customer_service")


def shown(content: str) -> str:
    """What a reader sees of safe markdown."""
    return html.unescape(re.sub(r"\\(.)", r"\1", content))


def test_messages_are_the_whole_conversation_in_order() -> None:
    made = service(FakeEngine(reply=SEPA_FACT))
    before = talk(made, ["hello"])
    turn = ask(made, SEPA, before)
    payload = views.page_payload(turn.to_json(), [e.to_json() for e in before.exchanges])
    rows = views.messages(payload, "en")
    assert [row["role"] for row in rows] == ["user", "assistant"] * 2
    assert shown(rows[0]["content"]) == "hello"
    assert shown(rows[3]["content"]) == f"{SEPA_FACT} [1]"


def test_a_draft_stands_apart_from_what_was_checked() -> None:
    made = service(FakeEngine(reply=f"{SEPA_FACT} <b>Cats</b> are no banks at all."))
    turns = [turn.to_json() for turn in made.stream(Conversation(), SEPA)]
    partial = next(t for t in turns if t["text"] and "Cats" in t["draft"])
    assert shown(views.answer(partial)) == f"{SEPA_FACT} [1]"
    draft = views.draft_html(partial, "en")
    assert SAY("en", "chat.draft") in draft
    assert "&lt;b&gt;Cats" in draft
    assert SAY("zh", "chat.searching") in views.draft_html(turns[0], "zh")
    assert shown(views.answer(turns[0])) == "…"
    assert views.draft_html(turns[-1], "en") == ""


@pytest.mark.parametrize("text", [
    "<script>alert(1)</script>", "![x](http://evil.example/a.png)", "[a](javascript:alert(1))",
    "**bold** _it_ `code` # head", "| a | b |\n|---|---|", "<img src=x onerror=alert(1)>",
    "1. one\n2. two", "$x$ {y}", "a\n\nb\nc",
])
def test_no_text_of_a_user_or_model_is_markup(text: str) -> None:
    safe = views.plain(text)
    assert "<" not in safe
    assert not re.search(r"(?<!\\)[*_`\[\]#|$]", safe)
    assert re.sub(r"\s+", " ", shown(safe)) == re.sub(r"\s+", " ", text)


def test_facts_say_intent_and_what_was_dropped() -> None:
    engine = FakeEngine(reply=f"{SEPA_FACT} Cats are no banks at all.",
                        labels={"bank-intent": {SEPA: "transfer_timing"}})
    payload = ask(service(engine), SEPA).to_json()
    english, chinese = (" ".join(views.facts(payload, lang)) for lang in ("en", "zh"))
    assert "transfer timing" in english
    assert "0.900" in english
    assert "1 of its sentences" in english
    assert "transfer timing" in chinese
    html_text = views.facts_html(payload, "en")
    assert "Answered" in html_text
    assert views.slot_html({}, "en") == ""
    assert html_text in views.slot_html(payload, "en")


def test_older_turns_that_the_model_did_not_see_are_said_on_the_page() -> None:
    made = service(FakeEngine(reply=SEPA_FACT))
    payload = ask(made, SEPA, talk(made, [SEPA, SEPA, SEPA])).to_json()
    assert "2 older turns" in " ".join(views.facts(payload, "en"))
    assert "2" in views.facts(payload, "zh")[-1]


def test_topics_are_offered_only_when_the_service_asks_back() -> None:
    payload = ask(service(), "something about a transfer maybe").to_json()
    assert [views.topic(payload, n) for n in range(3)] == [
        t["question"] for t in payload["topics"]]
    assert views.topic(payload, 3) == ""
    assert SAY("zh", "chat.topics") in views.topics_title(payload, "zh")
    answered = ask(service(), "How do I activate my new card?").to_json()
    assert views.topic(answered, 0) == ""
    assert views.topics_title(answered, "en") == ""


def test_nothing_is_decided_while_the_articles_are_searched() -> None:
    turns = [turn.to_json() for turn in service().stream(Conversation(), SEPA)]
    searching, done = views.page_payload(turns[0], []), views.page_payload(turns[-1], [])
    assert "lp-badge" not in why_html(searching, "en")
    assert SAY("en", "reason.searching") in why_html(searching, "en")
    assert "lp-badge" not in views.facts_html(searching, "en")
    assert "lp-badge" in why_html(done, "en")


def test_an_empty_payload_is_an_empty_page() -> None:
    assert views.messages({}, "en") == []
    assert views.topics_title({}, "en") == ""


def test_texts_have_the_same_keys_and_placeholders() -> None:
    assert SAY.keys("en") == SAY.keys("zh")
    for key in SAY.keys("en") - {"prompt.declines", "prompt.how_to"}:
        names = [set(re.findall(r"\{(\w+)\}", raw(lang, key))) for lang in ("en", "zh")]
        assert names[0] == names[1], key


def raw(lang: str, key: str) -> str:
    return SAY._tables[lang][key]


def test_examples_show_the_range() -> None:
    inputs = [example.inputs for example in SAY.examples]
    assert 3 <= len(inputs) <= 6
    assert all(set(row) == {"message", "earlier"} for row in inputs)
    assert sum(bool(row["earlier"]) for row in inputs) == 1
    assert any(re.search(r"[一-鿿]", row["message"]) for row in inputs)
