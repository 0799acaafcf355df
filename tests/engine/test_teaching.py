"""Teaching a classifier from a few examples: on vectors that are bags of words (the fake's)."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_engine.errors import InputError, LimitError, UnknownNameError
from lepton_engine.training.lessons import reader_of
from lepton_engine.training.near import near_groups, pattern
from lepton_engine.training.taught_scores import confusion_matrix, taught_scores
from tests.fakes import FakeEngine

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
WORDS = ("walnut", "cedar", "maple", "birch", "poplar", "alder", "rowan", "hazel", "elder", "yew",
         "larch", "spruce")


def rows(per_label: int = 12, labels: str = "abc") -> tuple[list[str], list[str]]:
    """Texts that their label's own word tells, each with two words of its own."""
    texts = [f"{label * 4} {WORDS[i % 12]} {chr(109 + i // 12)}{WORDS[(i * 5 + n) % 12]}"
             for n, label in enumerate(labels) for i in range(per_label)]
    return texts, [label for label in labels for _ in range(per_label)]


def sample(name: str) -> tuple[list[str], list[str]]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    return [row["text"] for row in found], [row["label"] for row in found]


def test_what_is_taught_is_told_apart_and_kept() -> None:
    engine = FakeEngine()
    texts, labels = rows()
    fitted = engine.fit("trees", texts, labels)
    assert fitted.scores["accuracy"]["value"] > 0.9
    assert fitted.better_than_commonest
    assert fitted.notes == ()
    found = engine.classify(["aaaa in the walnut"], "trees")
    assert found[0].label == "a"
    assert sum(found[0].probabilities.values()) == pytest.approx(1)
    assert "minilm-l6+trees/original" in found.stamp.variant
    assert fitted.classify(["bbbb"])[0].label == "b"


def test_nothing_is_kept_where_nothing_shall_be() -> None:
    engine = FakeEngine()
    engine.fit("trees", *rows(), keep=False)
    with pytest.raises(UnknownNameError):
        engine.classify(["aaaa"], "trees")


def test_shuffled_labels_score_as_chance() -> None:
    texts, labels = rows(40, "ab")
    shuffled = list(np.random.default_rng(3).permutation(labels))
    fitted = FakeEngine().fit("x", texts, [str(label) for label in shuffled])
    assert 0.3 < fitted.scores["accuracy"]["value"] < 0.7
    assert not fitted.better_than_commonest
    assert "Not shown to be better" in fitted.notes[0]
    assert FakeEngine().fit("x", texts, labels).scores["accuracy"]["value"] > 0.9


