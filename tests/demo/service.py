"""Finds the sentence of three passages that answers a question; says so when none does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domains.base import Decision, Outcome
from lepton_engine.errors import InputError, LimitError
from lepton_engine.results import Evidence, Stamp

RECORDED_INPUT = {"question": "What does a lost card cost?"}
PASSAGES = (
    ("Lost cards", "https://bank.example/lost", "Report a lost card in the app at once. "
     "A lost card costs five euros to replace. The new one comes within six working days."),
    ("Transfers", "", "A transfer inside the country takes one working day."),
    ("汇率", "https://bank.example/fx", "外币付款按当天汇率结算。手续费是百分之一。"),
)


@dataclass(frozen=True, kw_only=True)
class DemoOutcome(Outcome):
    text: str
    scores: dict[str, float]


class Service:
    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def api(self, question: str, n: int = 3) -> DemoOutcome:
        """Answer a question from three passages."""
        if not question.strip():
            raise InputError("The question is empty. Write one.")
        if len(question) > 4000:
            raise LimitError("A question has at most 4,000 characters. Shorten it.")
        ranking = self.engine.rerank(question, [text for _, _, text in PASSAGES])
        best = ranking.order[0]
        title, address, text = PASSAGES[best]
        stamp = Stamp.combined([ranking.stamp, self.engine.embed([question]).stamp], 123.4)
        scores = {PASSAGES[i][0]: ranking.scores[i] for i in range(len(PASSAGES))}
        if ranking.scores[best] < 0.3:
            return DemoOutcome(decision=Decision.ABSTAINED, reason="No passage is about this.",
                               text="", scores=scores, stamp=stamp)
        quote = self.engine.chat([{"role": "user", "content": f"{text}\n{question}"}]).text
        start = max(text.find(quote), 0)
        evidence = Evidence("demo base", title, address, quote, ranking.scores[best], text, start,
                            start + len(quote))
        return DemoOutcome(decision=Decision.ANSWERED, reason="One passage holds the answer.",
                           confidence=ranking.scores[best], evidence=(evidence,), stamp=stamp,
                           text=quote, scores=scores)

    def stream(self, question: str) -> Iterator[str]:
        """The growing text of the chat model."""
        said = ""
        for chunk in self.engine.stream_chat([{"role": "user", "content": question}]):
            said += chunk.text
            yield said


def build(engine: Any) -> Service:
    return Service(engine)
