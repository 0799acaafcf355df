"""Where the customer service answers or asks back: ``python -m benchmarks.customer_service``.

Runs the search of the service (intent as prior, cross-encoder, calibrated score) over
questions that are in no judging set and prints, by language, the curve of
``assets/customer_service.toml`` and the table from which its thresholds were chosen.
English: training queries of Banking77 with the articles of their intent, CLINC150's
questions to a bank with the articles written below; to be refused: CLINC150's other
intents and its out-of-scope examples. Chinese: every second lay wording of the articles,
while the index holds the others; to be refused: those of the medical base. ``--data`` is
the folder that ``lepton_engine train`` reads.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.retrieval_calibration import BANKING, SEED, TALK, chinese_cases
from domains.customer_service.conversation import Conversation
from domains.customer_service.knowledge import Articles
from domains.customer_service.request import read_intent
from domains.customer_service.service import Service
from lepton_engine import Engine

# CLINC150's questions to a bank that one or two articles answer; the head never saw them.
CLINC = {
    "pin_change": ["change-pin"], "report_lost_card": ["lost-or-stolen-card"],
    "card_declined": ["card-payment-declined"], "damaged_card": ["card-not-working"],
    "expiration_date": ["replace-expiring-card"], "routing": ["receive-money"],
    "replacement_card_duration": ["card-delivery", "lost-or-stolen-card"],
    "international_fees": ["payments-abroad", "extra-charge", "transfer-fees"],
    "exchange_rate": ["exchange-currency", "payments-abroad"],
    "direct_deposit": ["receive-money"], "interest_rate": ["savings-pots", "overdraft"],
}
LIMITS = (0.02, 0.05, 0.1, 0.2, 0.25, 0.35, 0.5, 0.8)


@dataclass(frozen=True)
class Case:
    """``articles``: any of them is right; none: the service should not answer."""

    question: str
    language: str
    articles: frozenset[str]


def english(data: Path, size: int, draw: random.Random) -> list[Case]:
    clinc = json.loads((data / "clinc150/train_val.json").read_text(encoding="utf-8"))
    val = [(text, intent) for text, intent in clinc["val"]]
    draw.shuffle(val)
    other = [text for text, intent in val if intent not in BANKING | TALK]
    other = draw.sample(other + [text for text, _ in clinc["oos_val"]], size)
    bank = [Case(text, "en", frozenset(CLINC[intent])) for text, intent in val if intent in CLINC]
    with (data / "banking77/train.csv").open(encoding="utf-8", newline="") as file:
        queries = draw.sample(list(csv.DictReader(file)), size)
    intents = Articles.load().by_intent
    return [*(Case(q["text"], "en", frozenset(intents[q["category"]])) for q in queries
              if q["category"] in intents),
            *bank[:size], *(Case(text, "en", frozenset()) for text in other)]


def chinese(draw: random.Random) -> tuple[list[Case], Articles]:
    """Cases, and articles that kept only the wordings that are not asked."""
    cases, _ = chinese_cases(draw)
    articles = Articles.load()
    halved = {language: {id: replace(a, wordings=a.wordings[::2]) for id, a in some.items()}
              for language, some in articles.by_language.items()}
    return ([Case(text, "zh", documents) for text, documents in cases["customer_service"]],
            replace(articles, by_language=halved))


def scored(service: Service, engine: Engine, cases: Sequence[Case]) -> np.ndarray:
    """A row a case: score of the best article, whether it is right, whether any is."""
    rows = []
    for case in cases:
        request = service.request(case.question, case.language, Conversation())
        request.intent = read_intent(engine, request)
        best = service.search(request)[1][0]
        rows.append((best.score, best.passage.document in case.articles, bool(case.articles)))
    return np.array(rows, dtype=np.float64)


def report(language: str, rows: np.ndarray) -> None:
    """Print the curve (logistic on the score's logit) and what thresholds would do."""
    from sklearn.linear_model import LogisticRegression

    bounded = np.clip(rows[:, 0], 1e-6, 1 - 1e-6)
    logit = np.log(bounded / (1 - bounded))[:, None]
    model = LogisticRegression(C=100).fit(logit, rows[:, 1])
    known, unknown = rows[rows[:, 2] == 1], rows[rows[:, 2] == 0]
    print(f"[retrieval.{language}]\nslope = {model.coef_[0][0]:.2f}\n"
          f"intercept = {model.intercept_[0]:.2f}")
    print(f"# {len(known)} answerable, right article first {known[:, 1].mean():.1%}; "
          f"{len(unknown)} others")
    for limit in LIMITS:
        over = known[known[:, 0] >= limit]
        print(f"# score >= {limit}: {len(over) / len(known):.1%} of the answerable, "
              f"{over[:, 1].mean():.1%} of them right; {(unknown[:, 0] >= limit).mean():.1%} "
              "of the others")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=120, help="questions a source")
    wish = parser.parse_args()
    draw = random.Random(SEED)
    with Engine() as engine:
        report("en", scored(Service(engine), engine, english(wish.data, wish.size, draw)))
        cases, articles = chinese(draw)
        report("zh", scored(Service(engine, articles=articles), engine, cases))


if __name__ == "__main__":
    main()
