"""Every shipped adapter, one row each."""

from __future__ import annotations

from lepton_engine.training import recipes_bank, recipes_finance
from lepton_engine.training.making import TRUNK, Row, Source, Trained

HEADS: dict[str, Row] = {
    "finance-sentiment": recipes_finance.ROW,
    "bank-intent": recipes_bank.ROW,
}

__all__ = ["HEADS", "TRUNK", "Row", "Source", "Trained"]
