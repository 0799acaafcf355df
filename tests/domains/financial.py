"""Helpers of the tests of financial sentiment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lepton_engine.compression.recipe import Recipe
from lepton_engine.results import Classification, ResultList
from tests.fakes import FakeEngine

CARD = {
    "name": "finance-sentiment", "threshold": 0.5,
    "at_threshold": {"n": 1431, "coverage": 0.95, "error": 0.04},
    "scores": {"n": 1431, "accuracy": {"value": 0.9, "low": 0.88, "high": 0.92}},
}


class UnsureEngine(FakeEngine):
    """The fake engine, whose head refuses the headlines it is told to."""

    def __init__(self, unsure: Iterable[str], **options: Any) -> None:
        super().__init__(**options)
        self.unsure = frozenset(unsure)

    def classify(self, texts: Sequence[str], adapter: str, *,
                 recipe: Recipe | str | None = None) -> ResultList[Classification]:
        found = super().classify(texts, adapter, recipe=recipe)
        items = (replace(c, accepted=text not in self.unsure)
                 for text, c in zip(texts, found, strict=True))
        return ResultList(tuple(items), found.stamp)

    def adapter_card(self, name: str) -> dict[str, Any]:
        return {**super().adapter_card(name), **CARD}
