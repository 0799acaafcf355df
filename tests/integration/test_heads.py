"""The shipped heads on real vectors. A head with permuted labels must turn these red."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lepton_engine import Engine
from lepton_engine.training.heads import Head, load_head

pytestmark = pytest.mark.integration

ADAPTERS = Path(__file__).resolve().parents[2] / "assets" / "adapters"
HEADLINES = Path(__file__).resolve().parents[1] / "data" / "headlines.json"

INTENTS = {
    "card_arrival": "I ordered my card two weeks ago and it still has not come",
    "change_pin": "How do I set a different PIN?",
    "lost_or_stolen_card": "Somebody stole my wallet with the card in it",
    "exchange_rate": "Which rate do you use when I change pounds into euros?",
    "terminate_account": "I want to shut down my account for good",
    "top_up_failed": "My top up did not go through",
    "declined_card_payment": "The shop said my card was declined",
    "passcode_forgotten": "I can't remember the passcode of the app",
    "age_limit": "How old do you have to be to open an account?",
    "verify_my_identity": "What do I need to do to prove my identity?",
}
ELSEWHERE = [
    "what will the weather be like tomorrow", "tell me a joke about penguins",
    "how do I bake sourdough bread", "who won the world cup in 1998",
    "set an alarm for seven", "translate good morning into spanish",
    "how many calories are in an avocado", "play some jazz", "what is the meaning of life",
    "book a table for two at an italian restaurant",
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def right_intents(head: Head, engine: Engine) -> int:
    found = head.classify(engine.embed(list(INTENTS.values()), head.trunk), "bank-intent")
    return sum(c.label == intent for c, intent in zip(found, INTENTS, strict=True))


def permuted(head: Head) -> Head:
    order = [*range(1, len(head.labels)), 0]
    return replace(head, weight=head.weight[order], bias=head.bias[order])


def test_intents_of_plain_messages_are_found(engine: Engine) -> None:
    head = load_head(ADAPTERS / "bank-intent")
    found = right_intents(head, engine)
    print(f"bank-intent: {found} of {len(INTENTS)} right")
    assert found >= 6  # 7 on 2026-11-23: other wording than the data's
    assert right_intents(permuted(head), engine) <= 1


def test_other_topics_are_refused_and_a_banks_are_not(engine: Engine) -> None:
    inside = engine.classify(list(INTENTS.values()), "bank-intent")
    outside = engine.classify(ELSEWHERE, "bank-intent")
    assert sum(c.accepted for c in inside) >= 6  # 7 on 2026-11-23: other wording than the data
    assert sum(c.accepted for c in outside) <= 1


def test_sentiment_of_headlines_written_apart(engine: Engine) -> None:
    rows = json.loads(HEADLINES.read_text(encoding="utf-8"))
    texts, truth = [r["headline"] for r in rows], [r["label"] for r in rows]
    head = load_head(ADAPTERS / "finance-sentiment")

    def right(candidate: Head) -> int:
        found = candidate.classify(engine.embed(texts, head.trunk), "finance-sentiment")
        return sum(c.label == label for c, label in zip(found, truth, strict=True))

    print(f"finance-sentiment: {right(head)} of {len(rows)} headlines right")
    assert right(head) >= 0.7 * len(rows)  # three even classes: chance is a third
    assert right(permuted(head)) < 0.4 * len(rows)


@pytest.mark.parametrize("name", ["finance-sentiment", "bank-intent"])
def test_the_stamp_names_openvino_and_the_card_is_complete(engine: Engine, name: str) -> None:
    stamp = engine.classify(["hello"], name).stamp
    assert stamp.variant == f"minilm-l6+{name}/{engine.recipe_for(name)}@openvino:cpu"
    card = engine.adapter_card(name)
    for field in ("data", "licence", "command", "seed", "split", "scores", "temperature",
                  "threshold", "at_threshold", "weaknesses", "trained_at", "sha256", "lora",
                  "over_seeds", "coverage_curve", "hours"):
        assert card[field] not in (None, "", [], {}), field
