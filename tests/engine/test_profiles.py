"""Profiles: which recipe runs, and that the choice reaches only the work that made it."""

from __future__ import annotations

import threading

import pytest

from lepton_engine import profiles
from lepton_engine.compression.recipe import Recipe
from lepton_engine.errors import UnknownNameError
from tests.engine.verdict_rows import verdict

ROWS = [
    verdict(recipe="int8", latency_ms=3.0),
    verdict(recipe="int8-weights", latency_ms=4.0),
    verdict(recipe="prune-neurons:0.5+int8", latency_ms=2.0, loss_points=1.3, decision="refused"),
    verdict(recipe="prune-layers:0.9", latency_ms=0.5, loss_points=40.0, decision="refused"),
    verdict(recipe="int4", latency_ms=1.0, loss_points=float("nan"), decision="undecidable"),
]


@pytest.mark.parametrize(("profile", "recipe"), [
    ("original", "original"), ("balanced", "int8"), ("fast", "prune-neurons:0.5+int8")])
def test_a_profile_takes_the_fastest_that_it_may(profile: str, recipe: str) -> None:
    assert str(profiles.recipe_for("minilm-l6", profile, ROWS)) == recipe


def test_the_original_stays_where_nothing_passed_or_nothing_is_faster() -> None:
    refused = [verdict(recipe="int4", decision="refused")]
    slow = [verdict(recipe="int8", latency_ms=7.0, texts_per_second=290.0)]
    assert str(profiles.recipe_for("minilm-l6", "balanced", refused)) == "original"
    assert str(profiles.recipe_for("minilm-l6", "fast", refused)) == "int4"
    for profile in profiles.PROFILES:
        assert str(profiles.recipe_for("minilm-l6", profile, slow)) == "original"


def test_what_timing_cannot_tell_apart_is_decided_by_the_loss() -> None:
    near = [verdict(recipe="prune-layers:0.17+int8", latency_ms=2.0, loss_points=3.1,
                    decision="refused"),
            verdict(recipe="prune-layers:0.17+distil:8+int8", latency_ms=2.05, loss_points=0.9,
                    decision="refused")]
    assert str(profiles.recipe_for("minilm-l6", "fast", near)) == "prune-layers:0.17+distil:8+int8"


def test_a_gain_of_four_percent_is_none() -> None:
    barely = [verdict(latency_ms=6.0 / 1.04, texts_per_second=312.0)]
    assert str(profiles.recipe_for("minilm-l6", "balanced", barely)) == "original"
    many = [verdict(latency_ms=6.0 / 1.04, texts_per_second=600.0)]
    assert str(profiles.recipe_for("minilm-l6", "balanced", many)) == "int8"


def test_a_refused_decoder_is_not_fast() -> None:
    rows = [verdict("qwen-0.5b", "int4", decision="refused", detail={"unit": "token"})]
    assert str(profiles.recipe_for("qwen-0.5b", "fast", rows)) == "original"


def test_another_names_verdicts_do_not_count_and_the_unmeasured_is_told() -> None:
    int8 = Recipe.parse("int8")
    assert str(profiles.recipe_for("reranker", "fast", ROWS)) == "original"
    assert profiles.recipe_for("qwen-0.5b", "balanced", ROWS, int8) == int8
    assert str(profiles.recipe_for("qwen-0.5b", "original", ROWS, int8)) == "original"


def test_a_profile_holds_for_its_own_work_only() -> None:
    seen = []
    assert profiles.current() == profiles.DEFAULT == "balanced"
    with profiles.using("fast"):
        thread = threading.Thread(target=lambda: seen.append(profiles.current()))
        thread.start()
        thread.join()
        assert profiles.current() == "fast"
    assert seen == ["balanced"]
    assert profiles.current() == "balanced"


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"no profile called “faster”\. Did you mean fast"), \
            profiles.using("faster"):
        pass
