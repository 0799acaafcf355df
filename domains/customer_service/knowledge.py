"""The help articles of the bank: read from assets, cut into passages, offered as topics."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from domains.customer_service.outcome import Topic
from lepton_engine.results import Evidence
from lepton_engine.retrieval import Passage

FOLDER = Path(__file__).parents[2] / "assets" / "knowledge" / "customer_service"
LANGUAGES = ("en", "zh")
LATER_SHARE = 0.5
FIRST_STEPS = 3
SOURCES = {"en": "Lepton Bank help centre (fictional)", "zh": "Lepton Bank 帮助中心（虚构）"}


@dataclass(frozen=True)
class Article:
    """``text`` is the body, an empty line, and one step a line: what a quote points into.

    ``wordings`` are lay questions about it; they help to find it and are never quoted.
    """

    id: str
    title: str
    body: str
    steps: tuple[str, ...]
    language: str
    wordings: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        return self.body + "\n\n" + "\n".join(self.steps)

    @property
    def source(self) -> str:
        return SOURCES[self.language]

    def passage(self) -> Passage:
        return Passage(id=f"{self.language}/{self.id}", document=self.id, title=self.title,
                       text=self.text, source=self.source, language=self.language,
                       keywords=" ".join(self.wordings))

    def topic(self) -> Topic:
        return Topic(self.id, self.title, self.title)


@dataclass(frozen=True)
class Articles:
    """All articles of both languages by id; the same ids in each."""

    by_language: Mapping[str, Mapping[str, Article]]
    by_intent: Mapping[str, Sequence[str]]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Articles:
        wordings = _toml(folder / "wordings.toml")
        return cls({language: {
            row["id"]: Article(row["id"], row["title"], row["body"], tuple(row["steps"]), language,
                               tuple(wordings[language].get(row["id"], ())))
            for row in json.loads((folder / f"{language}.json").read_text(encoding="utf-8"))}
            for language in LANGUAGES}, _toml(folder / "intents.toml"))

    def get(self, id: str, language: str) -> Article:
        return self.by_language[language][id]

    def prior(self, probabilities: Mapping[str, float]) -> dict[str, float]:
        """How probable each article is by the intents' probabilities alone, 0..1.

        An intent that names several articles counts in full for the first of them.
        """
        found: dict[str, float] = {}
        for intent, probability in probabilities.items():
            for place, article in enumerate(self.by_intent.get(intent, ())):
                share = probability if place == 0 else probability * LATER_SHARE
                found[article] = min(1.0, found.get(article, 0.0) + share)
        return found

    def passages(self) -> list[Passage]:
        return [article.passage() for articles in self.by_language.values()
                for article in articles.values()]


def first_steps(article: Article, first: int = 1) -> Evidence:
    """Up to three steps of the article from step ``first`` on, quoted as one run of lines."""
    passage = article.passage()
    chosen = article.steps[first - 1:first - 1 + FIRST_STEPS]
    quote = "\n".join(chosen)
    start = passage.text.index(quote, len(article.body))
    return Evidence(source=passage.source, title=passage.title, address=passage.address,
                    quote=quote, score=1.0, passage=passage.text, start=start,
                    end=start + len(quote))


def numbered(lines: Sequence[str]) -> str:
    """Lines as a list for people: "1. …"."""
    return "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1))


def _toml(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)