def test_near_duplicates_never_help_to_tell_each_other() -> None:
    """Each text five times with other numbers, labels by chance: memory alone would be right."""
    draw = np.random.default_rng(0)
    texts, labels = [], []
    for n in range(40):
        base = " ".join(draw.choice(WORDS, 3)) + " " + chr(97 + n % 26) * 3 + "q" * (n // 26)
        label = str(draw.choice(["a", "b"]))
        texts += [f"{base} {i}" for i in range(5)]
        labels += [label] * 5
    fitted = FakeEngine().fit("x", texts, labels)
    assert fitted.card["examples"]["groups"] <= 40
    assert fitted.scores["accuracy"]["value"] < 0.75


def test_mistakes_are_confident_first_and_in_no_file() -> None:
    texts, labels = sample("teach.csv")
    fitted = FakeEngine().fit("shop", texts, labels)
    wrong = [m.confidence for m in fitted.mistakes]
    assert wrong
    assert wrong == sorted(wrong, reverse=True)
    for m in fitted.mistakes:
        assert (texts[m.row - 1], labels[m.row - 1]) == (m.text, m.label)
        assert m.predicted != m.label
        assert m.confidence > m.probability
    with zipfile.ZipFile(io.BytesIO(fitted.to_bytes())) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode(
            "utf-8", "replace")
    assert not [text for text in texts if text in everything]


def test_the_confusion_matrix_adds_up() -> None:
    fitted = FakeEngine().fit("shop", *sample("teach.csv"))
    cells = fitted.confusion
    assert list(cells.index) == list(cells.columns) == ["damage", "delivery", "payment", "return"]
    assert cells.to_numpy().sum() == fitted.scores["n"] == 60
    right = np.trace(cells.to_numpy()) / 60
    assert right == pytest.approx(fitted.scores["accuracy"]["value"], abs=1e-3)
    assert [row["n"] for row in fitted.scores["f1_per_class"].values()] == [15] * 4
    assert fitted.to_figure().data[0].type == "heatmap"
    assert "n = 60" in fitted.to_text()
    assert list(fitted.to_frame()["label"]) == list(cells.index)


def test_a_file_is_the_same_every_time_and_opens_again() -> None:
    engine = FakeEngine()
    first = engine.fit("trees", *rows(), keep=False)
    data = first.to_bytes()
    assert data == FakeEngine().fit("trees", *rows()).to_bytes()
    again = FakeEngine().open_fitted(data)
    assert again.to_bytes() == data
    assert again.scores == first.scores
    assert again.mistakes == ()
    texts = ["aaaa walnut", "cccc"]
    for one, other in zip(first.classify(texts), again.classify(texts), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities)
        assert one.accepted == other.accepted


def _zip(change: Callable[[dict[str, bytes]], object]) -> bytes:
    data = FakeEngine().fit("trees", *rows(8, "ab")).to_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _card(**changes: Any) -> Callable[[dict[str, bytes]], object]:
    def change(members: dict[str, bytes]) -> None:
        members["card.json"] = json.dumps(json.loads(members["card.json"]) | changes).encode()
    return change


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda m: m.update({"head.safetensors": m["head.safetensors"][:-1] + b"\1"}), "damaged"),
    (lambda m: m.update({"../evil": b"x"}), "does not hold just"),
    (lambda m: m.pop("CARD.md"), "does not hold just"),
    (lambda m: m.update({"card.json": b"0" * 50_000_000}), "larger than 1 MB"),
    (lambda m: m.update({"card.json": b"[" * 100_000}), "does not read"),
    (lambda m: m.update({"card.json": b"{}"}), "does not read"),
    (_card(labels=["a"]), "does not read"),
    (_card(labels=["a", "a"]), "does not read"),
    (_card(temperature=0), "does not read"),
    (_card(threshold=float("nan")), "does not read"),
    (_card(trunk="/etc", trunk_name="/etc"), "does not read"),
    (_card(trunk="use-multilingual", trunk_name="use-multilingual"), "do not fit"),
    (_card(recipe="make-coffee"), "damaged"),
    (_card(name="../../x"), "damaged"),
    (_card(confusion=[[1]]), "does not read"),
])
def test_a_strange_file_is_refused(change: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        FakeEngine().open_fitted(_zip(change))


def test_what_is_no_zip_is_refused() -> None:
    for data, sentence in ((b"", "no zip"), (b"PK\3\4" + b"x" * 99, "no zip"),
                           (b"x" * 3_000_000, "larger than 2 MB")):
        with pytest.raises(InputError, match=sentence):
            FakeEngine().open_fitted(data)


def test_a_file_cannot_ask_for_a_conversion() -> None:
    fitted = FakeEngine().open_fitted(_zip(_card(recipe="low-rank:0.5+distil:9+int8")))
    assert "/original@" in fitted.classify(["aaaa"]).stamp.variant


GOOD = rows(8, "ab")


@pytest.mark.parametrize(("texts", "labels", "sentence"), [
    ([], [], "There is no example"),
    ("abc", ["a"], "must be a list"),
    (["x"], ["a", "b"], "1 texts but 2 labels"),
    ([1], ["a"], "is not a text but a int"),
    (GOOD[0], ["a"] * 16, "Every row has the same label"),
    ([*GOOD[0], "", " "], [*GOOD[1], "a", "b"], r"2 rows have no text \(row 17, 18\)"),
    ([*GOOD[0], "new"], [*GOOD[1], ""], r"One row has no label \(row 17\)"),
    ([*GOOD[0], "new"], [*GOOD[1], "c"], "at least 8 different examples: “c” has 1"),
    (GOOD[0] * 2, GOOD[1] + GOOD[1][::-1], "16 texts stand under more than one label: row 1 “a”"),
    ([f"t{i}" for i in range(10_000)], [f"l{i}" for i in range(10_000)],
     "10,000 different labels; at most 100"),
    ([f"t{i}" for i in range(5_001)], ["a", *["b"] * 5_000], "5,001 rows; at most 5,000"),
    ([*GOOD[0], "x" * 4_001], [*GOOD[1], "a"], "row 17 has 4,001 characters"),
    ([f"same words {i}" for i in range(16)], ["a", "b"] * 8, "nearly the same"),
])
def test_each_bad_lesson_has_its_sentence(texts: Any, labels: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        FakeEngine().fit("x", texts, labels)


def test_limits_are_limits() -> None:
    with pytest.raises(LimitError):
        FakeEngine().fit("x", [f"t{i}" for i in range(200)], [f"l{i}" for i in range(200)])


@pytest.mark.parametrize("name", ["", "../x", "a/b", "minilm-l6", "Bank-Intent", "x" * 65, 3])
def test_a_name_that_is_taken_or_none_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="name"):
        FakeEngine().fit(name, *rows())


def test_exact_duplicates_count_once_and_are_told() -> None:
    texts, labels = rows(8, "ab")
    fitted = FakeEngine().fit("x", [*texts, texts[0]], [*labels, labels[0]])
    assert fitted.scores["n"] == 16
    assert "1 exact duplicates" in fitted.notes[0]
    with pytest.raises(InputError, match=r"“a” has 7.*1 exact duplicates are not counted"):
        FakeEngine().fit("x", [texts[1], *texts[1:]], labels)


def test_a_label_of_one_repeated_text_is_told() -> None:
    texts, labels = rows(8, "ab")
    fitted = FakeEngine().fit("x", [*texts, *(f"zzzz {i}" for i in range(8))],
                              [*labels, *"cccccccc"])
    assert "nearly the same text" in " ".join(fitted.notes)
    assert fitted.scores["f1_per_class"]["c"]["value"] == 0


def test_the_trunk_knows_the_language() -> None:
    english, chinese = sample("teach.csv")[0], sample("teach_zh.csv")[0]
    assert reader_of(english).trunk == "minilm-l6"
    assert reader_of(chinese).trunk == "use-multilingual"
    assert reader_of([*english, *chinese[:10]]).trunk == "use-multilingual"
    few = reader_of([*english, chinese[0]])
    assert (few.trunk, few.foreign) == ("minilm-l6", 1)
    with pytest.raises(InputError, match=r"no model here knows \(he\)"):
        reader_of(["שלום לכם", "מה שלומך", *english[:5]])


def test_work_can_be_stopped_from_what_it_tells() -> None:
    told: list[str] = []

    def tell(what: str, share: float | None) -> None:
        told.append(what)
        if what.startswith("fold 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FakeEngine().fit("x", *rows(), tell=tell)
    assert told[:2] == ["reading", "vectors"]
    assert FakeEngine().fit("x", *rows()).name == "x"  # and the next one is not kept waiting


def test_groups_are_joined_by_way_of_others_in_any_script() -> None:
    vectors = np.eye(6, dtype=np.float32)
    vectors[1] = (vectors[0] + 0.3 * vectors[1]) / np.linalg.norm(vectors[0] + 0.3 * vectors[1])
    groups = near_groups(["aa", "bb", "订单 12", "订单 34", "ee", "aa 7"], vectors)
    assert groups[0] == groups[1] == groups[5]
    assert groups[2] == groups[3]
    assert len(set(groups)) == 3
    assert pattern("Order 17: https://x.y/z?!") == "order"
    assert len(set(near_groups(["1", "2"], np.eye(2, dtype=np.float32)))) == 2


def test_intervals_are_wider_where_rows_are_copies() -> None:
    draw = np.random.default_rng(1)
    truth = np.repeat(draw.integers(0, 2, 40), 5)
    wrong = np.repeat(draw.random(40) < 0.2, 5)
    probabilities = np.eye(2)[np.where(wrong, 1 - truth, truth)]

    def width(groups: np.ndarray) -> float:
        found = taught_scores(probabilities, truth, groups, ("a", "b"), 0)["accuracy"]
        return float(found["high"] - found["low"])

    assert width(np.repeat(np.arange(40), 5)) > 1.5 * width(np.arange(200))
    cells = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    assert cells.tolist() == [[1, 1], [0, 1]]
