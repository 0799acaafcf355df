from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from lepton_engine.compression.gate import (
    LEAST_N,
    OF_CLASSES,
    Difference,
    also_alike,
    decide,
    judge,
    mcnemar,
    paired_difference,
)
from lepton_engine.compression.verdicts import PASSED, REFUSED
from lepton_engine.errors import InputError
from lepton_engine.training import statistics

BY_HAND = {"weighted F1": statistics.weighted_f1, "macro F1": statistics.macro_f1,
           "accuracy": statistics.accuracy}


def guesses(n: int, labels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, an original that is right in 9 of 10, a variant that differs in 1 of 50."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, n)
    original = np.where(rng.random(n) < 0.9, truth, rng.integers(0, labels, n))
    return truth, original, np.where(rng.random(n) < 0.98, original, rng.integers(0, labels, n))


@pytest.mark.parametrize("metric", OF_CLASSES)
@pytest.mark.parametrize("labels", [3, 77])
def test_values_are_those_of_the_card_s_statistics(metric: str, labels: int) -> None:
    truth, original, variant = guesses(2_000, labels)
    found = paired_difference(original, variant, truth, metric, resamples=10)
    measure = BY_HAND[metric]
    assert found.original == pytest.approx(measure(truth, original, labels))
    assert found.value == pytest.approx(measure(truth, variant, labels))
    assert found.loss_points == pytest.approx(100 * (found.original - found.value))


def test_interval_is_that_of_resampling_rows_in_a_loop() -> None:
    truth, original, variant = guesses(1_500, 3)
    found = paired_difference(original, variant, truth, "weighted F1")
    rng = np.random.default_rng(7)
    losses = []
    for _ in range(1_500):
        rows = rng.integers(0, len(truth), len(truth))
        losses.append(100 * (statistics.weighted_f1(truth[rows], original[rows], 3)
                             - statistics.weighted_f1(truth[rows], variant[rows], 3)))
    low, high = np.percentile(losses, [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.12)
    assert found.high == pytest.approx(high, abs=0.12)
    # paired: two samples of their own would differ several times as much
    assert found.high - found.low < 2.5


def test_the_same_seed_gives_the_same_interval() -> None:
    truth, original, variant = guesses(500, 3)
    first, second = (judge(original, variant, truth, "accuracy", seed=3) for _ in range(2))
    assert first == second
    assert judge(original, variant, truth, "accuracy", seed=4).low != first.low


def test_an_identical_variant_passes_with_loss_0() -> None:
    truth, original, _ = guesses(LEAST_N, 3)
    found = judge(original, original.copy(), truth, "macro F1")
    assert (found.loss_points, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.decision == "passed"


def test_a_permuted_head_is_refused() -> None:
    truth, original, _ = guesses(LEAST_N, 3)
    found = judge(original, (original + 1) % 3, truth, "weighted F1")
    assert found.decision == "refused"
    assert found.loss_points > 50
    assert f"{found.loss_points:.2f} points lost" in found.reason


def test_below_3000_nothing_is_decided_however_bad() -> None:
    truth, original, _ = guesses(LEAST_N - 1, 3)
    found = judge(original, (original + 1) % 3, truth, "weighted F1")
    assert found.decision == "undecidable"
    assert "n = 2,999" in found.reason
    assert "3,000" in found.reason


def test_without_labels_nothing_is_decided() -> None:
    same = np.ones(5_000)
    found = judge(same, same, None, "agreement", held_out=False)
    assert found.decision == "undecidable"
    assert "without labels" in found.reason


@pytest.mark.parametrize(("loss", "high", "decision"), [
    (0.5, 1.49, "passed"), (0.51, 1.0, "refused"), (0.3, 1.5, "refused"), (-2.0, -1.0, "passed"),
])
def test_limits(loss: float, high: float, decision: str) -> None:
    found, reason = decide(Difference(0.9, 0.9 - loss / 100, loss, loss - 0.5, high), "accuracy",
                           9_543)
    assert found == decision
    for number in ("0.9000", f"{high:.2f}", "n = 9,543", f"{abs(loss):.2f} points"):
        assert number in reason


def test_recall_is_a_mean_of_hits() -> None:
    hits, fewer = np.array([1, 1, 0, 1] * 1_000), np.array([1, 0, 0, 1] * 1_000)
    found = judge(hits, fewer, None, "recall@10")
    assert (found.original, found.value) == (0.75, 0.5)
    # a quarter of 4,000 pairs differ: 100 * sqrt(p (1 - p) / n) * 1.96
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.6847, rel=0.1)


@pytest.mark.parametrize(("original", "variant", "truth", "metric"), [
    ([1, 2], [1], [1, 2], "accuracy"), ([], [], [], "accuracy"), ([[1]], [[1]], [[1]], "accuracy"),
    ([1], [1], [1], "recall@10"), ([1], [1], None, "accuracy"), ([1], [1], [1], "beauty"),
])
def test_broken_input_is_a_sentence(original: object, variant: object, truth: object,
                                    metric: str) -> None:
    with pytest.raises(InputError, match=r"metric|same"):
        paired_difference(np.array(original), np.array(variant),
                          None if truth is None else np.array(truth), metric)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 15), (15, 5), (7, 7), (3, 0), (900, 1)])
def test_mcnemar_is_the_exact_binomial(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(InputError, match="below 0"):
        mcnemar(-1, 2)


def test_retrieval_must_also_rank_as_the_original_does() -> None:
    hits = np.ones(LEAST_N)
    passed = judge(hits, hits, None, "recall@10")
    assert also_alike(passed, 0.95).decision == PASSED
    other = also_alike(passed, 0.82)
    assert other.decision == REFUSED
    assert "82.0%" in other.reason
