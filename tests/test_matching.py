"""Question matching: the pairs, the loss and the scores of its benchmark, on made-up texts."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import matching, matching_scores
from benchmarks.matching_scores import Measured
from lepton_engine.errors import InputError
from lepton_engine.training import matching as training
from lepton_engine.training import matching_pairs as pairs
from lepton_engine.training.data import Labelled

SIGNS = "Symptoms of gout include severe joint pain (arthralgia) and a red swollen toe at night."


def answer(focus: str, kind: str, text: str, source: str = "NIDDK") -> pairs.Answer:
    return pairs.Answer(focus, kind, f"What are the {kind} of {focus} ?", text, source)


GOUT = [answer("gout", "symptoms", SIGNS),
        answer("gout", "treatment", "Gout is treated with drugs that lower uric acid.")]
RARE = [answer("x syndrome", "information", "X syndrome makes the hands shake all day long.",
               "GARD")]

# Pairs


def test_a_condition_is_on_one_side_whatever_its_case() -> None:
    assert pairs.is_held_out("Abscess")
    assert pairs.is_held_out(" abscess ")
    assert not pairs.is_for_choices("abscess")


def test_no_test_question_is_about_a_condition_that_is_trained_on() -> None:
    folder = Path(__file__).parent / "data"
    asked = json.loads((folder / "questions_lay.json").read_text(encoding="utf-8"))
    assert all(pairs.is_held_out(focus) for row in asked for focus in row["focus"])
    chosen = json.loads(matching.DEV.read_text(encoding="utf-8"))
    assert all(pairs.is_for_choices(focus) for row in chosen for focus in row["focus"])


def test_answers_are_read_with_single_spaces(tmp_path: Path) -> None:
    (tmp_path / "medquad").mkdir()
    row = {"focus": "Gout", "type": "treatment", "question": "What helps ?",
           "answer": "One\n    - two", "source": "CDC"}
    with gzip.open(tmp_path / "medquad/medquad.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    assert pairs.read_answers(tmp_path) == [
        pairs.Answer("gout", "treatment", "What helps ?", "One - two", "CDC")]


def test_missing_data_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not in the folder given by --data"):
        pairs.read_answers(tmp_path)


@pytest.mark.parametrize(("text", "focus", "wanted"), [
    ("Lyme disease and lyme spread.", "lyme disease", "it and it spread."),
    ("The signs of ALL and leukemias.", "acute lymphoblastic leukemia", "The signs of it and "
     "leukemias."),
    ("Gouty toes are no gout's.", "gout", "Gouty toes are no it."),
])
def test_a_conditions_name_is_taken_out(text: str, focus: str, wanted: str) -> None:
    assert pairs.masked(text, focus, "it") == wanted


def test_a_described_query_does_not_name_the_condition() -> None:
    for seed in range(30):
        pair = pairs.described(GOUT, random.Random(seed))
        assert pair is not None
        assert "gout" not in pair.query.lower()
        assert pair.group == "gout"


def test_doctors_words_become_everyday_ones() -> None:
    found = {pairs.in_lay_words("fatigue and nausea", random.Random(n)) for n in range(30)}
    assert any("tired all the time" in text for text in found)
    assert any("feeling sick" in text for text in found)


def test_a_seed_makes_the_same_pairs_and_none_twice() -> None:
    first, second = (pairs.medical_pairs([*GOUT, *RARE], 8, seed=3) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)
    assert {pair.group for pair in first} == {"gout", "x syndrome"}


def test_bank_pairs_are_two_queries_of_one_intent() -> None:
    rows = Labelled(["a", "b", "c", "d", "e"], ["one", "one", "two", "two", "alone"])
    for pair in pairs.bank_pairs(rows, 6, seed=0):
        assert pair.query != pair.passage
        assert {pair.query, pair.passage} in ({"a", "b"}, {"c", "d"})


# Training


def test_batches_do_not_mix_topics() -> None:
    groups = [[pairs.Pair(f"{topic}{n}", "", topic) for n in range(10)] for topic in "ab"]
    found = training.batches(groups, 4, seed=0)
    assert all(len({pair.group for pair in batch}) == 1 for batch in found)
    assert sorted(map(len, found)) == [2, 2, 4, 4, 4, 4]


def test_passages_of_the_same_group_are_no_negatives() -> None:
    vectors = torch.eye(3)
    same = training.ranking_loss(vectors, vectors[[0, 0, 2]], ["x", "x", "y"], 0.05)
    other = training.ranking_loss(vectors, vectors[[0, 0, 2]], ["x", "z", "y"], 0.05)
    assert same < other


# Scores


def test_a_wrong_passage_that_is_as_near_comes_first() -> None:
    questions, passages = np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    right = np.array([[True, False, False], [False, False, False]])
    assert matching_scores.first_ranks(questions, passages, right).tolist() == [2, np.inf]


def test_right_is_what_shares_a_name() -> None:
    found = matching_scores.shares([{"a", "b"}, {"c"}], [{"b"}, {"d"}, {"a", "c"}])
    assert found.tolist() == [[True, False, True], [False, False, True]]


def test_a_query_does_not_find_itself() -> None:
    table = {"p": [1.0, 0.0], "q": [0.9, 0.1], "r": [0.0, 1.0]}
    index = Labelled(["p", "q", "r"], ["one", "two", "one"])
    ranks = matching.intents(["p"], ["one"], index)
    assert ranks(lambda texts: np.array([table[t] for t in texts])).tolist() == [2]


def test_measures_of_ranks() -> None:
    found = matching_scores.values(np.array([1, 5, 20, np.inf]))
    assert {name: row.mean() for name, row in found.items()} == {
        "recall@1": 0.25, "recall@5": 0.5, "recall@10": 0.5, "MRR": pytest.approx(0.3125)}


def test_the_rule() -> None:
    few, many = np.full(40, 2.0), np.full(2_000, 2.0)
    better = np.ones(40)
    gains = Measured("lay", few, better, must_gain=True)
    assert matching_scores.verdict([gains, Measured("large", many, many),
                                    Measured("small", few, few)]) == (True, [])
    worse = np.where(np.arange(2_000) % 10 == 0, 4.0, 2.0)
    kept, breaches = matching_scores.verdict([
        Measured("lay", few, few, must_gain=True), Measured("large", many, worse),
        Measured("small", better, few)])
    assert not kept
    assert breaches == ["lay: no gain beyond chance", "large: may lose a point or more",
                        "small: loses"]


def test_rows_show_both_encoders_and_the_gain() -> None:
    found = matching_scores.rows([Measured("lay", np.full(40, 2.0), np.ones(40))])
    assert [row[2] for row in found] == ["plain", "adapted"]
    assert found[1][-1] == "+0.500 (+0.500 to +0.500) MRR"
