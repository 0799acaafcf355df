"""Adapters on made-up vectors: fitting, temperature, refusal, thresholds, splits, cards, damage.

The update itself is trained on a tiny model in ``test_adapting``; here it is nothing, so that
what surrounds it is seen by itself.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from lepton_engine.errors import DigestError, InputError, ModelUnavailableError
from lepton_engine.results import Embeddings, Stamp
from lepton_engine.training import (
    adapting,
    data,
    fitting,
    recipes_bank,
    recipes_finance,
)
from lepton_engine.training.cards import card_facts, with_gate, write_markdown
from lepton_engine.training.console import HELD_OUT, ship, write
from lepton_engine.training.heads import CARD, WEIGHTS, load_head
from lepton_engine.training.making import Embed
from lepton_engine.training.recipes import HEADS, Trained
from tests.engine.tiny_variants import verdict
from tests.fake_rules import bag_vector

WORDS = {"0": ["falls", "loses", "cuts"], "1": ["gains", "wins", "beats"],
         "2": ["meets", "holds", "names"]}


def embed(texts: Sequence[str]) -> np.ndarray:
    return np.array([bag_vector(t, 64, {}) for t in texts], dtype=np.float32)


class Trunk:
    """Vectors of bags of words; an update changes nothing."""

    name, folder = "minilm-l6", Path("nowhere")

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return embed(texts)

    def updated(self, updates: Mapping[str, np.ndarray], scaling: float) -> Embed:
        return embed

    def tell(self, what: str, share: float) -> None:
        """Nobody listens."""


@pytest.fixture(scope="module", autouse=True)
def no_update() -> Iterator[None]:
    """Training fits the head to the first epoch's rows on the frozen vectors."""
    patch = pytest.MonkeyPatch()

    def adapt(folder: Path, epoch: adapting.Epoch, start: tuple[np.ndarray, np.ndarray],
              schedule: adapting.Schedule, tell: object) -> adapting.Adapted:
        rows, wanted = epoch(0)
        assert len(rows) == len(wanted)
        assert np.allclose(wanted.sum(axis=1), 1)
        most = 700  # the data's own rows come first; bags of words learn little from prose
        linear = fitting.softmax_at(embed([str(row) for row in rows[:most]]),
                                    wanted.argmax(axis=1)[:most], 10.0)
        update = {"layer.lora_A": np.zeros((2, 64), np.float16),
                  "layer.lora_B": np.zeros((64, 2), np.float16)}
        return adapting.Adapted(update, linear.weight, linear.bias)

    patch.setattr(adapting, "adapt", adapt)
    for module in (recipes_bank, recipes_finance):
        patch.setattr(module, "sub_words", lambda folder, texts: list(texts))
    yield
    patch.undo()


def vectors_of(texts: Sequence[str]) -> Embeddings:
    stamp = Stamp("minilm-l6/original@openvino:cpu", "cpu", "bf16", 1.0)
    return Embeddings(embed(texts), stamp, tuple(texts))


