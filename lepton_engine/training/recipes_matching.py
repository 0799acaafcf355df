"""``question-matching``: an update of the trunk alone, without a head, for lay wording.

It is trained on MedQuAD without its held-out conditions and on Banking77 without its held-out
part, and kept below ``LEPTON_HOME``: whether it is served is for ``benchmarks/matching.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from lepton_engine.adapted import CARD, save_update
from lepton_engine.training import data, matching, matching_pairs
from lepton_engine.training.cards import PACKAGES
from lepton_engine.training.making import BANKING77, OWN, TRUNK, Source, Trunk
from lepton_engine.training.matching_pairs import Pair

NAME = "question-matching"
MEDQUAD = Source("MedQuAD, the pairs that come with an answer", "CC BY 4.0",
                 "Ben Abacha and Demner-Fushman 2019, A Question-Entailment Approach to Question "
                 "Answering")
MEDICAL_PAIRS, BANK_PAIRS = 3_000, 960
#: The share of the trained update that is merged (Wortsman et al. 2022, Robust fine-tuning of
#: zero-shot models), chosen on the conditions for choices.
SHARE = 1.0
SCHEDULE = matching.Schedule()


def run(arguments: argparse.Namespace) -> int:
    """``python -m lepton_engine train question-matching --data DIR``."""
    from lepton_engine.settings import Settings
    from lepton_engine.training.trunk import OpenTrunk

    seed, started = arguments.seeds[0], time.monotonic()
    folder = Settings.from_env().home / "folds" / str(seed) / NAME
    with OpenTrunk(TRUNK, NAME) as trunk:
        updates = make(arguments.data, trunk, seed)
    write(updates, folder, seed, (time.monotonic() - started) / 3600)
    print(f"\nwritten: {folder}\nMeasure it: python -m benchmarks.matching --data DIR "
          f"--adapter {folder}")
    return 0


def pairs(folder: Path, trunk: Trunk, seed: int) -> list[list[Pair]]:
    """Of MedQuAD and of Banking77; nothing held out and nothing that choices are made on."""
    answers = [answer for answer in matching_pairs.read_answers(folder)
               if not matching_pairs.is_held_out(answer.focus)
               and not matching_pairs.is_for_choices(answer.focus)]
    bank = data.banking(folder)
    train = matching_pairs.bank_split(bank, trunk).train
    seen = data.Labelled([bank.texts[i] for i in train], [bank.labels[i] for i in train])
    return [matching_pairs.medical_pairs(answers, MEDICAL_PAIRS, seed),
            matching_pairs.bank_pairs(seen, BANK_PAIRS, seed)]


def make(folder: Path, trunk: Trunk, seed: int) -> dict[str, np.ndarray]:
    """The trained update."""
    schedule = matching.Schedule(**{**vars(SCHEDULE), "seed": seed})
    return matching.match(trunk.folder, pairs(folder, trunk, seed), trunk, schedule, trunk.tell)


def write(updates: Mapping[str, np.ndarray], folder: Path, seed: int, hours: float) -> None:
    """The update with its card; there is no head."""
    card: dict[str, Any] = {
        "name": NAME, "trunk": TRUNK, "task": "Vectors of questions in lay words that lie near "
        "the passages that answer them", "languages": ["en"],
        "method": "low-rank update of the trunk, trained with in-batch negatives",
        "licence": "Apache-2.0 (weights of the adapter); the data's licences are named below",
        "data": [vars(source) for source in (MEDQUAD, BANKING77, OWN)],
        "command": f"python -m lepton_engine train {NAME} --data DIR --seeds {seed}",
        "trained_at": datetime.now(UTC).date().isoformat(), "hours": round(hours, 3),
        "seed": seed, "split": {"by": "condition (MedQuAD), near-duplicate group (Banking77)"},
        "versions": {package: version(package) for package in PACKAGES},
        "lora": save_update(updates, SHARE * SCHEDULE.shape.scaling, folder),
    }
    (folder / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n",
                               encoding="utf-8")
