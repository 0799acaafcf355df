"""Every sentence of an answer needs a place that says it: what is kept and what is dropped."""

from __future__ import annotations

import re

import pytest

from domains.customer_service.drafting import MAX_KEPT, Draft, tidy
from domains.customer_service.grounding import Grounding, lexical_support
from domains.customer_service.knowledge import Articles
from domains.customer_service.wording import wording
from tests.fakes import FakeEngine

CARDS = "Debit cards are free of charge, while credit cards cost 1 % of the amount loaded."
DELIVERY = "Standard delivery is free and takes 5 to 7 working days."
FEES = ("Sending 100 abroad therefore costs 1.00, sending 1,000 costs 5.00 and sending 8,000 "
        "costs 20.00.")
CANCEL = "Cancelling the card is permanent and cannot be undone."
PIN = "Lepton Bank never sends a PIN by letter, text or e-mail, and employees cannot see it."
LIMIT = "刷卡消费每天的限额为 5,000，客户可以在「卡片 > 限额」中调低。"
TOPPING = "借记卡充值免费，信用卡收取充值金额的 1 %。"


@pytest.mark.parametrize(("sentence", "source"), [
    ("Credit cards cost 1% of the amount loaded.", CARDS),
    ("Debit cards are free of charge.", CARDS),
    ("Debit cards are free of charge, while credit cards cost 1%.", CARDS),
    ("Standard delivery takes 5 to 7 working days.", DELIVERY),
    ("Sending 1,000 costs 5.00.", FEES),
    ("Sending 1000 costs 5.00.", FEES),
    ("Cancelling the card is permanent.", CANCEL),
    ("Lepton Bank never sends a PIN by letter.", PIN),
])
def test_what_the_source_says_is_supported(sentence: str, source: str) -> None:
    assert lexical_support(sentence, source, "en") is not None


@pytest.mark.parametrize(("sentence", "source", "why"), [
    ("Debit cards cost 1% of the amount loaded.", CARDS, "joins both sides of a contrast"),
    ("Credit cards are free of charge.", CARDS, "joins both sides of a contrast"),
    ("Standard delivery takes 5 working days.", DELIVERY, "the end of a range is missing"),
    ("Standard delivery takes 6 working days.", DELIVERY, "another number"),
    ("Standard delivery takes 5 to 7 hours.", DELIVERY, "another unit"),
    ("Sending 100 costs 5.00.", FEES, "numbers of two clauses"),
    ("Cancelling the card can be undone.", CANCEL, "the denial is gone"),
    ("Cancelling the card is not permanent.", CANCEL, "a denial is added"),
    ("Lepton Bank sends a PIN by letter.", PIN, "the denial is gone"),
    ("Express delivery costs 9.99.", DELIVERY, "other words"),
])
def test_what_the_source_does_not_say_is_not(sentence: str, source: str, why: str) -> None:
    assert lexical_support(sentence, source, "en") is None, why


@pytest.mark.parametrize(("sentence", "source", "supported"), [
    ("刷卡消费每天的限额为 5,000。", LIMIT, True),
    ("刷卡消费每天的限额是5000。", LIMIT, True),
    ("刷卡消费每天的限额为 10,000。", LIMIT, False),
    ("信用卡收取充值金额的 1%。", TOPPING, True),
    ("借记卡收取充值金额的 2 %。", TOPPING, False),
])
def test_chinese_sentences(sentence: str, source: str, supported: bool) -> None:
    assert (lexical_support(sentence, source, "zh") is not None) is supported


def test_numbers_are_read_alike_however_they_are_written() -> None:
    assert wording("5,000 and 5000 and five", "en").numbers == {"5000", "5"}
    assert wording("1 % or 1%", "en").numbers == {"1%"}
    assert wording("at 16:00, for 2.1% and 9.99.", "en").numbers == {"16:00", "2.1%", "9.99"}


def passage(name: str, language: str = "en"):  # type: ignore[no-untyped-def]
    return Articles.load().get(name, language).passage()


def test_a_copied_sentence_is_supported_by_its_own_place() -> None:
    found = passage("card-delivery")
    support = Grounding(FakeEngine(), [found], "en").support(
        "Express delivery by courier costs 9.99 and takes 2 working days.")
    assert support is not None
    evidence = support.evidence()
    assert found.text[evidence.start:evidence.end] == evidence.quote
    assert "9.99" in evidence.quote
    assert evidence.score == 1.0


