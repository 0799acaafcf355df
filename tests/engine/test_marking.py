from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lepton_engine.marking import OTHER, TARGET, marked

SPANS = st.lists(st.tuples(st.integers(-2, 30), st.integers(-2, 30)), max_size=6)


def spans(text: str, name: str) -> list[tuple[int, int]]:
    start = text.index(name)
    return [(start, start + len(name))]


def test_own_and_other_names_are_replaced() -> None:
    text = "Boeing loses order to Airbus's leasing arm"
    assert marked(text, spans(text, "Boeing"), spans(text, "Airbus")) == (
        "this company loses order to another company's leasing arm")
    assert marked(text, spans(text, "Airbus"), spans(text, "Boeing")) == (
        "another company loses order to this company's leasing arm")


def test_of_overlapping_spans_the_first_and_longest_counts() -> None:
    assert marked("Delta Air Lines climbs", [(0, 5)], [(0, 15)]) == "another company climbs"
    assert marked("Delta Air Lines climbs", [(0, 15)], [(6, 15)]) == "this company climbs"
    assert marked("Delta Air Lines climbs", [(0, 15), (0, 15)], []) == "this company climbs"


def test_touching_spans_are_both_replaced_and_empty_ones_are_not() -> None:
    assert marked("$A$B", [(0, 2)], [(2, 4)]) == f"{TARGET}{OTHER}"
    assert marked("Ford 🚀", [(2, 2), (4, 1)], []) == "Ford 🚀"
    assert marked("", [], []) == ""


@given(st.text(max_size=30), SPANS, SPANS, st.randoms(use_true_random=False))
def test_the_order_of_the_spans_does_not_matter(
        text: str, own: list[tuple[int, int]], others: list[tuple[int, int]],
        rng: random.Random) -> None:
    first = marked(text, own, others)
    shuffled = [rng.sample(own, len(own)), rng.sample(others, len(others))]
    assert marked(text, *shuffled) == first


@given(st.text(max_size=30))
def test_without_spans_the_text_stays(text: str) -> None:
    assert marked(text, [], []) == text
