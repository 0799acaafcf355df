"""The medical service on the real encoders, against the judging sets.

The sets were written apart from base, rules and limits (the limits come from
``benchmarks/medical_dev.json``). Numbers are printed (``-s``); the floors lie a few
questions below what was measured. Shuffled passages must turn the same check red.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from domains.base import Decision
from domains.medical_qa.knowledge import MedicalBase, shipped
from domains.medical_qa.outcome import MedicalOutcome
from domains.medical_qa.red_flags import rules as red_flag_rules
from domains.medical_qa.rules import rules as medical_rules
from domains.medical_qa.service import Service, build
from lepton_engine import Engine

pytestmark = pytest.mark.integration
DATA = Path(__file__).resolve().parents[1] / "data"
RIGHT_FIRST, ANSWERED, REFUSED = 0.85, 0.80, 1.0


def rows(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((DATA / name).read_text(encoding="utf-8"))
    return loaded


@dataclass(frozen=True)
class Judged:
    """Shares over the answerable questions: the right condition first (also where two are
    named back), answered with it, and what else happened, by question."""

    right_first: float
    answered: float
    failures: tuple[str, ...]

    def check(self) -> None:
        assert self.right_first >= RIGHT_FIRST, self.failures
        assert self.answered >= ANSWERED, self.failures


def judge(service: Service, questions: Sequence[dict[str, Any]]) -> Judged:
    first = answered = 0
    failures = []
    for row in questions:
        outcome = service.api(row["question"])
        wanted = {row["expected"], *row.get("also", [])}
        right = bool(outcome.topics) and outcome.topics[0].id in wanted and \
            outcome.decision in (Decision.ANSWERED, Decision.CLARIFY)
        first += right
        answered += right and outcome.decision is Decision.ANSWERED
        if not right or outcome.decision is not Decision.ANSWERED:
            found = [topic.id for topic in outcome.topics]
            failures.append(f"{outcome.decision.value} {found}: {row['question']}")
    n = len(questions)
    return Judged(first / n, answered / n, tuple(failures))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as made:
        yield made


@pytest.fixture(scope="module")
def service(engine: Engine) -> Service:
    return build(engine)


def test_the_judging_questions_find_their_condition(service: Service) -> None:
    judged = judge(service, rows("questions_medical.json"))
    print(f"\nright condition first {judged.right_first:.1%}, answered {judged.answered:.1%}")
    print("\n".join(judged.failures))
    judged.check()


def test_what_cannot_be_answered_is_refused(service: Service) -> None:
    questions = rows("unanswerable_medical.json")
    outcomes = [(row["question"], service.api(row["question"])) for row in questions]
    wrong = [(q, o.decision.value, [t.id for t in o.topics]) for q, o in outcomes
             if o.decision is not Decision.ABSTAINED]
    print(f"\nrefused {len(outcomes) - len(wrong)} of {len(outcomes)}")
    assert len(questions) >= 15
    assert 1 - len(wrong) / len(outcomes) >= REFUSED, wrong
    assert all(outcome.reason and not outcome.answer for _, outcome in outcomes)


def test_rules_and_head_together_on_the_red_flags(service: Service) -> None:
    flags = rows("red_flags.json")
    got = {row["text"]: service.api(row["text"]).decision is Decision.EMERGENCY for row in flags}
    missed = [r["text"] for r in flags if r["expected"] and not got[r["text"]]]
    alarms = [r["text"] for r in flags if not r["expected"] and got[r["text"]]]
    urgent = sum(bool(row["expected"]) for row in flags)
    print(f"\nmissed {len(missed)} of {urgent}: {missed}\n"
          f"false alarms {len(alarms)} of {len(flags) - urgent}: {alarms}")
    assert len(missed) / urgent <= 0.05
    assert len(alarms) / (len(flags) - urgent) <= 0.10


def test_the_head_catches_what_no_rule_says(service: Service) -> None:
    outcome = service.api("found my neighbour lying on the floor, he doesn't answer")
    assert outcome.decision is Decision.EMERGENCY
    assert "classifier" in outcome.reason


def test_follow_ups_stay_with_their_topic(service: Service) -> None:
    cases = [row for row in rows("two_turn_cases.json") if row["domain"] == "medical_qa"]
    found = [(case["second"], service.ask(case["second"], [case["first"]]), case["expected"])
             for case in cases]
    wrong = [(q, o.decision.value, [t.id for t in o.topics]) for q, o, expected in found
             if o.decision is not Decision.ANSWERED or o.topics[0].id != expected]
    assert len(cases) == 5
    assert not wrong


def test_the_stamp_names_the_models_that_ran(service: Service) -> None:
    english = service.api("What should I not eat with gout?")
    chinese = service.api("痛风能喝啤酒吗？")
    assert _variants(english) == ["minilm-l6/int8@openvino:cpu",  # what the gate let through
                                  "reranker/original@openvino:cpu",
                                  "use-multilingual/original@openvino:cpu"]
    assert _variants(chinese) == ["use-multilingual/original@openvino:cpu"]
    assert chinese.language == "zh"
    assert "痛风" in chinese.text


def _variants(outcome: MedicalOutcome) -> list[str]:
    assert outcome.stamp is not None
    return sorted({part.variant for part in outcome.stamp.parts})


def shuffled(base: MedicalBase, seed: int) -> MedicalBase:
    """Every condition keeps its names but gets the sections of another."""
    conditions = {}
    for language, by_id in base.conditions.items():
        ids = list(by_id)
        others = ids[1:] + ids[:1]
        random.Random(seed).shuffle(others)
        conditions[language] = {
            one: replace(by_id[one], sections=by_id[other].sections, aliases=(), name="?")
            for one, other in zip(ids, others, strict=True)}
    return MedicalBase(conditions)


def test_shuffled_passages_turn_the_check_red(engine: Engine) -> None:
    broken = Service(engine, shuffled(shipped(), 7), medical_rules(), red_flag_rules())
    judged = judge(broken, rows("questions_medical.json")[:12])
    print(f"\nshuffled: right condition first {judged.right_first:.1%}")
    with pytest.raises(AssertionError):
        judged.check()
