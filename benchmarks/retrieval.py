"""How well retrieval finds the right article: ``python -m benchmarks.retrieval``.

Judged on the committed question sets of ``tests/data``, which were written by someone who
had not read the texts; an article counts as right when it is the expected one or one of
its ``also``. Prints, for each base and language: right article first and mean reciprocal
rank among the five passages of a search; the scores of the best hit for questions that
the base answers and for those that it does not; and the two-turn cases.
The services add thresholds and refusals of their own to these scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domains.customer_service.knowledge import Articles
from domains.medical_qa.knowledge import shipped
from lepton_engine import Engine
from lepton_engine.language import detect
from lepton_engine.retrieval import KnowledgeBase, Passage

DATA = Path(__file__).parents[1] / "tests" / "data"
BASES: dict[str, tuple[str, Callable[[], list[Passage]]]] = {
    "customer_service": ("customer_service", lambda: Articles.load().passages()),
    "medical": ("medical_qa", lambda: shipped().passages()),
}


def read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((DATA / name).read_text(encoding="utf-8"))
    return rows


def reciprocal_rank(documents: Sequence[str], right: set[str]) -> float:
    """1 for the first document, 1/2 for the second; 0 when it is not among them."""
    distinct = list(dict.fromkeys(documents))
    return next((1 / i for i, d in enumerate(distinct, 1) if d in right), 0.0)


def measure(base: KnowledgeBase, name: str, language: str) -> tuple[int, int]:
    """Print one set; returns (right first, questions)."""
    asked = [q for q in read(f"questions_{name}.json") if q["language"] == language]
    ranks, scores = [], []
    for row in asked:
        hits = base.search(row["question"], language=language).hits
        ranks.append(reciprocal_rank([h.passage.document for h in hits],
                                     {row["expected"], *row.get("also", [])}))
        scores.append(hits[0].score)
        if ranks[-1] < 1:
            print(f"    {row['expected']} expected, {hits[0].passage.document} found")
    rejected = [base.search(row["question"], language=language).hits[0].score
                for row in read(f"unanswerable_{name}.json") if row["language"] == language]
    first = sum(r == 1 for r in ranks)
    print(f"  {name} {language}: right article first {first} of {len(ranks)} "
          f"({first / len(ranks):.1%}), mean reciprocal rank {np.mean(ranks):.3f}")
    for label, values in (("answerable", scores), ("not answerable", rejected)):
        low, mid, high = np.quantile(values, [0.1, 0.5, 0.9])
        print(f"    best score, {label}: 10 % {low:.3f}, median {mid:.3f}, 90 % {high:.3f}")
    return first, len(ranks)


def two_turns(base: KnowledgeBase, domain: str) -> tuple[int, int]:
    """Print the two-turn cases of a domain; returns (right first, cases)."""
    cases = [c for c in read("two_turn_cases.json") if c["domain"] == domain]
    right = 0
    for case in cases:
        language = "zh" if detect(case["second"]) == "zh" else "en"
        hits = base.search(case["second"], history=[case["first"]], language=language).hits
        good = hits[0].passage.document == case["expected"]
        right += good
        if not good:
            print(f"    two turns: {case['expected']} expected, {hits[0].passage.document} found")
    print(f"  {domain}: {right} of {len(cases)} two-turn cases")
    return right, len(cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", choices=list(BASES), help="only this one")
    wish = parser.parse_args()
    total = [0, 0]
    with Engine() as engine:
        for name in [wish.base] if wish.base else list(BASES):
            domain, passages = BASES[name]
            base = KnowledgeBase(engine, passages())
            for language in ("en", "zh"):
                first, asked = measure(base, name, language)
                total[0] += first
                total[1] += asked
            two_turns(base, domain)
    print(f"right article first {total[0]} of {total[1]} ({total[0] / total[1]:.1%})")


if __name__ == "__main__":
    main()
