"""The emotion heads on real vectors, and what they cost a message of the customer service.

Numbers are printed (``-s``). A head with permuted labels must turn the first test red.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domains.base import Decision
from domains.customer_service.conversation import Conversation
from domains.customer_service.emotion import HEADS, read_emotion
from domains.customer_service.service import Service
from lepton_engine import Engine
from lepton_engine.runtimes.openvino_encoder import OpenVinoEncoder
from lepton_engine.runtimes.torch_encoder import TorchEncoder
from lepton_engine.training.heads import Head, load_head

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
WRITTEN_APART = ROOT / "tests" / "data" / "emotion.json"
TRUNKS = {"en": "minilm-l6", "zh": "use-multilingual"}
#: Below what was measured, 0.92 and 0.87; four labels in equal shares give 0.25 by chance.
FLOORS = {"en": 0.85, "zh": 0.78}
WRONG_AT_MOST = 0.10
FIRST = {"en": "the machine swallowed my card and nobody helps me, why is that?",
         "zh": "取款机把我的卡吞了，怎么办？"}
FOLLOW_UP = {"en": "And how long does that take?", "zh": "那要多久？"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as made:
        yield made


@pytest.fixture(scope="module")
def service(engine: Engine) -> Service:
    made = Service(engine)
    made.warm()
    for language, message in FIRST.items():
        engine.classify([f"{message}."], HEADS[language])
        engine.classify([f"{message}."], "bank-intent")
    return made


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Runs of an encoder or a cross-encoder by the model's name."""
    counts: Counter[str] = Counter()
    for kind in (OpenVinoEncoder, TorchEncoder):
        def run(self: object, *given: object, _own: object = kind.run, **named: object) -> object:
            counts[self.info.variant.partition("/")[0]] += 1  # type: ignore[attr-defined]
            return _own(self, *given, **named)  # type: ignore[operator]

        monkeypatch.setattr(kind, "run", run)
    return counts


def asked(engine: Engine, service: Service, message: str, language: str,
          conversation: Conversation) -> None:
    """Intent, retrieval and emotion, as the service asks for them."""
    request = service.request(message, language, conversation)
    request.intent = service.intent_of(request)
    service.search(request)
    request.emotion = read_emotion(engine, request)
    assert request.emotion is not None


def right(head: Head, engine: Engine, language: str) -> tuple[float, float, float]:
    """Accuracy, and of the accepted their share and how many are wrong."""
    rows = [row for row in json.loads(WRITTEN_APART.read_text(encoding="utf-8"))
            if row["language"] == language]
    found = head.classify(engine.embed([row["text"] for row in rows], TRUNKS[language]),
                          HEADS[language])
    hits = np.array([c.label == row["label"] for c, row in zip(found, rows, strict=True)])
    taken = np.array([c.accepted for c in found])
    return float(hits.mean()), float(taken.mean()), float(1 - hits[taken].mean())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_emotions_of_the_set_written_apart(engine: Engine, language: str) -> None:
    head = load_head(ROOT / "assets" / "adapters" / HEADS[language])
    accuracy, accepted, wrong = right(head, engine, language)
    print(f"{HEADS[language]}: accuracy {accuracy:.3f}, accepted {accepted:.3f}, "
          f"of these wrong {wrong:.3f}")
    assert accuracy >= FLOORS[language]
    assert wrong <= WRONG_AT_MOST
    order = [*range(1, len(head.labels)), 0]
    permuted = replace(head, weight=head.weight[order], bias=head.bias[order])
    assert right(permuted, engine, language)[0] < FLOORS[language]


def leaning(service: Service, language: str) -> Conversation:
    """A conversation that a follow-up leans on."""
    asked_back = service.request(FIRST[language], language, Conversation())
    return Conversation().plus(asked_back.turn(Decision.CLARIFY, ""))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_emotion_costs_no_pass(engine: Engine, service: Service, passes: Counter[str],
                                   language: str) -> None:
    """Neither for a first message nor for one that leans on it."""
    for message, conversation in ((FIRST[language], Conversation()),
                                  (FOLLOW_UP[language], leaning(service, language))):
        request = service.request(message, language, conversation)
        service.search(request)
        before = passes.copy()
        assert read_emotion(engine, request) is not None
        assert passes == before


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("follows", [False, True])
def test_two_passes_through_the_trunk(engine: Engine, service: Service, passes: Counter[str],
                                      language: str, follows: bool) -> None:
    """Through the adapted and the plain trunk of the language, and no other where it is Chinese."""
    ending = "？" if follows else "！"  # texts that no other test has asked
    if follows:
        asked(engine, service, FOLLOW_UP[language] + ending, language, leaning(service, language))
    else:
        asked(engine, service, FIRST[language] + ending, language, Conversation())
    print(f"passes, {language}, {'follow-up' if follows else 'first message'}: {dict(passes)}")
    through = sum(n for name, n in passes.items() if name.startswith(TRUNKS[language]))
    assert 1 <= through <= 2
    if language == "zh":
        assert passes.total() == through


@pytest.mark.xfail(strict=True, reason="English retrieval averages two encoders, so that with the "
                                       "adapted intent three run: minilm-l6 twice, and "
                                       "use-multilingual once")
def test_two_passes_through_all_encoders_in_english(
        engine: Engine, service: Service, passes: Counter[str]) -> None:
    asked(engine, service, f"{FIRST['en']} Please!", "en", Conversation())
    assert passes.total() - passes["reranker"] <= 2
