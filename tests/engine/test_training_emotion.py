"""The recipe of the emotion heads on vectors of words: what is unseen, and the threshold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from lepton_engine.training import recipes_emotion as recipe
from lepton_engine.training.cards import card_facts, write_markdown
from lepton_engine.training.console import write
from lepton_engine.training.making import Embed
from tests.fake_rules import bag_vector


class Trunk:
    """Vectors of bags of words."""

    name, folder = "minilm-l6", Path("nowhere")

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([bag_vector(text, 96, {}) for text in texts], dtype=np.float32)

    def updated(self, updates: Mapping[str, np.ndarray], scaling: float) -> Embed:
        raise AssertionError("nothing of the trunk is changed")

    def tell(self, what: str, share: float) -> None:
        """Nobody listens."""


def test_texts_are_different_and_every_label_is_there() -> None:
    for language, least in (("en", 500), ("zh", 400)):
        rows = recipe.read([language])
        assert len(rows.texts) == len(set(rows.texts)) >= least
        counts = Counter(rows.labels)
        assert set(counts) == set(recipe.LABELS)
        assert max(counts.values()) == min(counts.values())


def test_no_text_of_the_test_set_is_learned() -> None:
    apart = json.loads(recipe.WRITTEN_APART.read_text(encoding="utf-8"))
    assert not {row["text"] for row in apart} & set(recipe.read(["en", "zh"]).texts)


def test_a_topic_is_never_on_both_sides() -> None:
    rows = recipe._texts("en", ())
    vectors = Trunk()(rows.texts)
    _, parts = recipe.unseen_logits(vectors, rows.truth, 0)
    clusters = recipe.topics(vectors, 0)
    assert all(len(set(parts[clusters == number])) == 1 for number in set(clusters))


def test_the_threshold_keeps_every_label_that_acts_within_its_error() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 4, 2_000)
    logits = draw.normal(size=(1, 2_000, 4))
    logits[0, np.arange(2_000), truth] += 2.0
    wrong = (truth == 0) & (draw.random(2_000) < 0.4)  # calm that sounds urgent
    logits[0, wrong, 3] += 3.0
    temperature, threshold = recipe.calibrated(logits, truth)
    probabilities = recipe._softmax(logits[0], temperature)
    found = recipe.at_threshold(probabilities, truth, probabilities.max(axis=1) >= threshold)
    assert found["error"] <= recipe.ACCEPTED_ERROR
    assert found["by_label"]["urgent"]["error"] <= recipe.ACCEPTED_ERROR
    assert 0 < found["coverage"] < 1


def test_the_same_seed_gives_the_same_weights_and_a_whole_card(tmp_path: Path) -> None:
    row = recipe.ENGLISH
    first, again = (row.make(tmp_path, Trunk(), 0) for _ in range(2))
    assert np.array_equal(first.head.weight, again.head.weight)
    assert first.facts["at_threshold"]["n"] == 520
    card = card_facts("emotion", row, first.facts, trained_at="2026-11-23", command="train",
                      vectors="words", hours=0.0)
    write(first, tmp_path, card)
    write_markdown(json.loads((tmp_path / "card.json").read_text(encoding="utf-8")), tmp_path)
    said = (tmp_path / "CARD.md").read_text(encoding="utf-8")
    assert "On a test set written apart" in said
    assert "n = 200" in said


def test_shuffled_labels_score_like_chance() -> None:
    rows = recipe._texts("en", ())
    truth = np.random.default_rng(1).permutation(rows.truth)
    logits, _ = recipe.unseen_logits(Trunk()(rows.texts), truth, 0)
    assert (logits.argmax(axis=1) == truth).mean() == pytest.approx(0.25, abs=0.08)
