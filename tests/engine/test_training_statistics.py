"""Temperature, thresholds and scores against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_engine.training import fitting, statistics


def test_the_temperature_of_overconfident_logits_is_above_one() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 3, 2_000)
    guess = np.where(generator.random(2_000) < 0.7, truth, generator.integers(0, 3, 2_000))
    temperature = fitting.fit_temperature(np.eye(3)[guess] * 10, truth)
    expected = 10 / np.log(0.8 * 2 / 0.2)  # 80 % right: softmax(10/T) must give 0.8
    assert temperature == pytest.approx(expected, rel=0.06)


def test_thresholds_keep_what_they_promise() -> None:
    scores = np.linspace(0, 1, 101)
    right = scores >= 0.5
    threshold = fitting.threshold_for_error(scores, right, 0.1)
    taken = scores >= threshold
    assert 1 - right[taken].mean() <= 0.1 < 1 - right[scores >= threshold - 0.05].mean()
    assert (scores >= fitting.threshold_for_coverage(scores, 0.95)).mean() == pytest.approx(
        0.95, abs=0.01)


def test_scores_match_their_definitions() -> None:
    truth, guess = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    assert statistics.accuracy(truth, guess, 3) == pytest.approx(4 / 6)
    assert statistics.f1_per_class(truth, guess, 3) == pytest.approx([0.5, 0.8, 2 / 3])
    assert statistics.macro_f1(truth, guess, 3) == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)
    row = statistics.interval(statistics.accuracy, np.tile(truth, 50), np.tile(guess, 50), 3, 0)
    assert row["low"] < row["value"] < row["high"]
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * (2 / 9 / 300) ** 0.5, rel=0.2)


def test_calibration_error_of_known_probabilities() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    assert statistics.calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0)
    assert statistics.calibration_error(sure, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.4)
