"""Every shipped adapter, one row each."""

from __future__ import annotations

from lepton_engine.training import recipes_bank, recipes_emotion, recipes_finance
from lepton_engine.training.making import TRUNK, Row, Source, Trained

HEADS: dict[str, Row] = {
    "finance-sentiment": recipes_finance.ROW,
    "bank-intent": recipes_bank.ROW,
    "emotion": recipes_emotion.ENGLISH,
    "emotion-zh": recipes_emotion.CHINESE,
}

__all__ = ["HEADS", "TRUNK", "Row", "Source", "Trained"]
