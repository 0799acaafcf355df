"""More diversity never makes a list more alike; the map is the same every time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.recommendation.chart import plane, points_of
from domains.recommendation.index import relative
from domains.recommendation.ranking import (
    POOL_LEAST,
    POOL_TIMES,
    STEPS,
    Selection,
    alike,
    select,
)
from domains.recommendation.words import Vocabulary, stems

LADDER = [step / STEPS for step in range(STEPS + 1)]


def scene(seed: int, films: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Relevance and cosines of random films; few dimensions make greedy choices go wrong."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(films, dimensions)) + rng.normal(size=dimensions) * rng.uniform(0, 2)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return rng.uniform(size=films) ** 2, vectors @ vectors.T


def ladder(relevance: np.ndarray, similar: np.ndarray, n: int) -> list[Selection]:
    everything = np.arange(len(relevance))
    return [select(relevance, similar, everything, n, d) for d in LADDER]


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**6), films=st.integers(8, 120), dimensions=st.integers(2, 12),
       n=st.integers(2, 12))
def test_more_diversity_never_raises_the_similarity(seed: int, films: int, dimensions: int,
                                                    n: int) -> None:
    relevance, similar = scene(seed, films, dimensions)
    lists = ladder(relevance, similar, n)
    values = [alike(np.array(found.picked), similar) for found in lists]
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(values))
    assert [found.alike for found in lists] == pytest.approx(values)
    assert values[-1] < values[0] or cannot_fall(lists[0].picked, similar, relevance)


def cannot_fall(picked: tuple[int, ...], similar: np.ndarray, relevance: np.ndarray) -> bool:
    """Whether no exchange with the pool makes this list less alike (tried one by one)."""
    pool = np.argsort(-relevance, kind="stable")[:max(POOL_LEAST, POOL_TIMES * len(picked))]
    now = alike(np.array(picked), similar)
    return not any(
        alike(np.array([*picked[:i], int(film), *picked[i + 1:]]), similar) < now - 1e-5
        for i in range(len(picked)) for film in pool if int(film) not in picked)


@pytest.mark.parametrize("seed", range(30))
def test_similarity_is_strictly_lower_at_the_end_of_the_scale(seed: int) -> None:
    relevance, similar = scene(seed, 200, 30)
    lists = ladder(relevance, similar, 10)
    assert lists[-1].alike < lists[0].alike  # type: ignore[operator]


def test_greedy_relevance_alone_would_break_the_promise() -> None:
    """The test above can fail: plain MMR is not monotone on the same scenes."""
    from domains.recommendation.ranking import _mmr

    rises = 0
    for seed in range(60):
        relevance, similar = scene(seed, 40, 4)
        pool = np.argsort(-relevance, kind="stable")
        values = [alike(_mmr(relevance, similar, pool, 6, weight), similar) for weight in LADDER]
        rises += any(b > a + 1e-6 for a, b in itertools.pairwise(values))
    assert rises > 5


def test_without_diversity_the_most_relevant_are_listed() -> None:
    relevance, similar = scene(3, 50, 6)
    found = select(relevance, similar, np.arange(50), 7, 0.0)
    assert list(found.picked) == list(np.argsort(-relevance)[:7])


def test_a_list_is_ranked_distinct_and_allowed() -> None:
    relevance, similar = scene(5, 60, 6)
    allowed = np.arange(0, 60, 2)
    found = select(relevance, similar, allowed, 10, 0.6)
    assert len(set(found.picked)) == 10
    assert set(found.picked) <= set(allowed.tolist())
    scores = [relevance[i] for i in found.picked]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_small_and_whole_catalogues(n: int) -> None:
    relevance, similar = scene(9, 30, 5)
    for diversity in (0.0, 0.5, 1.0):
        found = select(relevance, similar, np.arange(30), n, diversity)
        assert len(found.picked) == n
        assert (found.alike is None) == (n == 1)


def test_diversity_counts_in_steps_of_a_twentieth() -> None:
    relevance, similar = scene(11, 60, 4)
    everything = np.arange(60)
    assert (select(relevance, similar, everything, 8, 0.3).picked
            == select(relevance, similar, everything, 8, 0.349).picked)


def test_relative_is_0_for_the_middle_and_1_for_the_best() -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4, 9.0])
    scaled = relative(values, np.arange(4))
    assert scaled[3] == 1.0
    assert scaled[1] == 0.0
    assert scaled[0] == 0.0
    assert relative(np.ones(3), np.arange(3)).tolist() == [0, 0, 0]


def test_the_plane_is_the_same_every_time_and_keeps_what_it_says() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(20, 6)) * np.array([5, 3, 0.1, 0.1, 0.1, 0.1])
    places, shown = plane(vectors)
    again, _ = plane(vectors.copy())
    assert np.array_equal(places, again)
    assert shown > 0.98
    near = np.linalg.norm(vectors[0] - vectors[1])
    assert np.linalg.norm(places[0] - places[1]) == pytest.approx(near, rel=0.1)


def test_the_plane_of_one_film_is_its_origin() -> None:
    points, shown = points_of([("a", "A", 1990, "liked")], np.ones((1, 4)))
    assert (points[0].x, points[0].y, shown) == (0.0, 0.0, 0.0)


def test_rare_words_weigh_more() -> None:
    words = Vocabulary(["a priest in a village", "a film in a village", "a village and a dog"])
    assert words.weight("priest") > words.weight("villag")
    shares = words.shares("priest of the village")
    assert shares[0] == pytest.approx(1.0)
    assert 0 < shares[1] < 0.5
    assert words.shares("the of")[0] == 0
    assert stems("Films about boxers fighting") == stems("boxer fights")