def table(path: Path, header: list[str], rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three data sets in small: words carry the labels."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    firms = [f"firm{chr(97 + i)}{chr(97 + j)}" for i in range(20) for j in range(10)]
    table(root / "tfns/train.csv", ["text", "label"],
          [[f"{firm} {generator.choice(WORDS[label])} {generator.choice(WORDS[label])} today",
            label] for firm in firms for label in WORDS])
    intents = {"card_arrival": "when will card arrive", "pin_change": "change my pin",
               "top_up": "top up account"}
    table(root / "banking77/train.csv", ["text", "category"],
          [[f"{text} {firm}", intent] for firm in firms for intent, text in intents.items()])
    far = [[f"weather {firm} sunny song", "oos"] for firm in firms]
    near = [["credit score of mine", "credit_score"], ["new pin please", "pin_change"]]
    (root / "clinc150").mkdir()
    (root / "clinc150/train_val.json").write_text(json.dumps({
        "train": far[:120] + near, "val": far[120:160], "oos_train": far[160:180],
        "oos_val": far[180:]}), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def finance(folder: Path) -> Trained:
    return recipes_finance.make(folder, Trunk(), 0)


def saved(trained: Trained, name: str, place: Path) -> Path:
    card = card_facts(name, HEADS[name], trained.facts, trained_at="2026-11-23",
                      command="train", vectors="made up", hours=0.1)
    write(trained, place / name, card)
    return place / name


def test_a_head_learns_what_carries_the_label(finance: Trained) -> None:
    head = finance.head
    assert head.labels == ("negative", "neutral", "positive")
    found = [c.label for c in head.classify(vectors_of(
        ["someone falls cuts", "someone meets holds", "someone wins beats"]), "finance-sentiment")]
    assert found == ["negative", "neutral", "positive"]
    assert finance.facts["scores"]["accuracy"]["value"] > 0.85


def test_permuted_labels_are_noticed(finance: Trained) -> None:
    from dataclasses import replace

    head = replace(finance.head, weight=finance.head.weight[[1, 2, 0]],
                   bias=finance.head.bias[[1, 2, 0]])
    found = head.classify(vectors_of(["someone wins beats"]), "finance-sentiment")
    assert found[0].label != "positive"


def test_probabilities_sum_to_one_and_the_stamp_names_trunk_and_head(finance: Trained) -> None:
    [item] = finance.head.classify(vectors_of(["someone wins"]), "finance-sentiment")
    assert sum(item.probabilities.values()) == pytest.approx(1)
    assert item.confidence == max(item.probabilities.values())
    assert item.stamp.variant == "minilm-l6+finance-sentiment/original@openvino:cpu"
    assert len(finance.head.classify(Embeddings(
        np.zeros((0, 64), np.float32), item.stamp), "finance-sentiment")) == 0


def test_the_energy_refuses_other_topics(folder: Path) -> None:
    trained = recipes_bank.make(folder, Trunk(), 0)
    found = trained.head.classify(vectors_of(
        ["when will card arrive please", "weather sunny song for you"]), "bank-intent")
    assert [c.accepted for c in found] == [True, False]
    refused = trained.facts["refused_out_of_scope"]
    assert set(refused) == {"val", "oos_val", "near"}
    assert refused["oos_val"] == {"n": 20, "refused": 1.0}
    assert refused["near"]["n"] == 1  # pin_change is Banking77's own: no negative


def test_the_same_data_give_the_same_bytes(folder: Path, finance: Trained,
                                           tmp_path: Path) -> None:
    again = recipes_finance.make(folder, Trunk(), 0)
    first, second = saved(finance, "finance-sentiment", tmp_path / "a"), saved(
        again, "finance-sentiment", tmp_path / "b")
    assert (first / WEIGHTS).read_bytes() == (second / WEIGHTS).read_bytes()
    assert (first / CARD).read_bytes() == (second / CARD).read_bytes()


def test_a_saved_head_is_the_same_head(finance: Trained, tmp_path: Path) -> None:
    head = load_head(saved(finance, "finance-sentiment", tmp_path))
    vectors = embed(["someone wins", "someone cuts"])
    assert np.array_equal(head.probabilities(vectors), finance.head.probabilities(vectors))
    assert head.threshold == finance.head.threshold


def test_damaged_weights_are_never_opened(finance: Trained, tmp_path: Path) -> None:
    folder = saved(finance, "finance-sentiment", tmp_path)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(content))
    with pytest.raises(DigestError, match="train finance-sentiment"):
        load_head(folder)


def test_a_missing_or_foreign_card_is_a_sentence(finance: Trained, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="not complete"):
        load_head(tmp_path / "nothing")
    folder = saved(finance, "finance-sentiment", tmp_path)
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    (folder / CARD).write_text(json.dumps({**card, "labels": ["a", "b"]}), encoding="utf-8")
    with pytest.raises(ModelUnavailableError, match="3 rows for 2 labels"):
        load_head(folder)


def test_the_card_tells_a_person_what_the_page_quotes(finance: Trained, tmp_path: Path) -> None:
    folder = saved(finance, "finance-sentiment", tmp_path)
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    write_markdown(card, folder)
    text = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "zeroshot/twitter-financial-news-sentiment" in text
    assert f"{card['at_threshold']['error']:.1%}" in text
    assert "MIT" in text
    assert card["split"]["train"] + card["split"]["calibration"] + card["split"][
        "held_out"] == 600


def test_what_is_shipped_has_no_row_of_the_data_and_tells_all_seeds(
        finance: Trained, tmp_path: Path) -> None:
    source = saved(finance, "finance-sentiment", tmp_path / "folds")
    kept = json.loads((source / HELD_OUT).read_text(encoding="utf-8"))
    assert len(kept["texts"]) == finance.facts["scores"]["n"] == len(kept["labels"])
    scores = finance.facts["scores"]
    other = {**scores, "weighted_f1": {**scores["weighted_f1"], "value": 0.5}}
    said = ship("finance-sentiment", source, tmp_path / "out", {"0": scores, "1": other})
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"head.safetensors", "lora.safetensors", "card.json", "CARD.md"}
    card = json.loads((tmp_path / "out" / CARD).read_text(encoding="utf-8"))
    mean = (scores["weighted_f1"]["value"] + 0.5) / 2
    assert card["over_seeds"]["weighted_f1"]["mean"] == pytest.approx(mean, abs=1e-4)
    assert "Mean over the seeds 0, 1" in said


def test_the_gates_verdict_stands_in_the_card(finance: Trained, tmp_path: Path) -> None:
    folder = saved(finance, "finance-sentiment", tmp_path)
    with_gate(folder, [verdict(), verdict("int4", decision="refused", loss_points=2.5)])
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    assert [(row["recipe"], row["decision"]) for row in card["gate"]] == [
        ("int8", "passed"), ("int4", "refused")]
    text = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "| int4 | refused | +2.50 (-0.10 to +0.50) | 4,000 | 2.00 / 2.00 |" in text
    assert load_head(folder).threshold == finance.head.threshold


def test_seeds_hold_out_different_rows() -> None:
    truth, groups = np.arange(400) % 4, np.arange(400)
    held = [set(data.split_by_group(truth, groups, seed).held_out.tolist()) for seed in range(3)]
    assert not held[0] & held[1]
    assert not held[1] & held[2]
    assert not held[0] & held[2]


def test_near_duplicates_never_stand_on_two_sides() -> None:
    texts = [f"$AB{n} rises {n}% https://t.co/{n}" for n in range(40)]
    texts += [f"other {chr(97 + n % 26)}{chr(97 + n // 26)} text" for n in range(160)]
    groups = data.near_duplicates(texts, np.eye(200, dtype=np.float32))
    assert len(set(groups[:40])) == 1
    assert len(set(groups)) == 161
    split = data.split_by_group(np.arange(200) % 2, groups, 0)
    sides = [set(groups[part]) for part in (split.train, split.calibration, split.held_out)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(len(part) for part in (split.train, split.calibration, split.held_out)) == 200


def test_alike_vectors_are_near_duplicates_too() -> None:
    vectors = np.array([[1, 0], [0.99, 0.14], [0, 1]], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = data.near_duplicates(["one here", "two there", "three away"], vectors)
    assert groups[0] == groups[1] != groups[2]


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tfns/train\.csv"):
        data.financial_news(tmp_path)
