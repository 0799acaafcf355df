"""The shipped adapters on sets that were written apart from what they learned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import adapters
from lepton_engine import Engine
from lepton_engine.adapted import ADAPTERS, LORA
from lepton_engine.errors import DigestError
from lepton_engine.marking import OTHER, TARGET
from lepton_engine.training.finance_examples import by_company

pytestmark = pytest.mark.integration

SETS = Path(__file__).resolve().parents[1] / "data"
NEAR = ["What is my credit score?", "what apr do you charge on the credit card",
        "I need the routing number of my bank", "how do i order more checks",
        "how many rewards points do I have", "help me file my taxes"]
FAR = ["what will the weather be like tomorrow", "how do I bake sourdough bread",
       "book a table for two at an italian restaurant", "who painted the Mona Lisa"]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((SETS / name).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("recipe", ["original", "int8"])
def test_sentiment_of_other_sources(engine: Engine, recipe: str) -> None:
    pairs = [(row["text"], row["label"]) for row in rows("finance_other.json")]
    scores = adapters.scored(adapters.Asked(engine, recipe), "finance-sentiment", pairs)
    print(recipe, scores["weighted_f1"], scores["expected_calibration_error"])
    assert scores["weighted_f1"]["value"] >= 0.72  # 0.778 on 2026-11-23; always neutral: 0.23
    assert scores["expected_calibration_error"] <= 0.09


@pytest.mark.parametrize("recipe", ["original", "int8"])
def test_companies_of_one_headline_are_told_apart(engine: Engine, recipe: str) -> None:
    ask = adapters.Asked(engine, recipe)
    found = rows("headlines_entities.json")
    right = adapters.all_right(ask, found)
    print(recipe, right)
    assert right["value"] >= 0.66  # 0.735 on 2026-11-23

    def swapped(texts: Sequence[str], adapter: str) -> tuple[np.ndarray, tuple[str, ...]]:
        return ask([t.replace(TARGET, "\0").replace(OTHER, TARGET).replace("\0", OTHER)
                    for t in texts], adapter)

    opposite = [row for row in found if len(row["entities"]) == 2 and {
        entity["label"] for entity in row["entities"]} == {"negative", "positive"}]
    assert adapters.all_right(swapped, opposite)["value"] < 0.2  # roles are read, not names
    assert by_company(opposite[0])[0][0] != by_company(opposite[0])[1][0]


def test_near_and_far_topics_are_refused(engine: Engine) -> None:
    near, far = (engine.classify(texts, "bank-intent") for texts in (NEAR, FAR))
    assert sum(not c.accepted for c in near) >= 4
    assert not any(c.accepted for c in far)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ADAPTERS.glob("*/card.json")))
def test_an_adapter_is_small_and_its_card_complete(name: str) -> None:
    folder = ADAPTERS / name
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) <= 2_000_000
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json", ".md"}
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert all(source["licence"] and source["citation"] for source in card["data"])
    assert card["command"].startswith(f"python -m lepton_engine train {name} ")
    assert set(card["scores"]["f1_per_class"]) == set(card["labels"])
    assert len(card["coverage_curve"]) > 5


def test_a_damaged_update_is_a_sentence_and_nothing_is_opened(tmp_path: Path) -> None:
    shutil.copytree(ADAPTERS / "finance-sentiment", tmp_path / "finance-sentiment")
    path = tmp_path / "finance-sentiment" / LORA
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with Engine(adapters=tmp_path) as engine, pytest.raises(DigestError, match="sha256"):
        engine.classify(["Shares fall"], "finance-sentiment")
