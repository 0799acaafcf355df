"""Fits the limits of the medical tab and reports what they do: ``python -m benchmarks.medical``.

Questions: ``benchmarks/medical_dev.json``, written by the author of the limits for this
purpose (so its numbers flatter); the judging sets are ``tests/data/*_medical.json`` and
are measured by ``tests/integration/test_medical_qa.py``. With ``--raw FILE`` the searches
are kept, so that limits can be tried again without the models.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domains.medical_qa import refusals
from domains.medical_qa.asking import Reader
from domains.medical_qa.knowledge import shipped
from domains.medical_qa.ranking import Limits, log_odds
from domains.medical_qa.rules import rules

DEV = Path(__file__).with_name("medical_dev.json")
PASSAGES = 8
VAGUE = 1.5  # set by hand on single symptoms ("headache"): the questions here say more
PULL = 1.0  # a ridge on the slope: where all is told apart it would grow without end


@dataclass(frozen=True)
class Row:
    """One question with the best passage score of each condition found for it."""

    question: str
    language: str
    expected: str | None
    named: tuple[str, ...]
    refused: bool
    topic: bool
    scores: dict[str, float]

    def ranked(self, limits: Limits) -> list[tuple[float, str]]:
        return sorted(((log_odds(s) + limits.named * (c in self.named), c)
                       for c, s in self.scores.items()), reverse=True)


def searched(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Every question through the rules and the retrieval, on real models."""
    from lepton_engine import Engine
    from lepton_engine.retrieval import KnowledgeBase

    base, table = shipped(), rules()
    topics = {code: refusals.Topics(base.of(code), table, code) for code in ("en", "zh")}
    readers = {code: Reader(base.of(code), table, code) for code in ("en", "zh")}
    found = []
    with Engine() as engine:
        knowledge = KnowledgeBase(engine, base.passages())
        for row in rows:
            question, code = row["question"], row["language"]
            named = readers[code].read(question).named
            refused = refusals.by_rule(question, code, table, named=bool(named)) is not None
            topic = "" if named else topics[code].named(question)
            refused = refused or (bool(topic) and topics[code].is_unknown(topic))
            hits = knowledge.search(question, k=PASSAGES, language=code).hits
            scores: dict[str, float] = {}
            for hit in hits:
                scores.setdefault(hit.passage.document, hit.score)
            found.append(Row(question, code, row["expected"], named, refused, bool(topic), scores))
    return found


def judged(rows: Sequence[Row], limits: Limits) -> dict[str, float]:
    """Shares of right first conditions, right answers and right refusals."""
    known = [r for r in rows if r.expected]
    unknown = [r for r in rows if not r.expected]
    first = [r.ranked(limits)[0][1] == r.expected for r in known]
    taken = [_taken(r, limits) for r in known]
    asked_back = [_asks_back(r, limits) for r in known]
    let_in = [_taken(r, limits) for r in unknown]
    return {
        "right condition first": _share(first),
        "answered, right": _share([a and b and not c for a, b, c in
                                   zip(first, taken, asked_back, strict=True)]),
        "answered, wrong": _share([not a and b and not c for a, b, c in
                                   zip(first, taken, asked_back, strict=True)]),
        "asks back": _share([b and c for b, c in zip(taken, asked_back, strict=True)]),
        "refused though known": _share([not b for b in taken]),
        "refused, rightly": _share([not x for x in let_in]),
    }


def _taken(row: Row, limits: Limits) -> bool:
    return not row.refused and row.ranked(limits)[0][0] >= limits.least(topic=row.topic)


def _asks_back(row: Row, limits: Limits) -> bool:
    ranked = row.ranked(limits)
    best, name = ranked[0]
    return any(best - score <= limits.clarify and score >= limits.answer
               and (other in row.named) == (name in row.named) for score, other in ranked[1:3])


def fitted(rows: Sequence[Row]) -> Limits:
    """The limits with the best balance; a wrong answer and an answer to what should be
    refused weigh double against a refusal of what is known."""
    grid = itertools.product((0.0, 0.5, 1.0, 1.5, 2.0), [i / 4 for i in range(-20, 9)],
                             (-1.0, 0.0, 1.0),
                             (0.0, 0.1, 0.2, 0.3, 0.5))
    best, chosen = -math.inf, Limits(1.0, 0.0, 0.0, 0.2, 1.5, 1.0, 0.0)
    for named, answer, topic, clarify in grid:
        limits = Limits(named, answer, max(answer, topic), clarify, VAGUE, 1.0, 0.0)
        m = judged(rows, limits)
        value = (m["answered, right"] + 0.4 * m["asks back"] - 2 * m["answered, wrong"]
                 - 2 * (1 - m["refused, rightly"]))
        if value > best:
            best, chosen = value, limits
    return calibrated(rows, chosen)


def calibrated(rows: Sequence[Row], limits: Limits) -> Limits:
    """Slope and middle by Newton's steps on: was the first condition the right one? Over all
    questions, those that rules refuse too: they show what a score is worth without rules."""
    points = [(r.ranked(limits)[0][0], float(r.ranked(limits)[0][1] == r.expected))
              for r in rows]
    a, b = 0.5, 0.0
    for _ in range(200):
        g0 = g1 = h00 = h01 = h11 = 0.0
        for x, y in points:
            p = 1 / (1 + math.exp(-(a * x + b)))
            w = p * (1 - p)
            g0, g1 = g0 + (y - p), g1 + (y - p) * x
            h00, h01, h11 = h00 + w, h01 + w * x, h11 + w * x * x
        h00, h11, g1 = h00 + 1e-2, h11 + PULL, g1 - PULL * a
        det = h00 * h11 - h01 * h01
        a, b = a + (h00 * g1 - h01 * g0) / det, b + (h11 * g0 - h01 * g1) / det
    return replace(limits, slope=round(a, 2), middle=round(-b / a, 3))


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, help="file to keep the searches in")
    wish = parser.parse_args()
    if wish.raw and wish.raw.is_file():
        rows = [Row(**{**row, "named": tuple(row["named"])})
                for row in json.loads(wish.raw.read_text(encoding="utf-8"))]
    else:
        rows = searched(json.loads(DEV.read_text(encoding="utf-8")))
        if wish.raw:
            wish.raw.write_text(json.dumps([r.__dict__ for r in rows], ensure_ascii=False),
                                encoding="utf-8")
    for code in ("en", "zh"):
        mine = [row for row in rows if row.language == code]
        limits = fitted(mine)
        print(f"[settings.{code}]")
        print("\n".join(f"{name} = {value}" for name, value in vars(limits).items()))
        for name, value in judged(mine, limits).items():
            print(f"# {name}: {value:.1%}")


if __name__ == "__main__":
    main()
