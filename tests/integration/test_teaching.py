"""Teaching on the real sentence encoders. Times are printed, not asserted."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from lepton_engine import Engine

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize(("file", "trunk", "text", "label"), [
    ("teach.csv", "minilm-l6", "My package never came", "delivery"),
    ("teach_zh.csv", "use-multilingual", "钱被扣了两次", "付款"),
])
def test_sixty_texts_are_enough_to_tell_four_labels(
        engine: Engine, file: str, trunk: str, text: str, label: str) -> None:
    with (SAMPLES / file).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    started = time.perf_counter()
    fitted = engine.fit("shop", [r["text"] for r in rows], [r["label"] for r in rows])
    print(f"\n{len(rows)} rows on {trunk}: {time.perf_counter() - started:.1f} s, bound 60 s")
    assert fitted.head.trunk == trunk
    assert fitted.scores["accuracy"]["value"] > 0.8
    assert fitted.better_than_commonest
    assert engine.classify([text], "shop")[0].label == label
    again = engine.open_fitted(fitted.to_bytes())
    assert again.classify([text])[0].label == label
