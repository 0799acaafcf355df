"""Trains the head of ``domains/medical_qa/likeness.py``: ``python -m benchmarks.red_flag_head``.

Needs the multilingual encoder, scikit-learn, and MedQuAD in ``../shared/data`` (its
questions are examples of general questions). Writes ``assets/red_flag_head.json``: three
classes (no emergency, urgent, self_harm), a threshold from cross-validation, and a card with
what was measured on the held-out phrases, which neither rules nor head had seen.
"""

from __future__ import annotations

import datetime
import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from domains.medical_qa.likeness import HEAD_FILE, read
from domains.medical_qa.red_flags import rules
from lepton_engine import Engine

HERE = Path(__file__).resolve().parent
MEDQUAD = HERE.parents[1] / "shared" / "data" / "medquad" / "medquad.jsonl.gz"
MODEL, SEED, STRENGTH, GENERAL = "use-multilingual", 20261123, 20.0, 300
CLASSES = ("none", "urgent", "self_harm")
PROBE = "My father has a pain in his chest. 我父亲胸口痛。"
FALSE_ALARMS = 0.03  # at most, in cross-validation, where the threshold is set


def training_texts() -> tuple[list[str], np.ndarray]:
    """Texts and classes: the author's phrases, questions of the development set, and
    general questions of MedQuAD."""
    phrases = json.loads((HERE / "red_flag_phrases.json").read_text(encoding="utf-8"))
    dev = json.loads((HERE / "medical_dev.json").read_text(encoding="utf-8"))
    with gzip.open(MEDQUAD, "rt", encoding="utf-8") as file:
        general = sorted({json.loads(line)["question"] for line in file})
    calm = [*phrases["harmless"], *(row["question"] for row in dev),
            *random.Random(SEED).sample(general, GENERAL)]
    texts = [*phrases["emergency"], *calm]
    labels = [_class_of(text) for text in phrases["emergency"]] + [0] * len(calm)
    return texts, np.array(labels)


def _class_of(phrase: str) -> int:
    return 2 if any(f.category == "self_harm" for f in rules().find(phrase)) else 1


def fit(vectors: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    model = LogisticRegression(C=STRENGTH, max_iter=5000, class_weight="balanced",
                               random_state=SEED)
    return model.fit(vectors, labels)


def threshold_of(vectors: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, float]]:
    """The lowest threshold with few enough false alarms over five folds."""
    chances = np.zeros(len(labels))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=SEED).split(vectors, labels):
        chances[test] = 1 - fit(vectors[train], labels[train]).predict_proba(vectors[test])[:, 0]
    calm, urgent = chances[labels == 0], chances[labels > 0]
    chosen = next(t / 100 for t in range(50, 100) if (calm >= t / 100).mean() <= FALSE_ALARMS)
    return chosen, {"recall": float((urgent >= chosen).mean()),
                    "false alarms": float((calm >= chosen).mean())}


def measured(engine: Any, yes: Sequence[str], no: Sequence[str]) -> dict[str, Any]:
    """Rules alone, and rules with the head where the rules leave room for it."""
    head, found = read(), rules()

    def both(text: str) -> bool:
        if found.find(text):
            return True
        return not found.took_out(text) and head.look(engine, text) is not None

    return {
        "emergencies": len(yes), "harmless": len(no),
        "rules flag": sum(bool(found.find(t)) for t in yes),
        "rules false alarms": sum(bool(found.find(t)) for t in no),
        "with the head": sum(both(t) for t in yes),
        "with the head false alarms": sum(both(t) for t in no),
    }


def main() -> None:
    phrases = json.loads((HERE / "red_flag_phrases.json").read_text(encoding="utf-8"))
    texts, labels = training_texts()
    with Engine() as engine:
        vectors = engine.embed(texts, MODEL).vectors
        probe = engine.embed([PROBE, "?"], MODEL).vectors[0]
        threshold, folds = threshold_of(vectors, labels)
        model = fit(vectors, labels)
        row: dict[str, Any] = {
            "model": MODEL, "classes": CLASSES, "threshold": threshold, "probe": PROBE,
            "probe_vector": np.round(probe, 4).tolist(), "card": {},
            "bias": np.round(model.intercept_, 4).tolist(),
            "weights": np.round(model.coef_, 4).tolist(),
        }
        write(row)
        row["card"] = {
            "trained_at": datetime.date.today().isoformat(), "seed": SEED,
            "data": f"{int((labels > 0).sum())} emergencies and {int((labels == 0).sum())} "
                    "other texts: benchmarks/red_flag_phrases.json, benchmarks/medical_dev.json "
                    f"(own writing) and {GENERAL} questions of MedQuAD",
            "licence": "MedQuAD: CC BY 4.0",
            "citation": "Ben Abacha and Demner-Fushman 2019, A Question-Entailment Approach to "
                        "Question Answering",
            "five folds": folds,
            "note": "At the first measurement the rules flagged 48 of the held-out phrases, with "
                    "the head 55; then two mistakes of the rules were mended (blood sugar and a "
                    "farewell note were taken for harmless).",
            "held out": measured(engine, phrases["held_out_emergency"],
                                 phrases["held_out_harmless"]),
        }
        write(row)
    print(json.dumps(row["card"], indent=1, ensure_ascii=False))


def write(row: dict[str, Any]) -> None:
    HEAD_FILE.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
