"""Fits the weights of the retrieval's score: ``python -m benchmarks.retrieval_calibration``.

The questions are in neither judging set. English: training queries of Banking77 with the
articles of their intent (``intents.toml``), questions of MedQuAD about conditions of the
base; to be rejected: CLINC150 (out of scope, and intents that no bank has) and MedQuAD
about other conditions. Chinese: every second lay wording and other name of the bases,
while the index holds the others; to be rejected: those of the other base. Another
language over English passages: the same Chinese wordings, searched in English.

``--data`` is the folder that ``lepton_engine train`` reads too; nothing of it is kept.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from domains.customer_service.knowledge import FOLDER, Articles
from domains.medical_qa.knowledge import shipped
from lepton_engine import Engine
from lepton_engine.retrieval_index import Passage, PassageIndex
from lepton_engine.retrieval_search import Search
from lepton_engine.text import word_set

SEED = 20261123
BANKING = word_set(
    "account_blocked apr balance bill_balance bill_due card_declined credit_limit damaged_card "
    "credit_limit_change credit_score direct_deposit exchange_rate expiration_date income "
    "freeze_account improve_credit_score interest_rate international_fees min_payment new_card "
    "order_checks pay_bill pin_change replacement_card_duration report_fraud report_lost_card "
    "rewards_balance redeem_rewards routing spending_history transactions transfer")
TALK = word_set("yes no maybe cancel repeat greeting goodbye thank_you")

Case = tuple[str, frozenset[str]]  # a question and the documents that it is about


def english_cases(data: Path, size: int, draw: random.Random) -> dict[str, list[Case]]:
    """``size`` answerable questions a base, and about half as many that are not."""
    clinc = json.loads((data / "clinc150/train_val.json").read_text(encoding="utf-8"))
    other = [text for text, intent in clinc["val"] if intent not in BANKING | TALK]
    other += [text for text, _ in clinc["oos_val"]]
    with (data / "banking77/train.csv").open(encoding="utf-8", newline="") as file:
        queries = list(csv.DictReader(file))
    intents = tomllib.loads((FOLDER / "intents.toml").read_text(encoding="utf-8"))
    draw.shuffle(other)
    draw.shuffle(queries)
    known, unknown = _medquad(data, draw)
    half = size // 2
    return {
        "customer_service": [(q["text"], frozenset(intents[q["category"]]))
                             for q in queries[:size]]
        + [(text, frozenset()) for text in other[:half]],
        "medical": known[:size * 2 // 3] + [(text, frozenset()) for text in unknown[:half]]
        + [(text, frozenset()) for text in other[half:half + size // 6]],
    }


def _medquad(data: Path, draw: random.Random) -> tuple[list[Case], list[str]]:
    names = {name.lower(): condition.id for condition in shipped().of("en").values()
             for name in (condition.name, condition.id.replace("-", " "), *condition.aliases)}
    with gzip.open(data / "medquad/medquad.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    draw.shuffle(rows)
    known: dict[str, list[Case]] = {}
    unknown = []
    for row in rows:
        focus = (row["focus"] or "").lower()
        if focus in names:
            known.setdefault(names[focus], []).append(
                (row["question"], frozenset([names[focus]])))
        elif focus and not any(name in focus or focus in name for name in names):
            unknown.append(row["question"])
    cases = [case for some in known.values() for case in some[:5]]
    draw.shuffle(cases)
    return cases, unknown


def chinese_cases(draw: random.Random) -> tuple[dict[str, list[Case]], dict[str, list[Passage]]]:
    """Cases, and the passages with the wordings that are left for the index."""
    articles = Articles.load()
    bank = {a.id: a.wordings for a in articles.by_language["zh"].values()}
    medical = {c.id: tuple(c.aliases) for c in shipped().of("zh").values()}
    cases: dict[str, list[Case]] = {}
    for base, wordings, foreign in (("customer_service", bank, medical),
                                    ("medical", medical, bank)):
        own = [(text, frozenset([id])) for id, some in wordings.items() for text in some[1::2]]
        rest = [(text, frozenset[str]()) for some in foreign.values() for text in some[1::2]]
        draw.shuffle(own)
        draw.shuffle(rest)
        cases[base] = own[:120] + rest[:80]
    return cases, {
        "customer_service": [
            replace(a, wordings=a.wordings[::2]).passage()
            for a in articles.by_language["zh"].values()],
        "medical": [replace(p, keywords=", ".join(p.keywords.split(", ")[::2]))
                    for p in shipped().passages() if p.language == "zh"],
    }


def table(engine: Engine, passages: Sequence[Passage], cases: Sequence[Case],
          language: str) -> np.ndarray:
    """A row a candidate: case, similarity, lexical, reranker, whether it is right."""
    index = PassageIndex(engine, passages)
    rows = []
    for number, (question, documents) in enumerate(cases):
        signs, _ = Search(engine, index, language, {}, k=5).signs(question)
        rows += [(number, s.similarity, s.lexical, s.reranker,
                  index.passages[p].document in documents) for p, s in signs.items()]
    return np.array(rows, dtype=np.float64)


def fit(tables: dict[str, np.ndarray], answerable: dict[str, set[int]], name: str) -> None:
    """Logistic regression with the same weight for each base; prints weights and quality."""
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate(list(tables.values()))
    weights = np.concatenate([np.full(len(t), 1000 / len(t)) for t in tables.values()])
    used = [column for column in (1, 2, 3) if np.ptp(rows[:, column]) > 0]
    model = LogisticRegression(C=100).fit(rows[:, used], rows[:, 4], sample_weight=weights)
    shown = dict(zip(("similarity", "lexical", "reranker"), [0.0] * 3, strict=True))
    for column, weight in zip(used, model.coef_[0], strict=True):
        shown[("similarity", "lexical", "reranker")[column - 1]] = round(float(weight), 2)
    print(f"{name} = Calibration(offset={model.intercept_[0]:.2f}, "
          + ", ".join(f"{key}={value}" for key, value in shown.items()) + ")")
    for base, own in tables.items():
        scores = model.predict_proba(own[:, used])[:, 1]
        _report(base, own, scores, answerable[base])


def _report(base: str, rows: np.ndarray, scores: np.ndarray, answerable: set[int]) -> None:
    best = {int(case): int(np.argmax(np.where(rows[:, 0] == case, scores, -1)))
            for case in np.unique(rows[:, 0])}
    known = [row for case, row in best.items() if case in answerable]
    unknown = [row for case, row in best.items() if case not in answerable]
    first = np.mean([rows[row, 4] for row in known])
    print(f"  {base}: {len(known)} answerable, right article first {first:.1%}; "
          f"{len(unknown)} not answerable")
    for limit in (0.1, 0.2, 0.3, 0.5):
        print(f"    score >= {limit}: {np.mean(scores[known] >= limit):.1%} of the answerable, "
              f"{np.mean(scores[unknown] >= limit):.1%} of the others")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=150, help="answerable questions a base")
    wish = parser.parse_args()
    draw = random.Random(SEED)
    english = english_cases(wish.data, wish.size, draw)
    chinese, left = chinese_cases(draw)
    full = {"customer_service": [p for p in Articles.load().passages() if p.language == "en"],
            "medical": [p for p in shipped().passages() if p.language == "en"]}
    with Engine() as engine:
        for name, cases, passages, language in (("OTHER", chinese, left, "zh"),
                                                ("ACROSS", chinese, full, "zh"),
                                                ("ENGLISH", english, full, "en")):
            tables = {base: table(engine, passages[base], cases[base], language)
                      for base in full}
            known = {base: {n for n, (_, docs) in enumerate(cases[base]) if docs}
                     for base in full}
            fit(tables, known, name)


if __name__ == "__main__":
    main()
