"""The training sets as they lie in a folder of the user's, and how they are split.

None of this data is part of the project; what is trained from it is.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lepton_engine.errors import InputError
from lepton_engine.text import clean

# CLINC150 has banking intents of its own that Banking77 knows too: no negatives for it.
BANKING_OVERLAP = frozenset((
    "account_blocked", "balance", "bill_balance", "bill_due", "card_declined", "credit_limit",
    "credit_limit_change", "damaged_card", "direct_deposit", "exchange_rate",
    "expiration_date", "freeze_account", "international_fees", "interest_rate",
    "new_card", "pay_bill", "pin_change", "replacement_card_duration", "report_fraud",
    "report_lost_card", "spending_history", "transactions", "transfer", "min_payment",
    "application_status", "international_visa", "travel_notification", "order",
))
# Never trained on: near in topic, no intent of Banking77; refusal on them is told apart.
NEAR_SCOPE = ("credit_score", "apr", "routing", "order_checks", "rewards_balance",
              "improve_credit_score", "redeem_rewards", "taxes", "w2", "rollover_401k")


@dataclass(frozen=True)
class Labelled:
    """Texts with their labels, in the file's order."""

    texts: list[str]
    labels: list[str]


def _open(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise InputError(f"The training data {name} is not in the folder given by --data.")
    return path


def _csv(path: Path, columns: tuple[str, str], rename: Callable[[str], str]) -> Labelled:
    texts, labels = [], []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            texts.append(clean(row[columns[0]]))
            labels.append(rename(row[columns[1]]))
    return Labelled(texts, labels)


def financial_news(folder: Path) -> Labelled:
    """Twitter Financial News Sentiment: negative (bearish), neutral, positive (bullish)."""
    names = {"0": "negative", "1": "positive", "2": "neutral"}
    return _csv(_open(folder, "tfns/train.csv"), ("text", "label"), names.__getitem__)


def banking(folder: Path) -> Labelled:
    """Banking77: queries of a bank's customers with one of 77 intents."""
    return _csv(_open(folder, "banking77/train.csv"), ("text", "category"), str)


def out_of_scope(folder: Path) -> dict[str, list[str]]:
    """CLINC150 as negatives of a bank's intents, by part.

    ``train`` and ``val`` are its out-of-scope queries with the other domains' intents;
    ``oos_val`` is the validation part's out-of-scope queries alone, ``near`` the intents
    that are near a bank's and in neither.
    """
    data = json.loads(_open(folder, "clinc150/train_val.json").read_text(encoding="utf-8"))

    def far(rows: Iterable[list[str]]) -> list[str]:
        return [clean(t) for t, i in rows if i not in BANKING_OVERLAP and i not in NEAR_SCOPE]

    near = [clean(t) for t, i in [*data["train"], *data["val"]] if i in NEAR_SCOPE]
    return {"train": far([*data["oos_train"], *data["train"]]),
            "val": far(data["val"]), "oos_val": [clean(t) for t, _ in data["oos_val"]],
            "near": near}


_ADDRESS = re.compile(r"https?://\S+|www\.\S+")
_NOT_LETTER = re.compile(r"[^a-z ]+")


def template(text: str) -> str:
    """A text without addresses, tickers, numbers and marks: near-duplicates share it."""
    text = re.sub(r"\$\w+", " ", _ADDRESS.sub(" ", text.lower()))
    return " ".join(_NOT_LETTER.sub(" ", text).split())


def near_duplicates(texts: list[str], vectors: np.ndarray, least: float = 0.93) -> np.ndarray:
    """A group number for each text; texts of one template or alike vectors share it.

    ``vectors`` (n, dimension) of length 1. Union-find over all pairs with a cosine of at
    least ``least``, in blocks.
    """
    parent = np.arange(len(texts))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    first: dict[str, int] = {}
    for i, text in enumerate(texts):
        parent[root(i)] = root(first.setdefault(template(text), i))
    for start in range(0, len(texts), 1_024):
        block = vectors[start:start + 1_024] @ vectors.T
        for i, j in zip(*np.nonzero(block >= least), strict=True):
            if start + i < j:
                parent[root(int(j))] = root(start + int(i))
    return np.array([root(i) for i in range(len(texts))])


@dataclass(frozen=True)
class Split:
    """Row numbers: fit on ``train``, calibrate on ``calibration``, report on ``held_out``."""

    train: np.ndarray
    calibration: np.ndarray
    held_out: np.ndarray


def split_by_group(truth: np.ndarray, groups: np.ndarray, seed: int) -> Split:
    """80 / 5 / 15 by label, with every group on one side only.

    The cut into 20 parts is always the same and the seed only turns it, so that the seeds
    0 to 5 hold out rows that no other of them does.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(n_splits=20, shuffle=True, random_state=0)
    parts = [test for _, test in folds.split(truth, truth, groups)]
    turn = 3 * seed % len(parts)
    parts = parts[turn:] + parts[:turn]
    return Split(np.sort(np.concatenate(parts[4:])), np.sort(parts[3]),
                 np.sort(np.concatenate(parts[:3])))
