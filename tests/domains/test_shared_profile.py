"""The profile's line: what runs, at which measured price, and what does not run as meant."""

from __future__ import annotations

import pytest

from domains.shared.profile import profile_html, running
from lepton_engine.profiles import PROFILES
from tests.engine.verdict_rows import verdict
from tests.fakes import FakeEngine

GATE = (verdict("finance-sentiment", "int8"),
        verdict("finance-sentiment", "int4", latency_ms=1.5, loss_points=2.14,
                decision="refused"),
        verdict("reranker", "int8", loss_points=-0.3, metric="order agreement"))
NAMES = ("minilm-l6", "finance-sentiment", "reranker", "minilm-l6")


def line(profile: str, lang: str = "en", engine: FakeEngine | None = None,
         notes: tuple[str, ...] = ()) -> str:
    rows = running(engine or FakeEngine(gate=GATE), NAMES, profile)
    return profile_html(profile, rows, notes, lang)


def test_fast_says_its_measured_price() -> None:
    said = line("fast")
    assert "measured 2026-11-23: " in said
    assert ">finance-sentiment int4 −2.14 points (n = 9,543)</span>" in said
    assert ('title="−2.14 points of weighted F1, 4.00 times as fast; n = 9,543; 2026-11-23, '
            '2 cores"') in said
    assert ">reranker int8 +0.300 points (n = 9,543)</span>" in said
    assert "minilm-l6" not in said


def test_balanced_names_what_passed_and_original_names_nothing() -> None:
    said = line("balanced")
    assert "Compressed: <span" in said
    assert ">finance-sentiment int8 (passed the gate)</span> · <span" in said
    assert "points (" not in said
    assert "int" not in line("original").replace("lp-profile-note", "")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_without_verdicts_nothing_is_claimed(profile: str, lang: str) -> None:
    said = line(profile, lang, FakeEngine())
    assert ("published" if lang == "en" else "原样") in said
    assert "{" not in said


def test_what_does_not_run_as_meant_is_said_and_escaped() -> None:
    said = line("balanced", notes=("int8 of <b> could not be made, so the original serves.",))
    assert "int8 of &lt;b&gt; could not be made, so the original serves." in said


def test_an_unmeasured_variant_is_called_that() -> None:
    class Decoders(FakeEngine):
        def recipe_for(self, name: str, profile: str | None = None):  # type: ignore[no-untyped-def]
            return "int8"

    assert "minilm-l6 int8 (not measured yet)" in line("balanced", engine=Decoders())