def test_two_steps_in_one_sentence_are_supported_by_both() -> None:
    found = passage("activate-card")
    support = Grounding(FakeEngine(), [found], "en").support(
        "Open the app and go to Card tab > Activate card, type the last four digits of the card "
        "number and the security code.")
    assert support is not None
    assert support.window.text.startswith("Open the app")
    assert support.window.text.endswith("security code.")


@pytest.mark.parametrize("sentence", [
    "", "Yes.", "Card frozen.", "Is the card frozen?", "Your card will be delivered by drone.",
    "The weather in Leeds is fine.",
])
def test_empty_talk_questions_and_inventions_have_no_support(sentence: str) -> None:
    grounding = Grounding(FakeEngine(), [passage("card-delivery")], "en")
    assert grounding.support(sentence) is None


def test_words_alone_are_not_enough_when_the_meaning_differs() -> None:
    class Orthogonal(FakeEngine):
        def embed(self, texts, model="minilm-l6", **options):  # type: ignore[no-untyped-def]
            found = super().embed(texts, model, **options)
            found.vectors[:] = 0
            for row in range(len(texts)):
                found.vectors[row, row] = 1
            return found

    sentence = "Express delivery costs 9.99 and it takes only 2 working days by courier."
    assert Grounding(FakeEngine(), [passage("card-delivery")], "en").support(sentence)
    assert Grounding(Orthogonal(), [passage("card-delivery")], "en").support(sentence) is None


def draft_of(language: str = "en") -> Draft:
    grounding = Grounding(FakeEngine(), [passage("card-delivery", language)], language)
    return Draft(grounding.support, re.compile("no answer", re.I), language)


def test_a_sentence_is_shown_only_when_it_is_whole_and_supported() -> None:
    draft = draft_of()
    for piece in ("Standard delivery of a Lepton Bank card", " is free and takes 5 to 7 working",
                  " days."):
        draft.add(piece)
    assert draft.text == ""
    assert draft.draft.startswith("Standard delivery")
    draft.add(" Drones bring it in an hour.")
    assert draft.text.endswith("5 to 7 working days. [1]")
    draft.finish()
    assert draft.dropped == 1
    assert "Drones" not in draft.text
    assert draft.draft == ""


def test_a_sentence_that_was_cut_off_is_dropped() -> None:
    draft = draft_of()
    draft.add("Express delivery by courier costs 9.99")
    draft.abandon()
    assert (draft.text, draft.draft, draft.dropped) == ("", "", 1)


def test_repeats_are_said_once_and_each_place_has_one_number() -> None:
    draft = draft_of()
    said = "Express delivery by courier costs 9.99 and takes 2 working days. "
    draft.add(said + said + "Express delivery by courier costs 9.99. "
              "Cards are shipped only to home addresses in the United Kingdom and the EEA, never "
              "to PO boxes. ")
    draft.finish()
    assert draft.text.count("9.99") == 1
    assert [e.title for e in draft.evidence] == ["Card delivery time and tracking"] * 2
    assert draft.text.endswith("[2]")


def test_an_answer_is_short_and_a_lost_model_is_not_waited_for() -> None:
    draft = draft_of()
    body = passage("card-delivery").text.split("\n\n")[0]
    draft.add(body + " ")
    assert draft.full
    assert len(draft.kept) == MAX_KEPT
    lost = draft_of()
    lost.add("Cats sleep long hours. Dogs bark at night. Birds sing in trees. More follows")
    assert lost.full
    assert lost.text == ""


def test_a_decline_is_seen() -> None:
    draft = draft_of()
    draft.add("NO ANSWER. Nothing else.")
    draft.finish()
    assert draft.declined
    assert draft.dropped == 0


def test_chinese_sentences_appear_without_waiting_for_the_next() -> None:
    draft = draft_of("zh")
    assert draft.add("Lepton Bank 卡片的标准寄送免费，需要 5 至 7 个工作日。")
    assert draft.text.endswith("[1]")


@pytest.mark.parametrize(("raw", "plain"), [
    ("1. Open the **app**.", "Open the app."),
    ("- Tap `Freeze` [3]", "Tap Freeze"),
    ("  two   spaces ", "two spaces"),
])
def test_marks_are_no_part_of_a_sentence(raw: str, plain: str) -> None:
    assert tidy(raw) == plain
