"""What the two knowledge bases must keep, whoever edits them."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "assets" / "knowledge"
SECTIONS = ["overview", "symptoms", "causes", "self_care", "see_doctor", "emergency"]


def load(domain: str, language: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        (FOLDER / domain / f"{language}.json").read_text(encoding="utf-8"))
    return rows


def body(row: dict[str, Any]) -> str:
    return row.get("body") or " ".join(section["text"] for section in row["sections"].values())


def five_word_sequences(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(words[i:i + 5]) for i in range(len(words) - 4)}


@pytest.mark.parametrize(("domain", "least"), [("customer_service", 40), ("medical", 30)])
def test_both_languages_have_the_same_documents(domain: str, least: int) -> None:
    english, chinese = load(domain, "en"), load(domain, "zh")
    ids = [row["id"] for row in english]
    assert ids == [row["id"] for row in chinese]
    assert len(set(ids)) == len(ids) >= least


def test_articles_are_whole() -> None:
    for language in ("en", "zh"):
        for row in load("customer_service", language):
            assert set(row) == {"id", "title", "body", "steps"}
            assert len(row["steps"]) >= 2
            assert language == "zh" or len(row["body"].split()) >= 120, row["id"]


def test_conditions_are_whole_and_sources_have_addresses() -> None:
    for language in ("en", "zh"):
        for row in load("medical", language):
            assert list(row["sections"]) == SECTIONS
            assert row["name"]
            assert row["aliases"]
            for section in row["sections"].values():
                assert section["text"].strip()
                assert all(s["url"].startswith("http") for s in section["sources"])


@pytest.mark.parametrize("domain", ["customer_service", "medical"])
def test_no_two_share_a_fifth_of_their_five_word_sequences(domain: str) -> None:
    sequences = {row["id"]: five_word_sequences(body(row)) for row in load(domain, "en")}
    worst = max(
        (len(sequences[a] & sequences[b]) / min(len(sequences[a]), len(sequences[b])), a, b)
        for a, b in combinations(sequences, 2))
    assert worst[0] <= 0.2, worst
