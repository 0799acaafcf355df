"""The head under the red-flag rules: when it is asked, when it is not, what it may say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from domains.base import Decision
from domains.medical_qa.knowledge import shipped
from domains.medical_qa.likeness import EmergencyHead, shipped_head
from domains.medical_qa.red_flags import rules as red_flag_rules
from domains.medical_qa.rules import rules as medical_rules
from domains.medical_qa.service import Service
from lepton_engine.errors import RuntimeFailure
from tests.fakes import FakeEngine

PROBE = "a probe of the encoder"


def head_for(engine: FakeEngine, alarming: str, threshold: float = 0.8) -> EmergencyHead:
    """A head that takes texts alike ``alarming`` for danger to oneself."""
    known = engine.embed([PROBE, alarming], "use-multilingual").vectors
    weights = np.zeros((3, 512), dtype=np.float32)
    weights[2] = 20 * known[1]
    return EmergencyHead("use-multilingual", ("none", "urgent", "self_harm"), weights,
                         np.array([6, 0, 0], dtype=np.float32), threshold, PROBE, known[0], {})


def service(engine: FakeEngine, head: EmergencyHead) -> Service:
    return Service(engine, shipped(), medical_rules(), red_flag_rules(), head)


def test_what_sounds_alike_is_flagged_and_named() -> None:
    engine = FakeEngine()
    asked = "the lamp in my cellar went out forever"
    outcome = service(engine, head_for(engine, asked)).api(asked)
    assert outcome.decision is Decision.EMERGENCY
    assert [(f.category, f.text) for f in outcome.red_flags] == [("self_harm", asked)]
    assert "988" in outcome.text
    assert "classifier" in outcome.reason
    assert 0.8 <= outcome.evidence[0].score <= 1
    assert outcome.stamp is not None
    assert "use-multilingual" in outcome.stamp.variant


def test_another_text_is_not() -> None:
    engine = FakeEngine()
    head = head_for(engine, "the lamp in my cellar went out forever")
    assert service(engine, head).api("what is gout").decision is Decision.ANSWERED


def test_it_is_not_asked_about_what_the_rules_took_out() -> None:
    engine = FakeEngine()
    for harmless in ("I have no chest pain at all", "my cat has collapsed in the cellar"):
        outcome = service(engine, head_for(engine, harmless)).api(harmless)
        assert outcome.decision is not Decision.EMERGENCY


def test_with_another_encoder_it_says_nothing() -> None:
    engine = FakeEngine()
    head = head_for(engine, "the lamp went out")
    assert head.look(engine, "the lamp went out") is not None
    other = replace(head, probe_vector=np.roll(head.probe_vector, 1))
    assert other.look(engine, "the lamp went out") is None
    assert shipped_head().look(engine, "I cannot breathe") is None


def test_a_failing_encoder_leaves_the_rules() -> None:
    engine = FakeEngine()
    head = head_for(engine, "x")
    broken = FakeEngine(fail={"embed": RuntimeFailure("It died. Ask again.")})
    assert head.look(broken, "x") is None
    assert service(broken, head).api("I can't breathe").decision is Decision.EMERGENCY


def test_the_shipped_head_carries_its_card() -> None:
    head = shipped_head()
    assert head.classes == ("none", "urgent", "self_harm")
    assert head.weights.shape == (3, 512)
    assert set(head.classes[1:]) <= set(red_flag_rules().order)
    assert 0.5 <= head.threshold < 1
    held = head.card["held out"]
    assert held["with the head"] / held["emergencies"] >= 0.9
    assert held["with the head false alarms"] / held["harmless"] <= 0.1
    assert {"data", "licence", "citation", "seed", "five folds", "note"} <= head.card.keys()
