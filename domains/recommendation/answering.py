"""One request from understood titles to the outcome."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from domains.base import Decision
from domains.recommendation.chart import points_of
from domains.recommendation.films import Film
from domains.recommendation.index import FilmIndex, relative
from domains.recommendation.library import ENGLISH, MULTILINGUAL, Library
from domains.recommendation.outcome import Item, Map, RecommendationOutcome, item_of
from domains.recommendation.ranking import Selection, select
from domains.recommendation.reasons import Wish, reasons_for
from domains.recommendation.request import Request
from domains.shared.texts import Texts
from lepton_engine.results import Evidence, Stamp

# The least certainty of the best film for a line of text, by model; chosen on development
# lines (30 about films, 26 about banks, recipes and printers), judged on others in the tests.
THRESHOLDS = {ENGLISH: 0.50, MULTILINGUAL: 0.28}
# A vector of a line does not hold "not" and hardly a year: the reason says so.
_CONDITIONS = re.compile(
    r"\b(?:not?|non|never|without|except|nothing|neither)\b|n['’]t\b|\b(?:19|20)\d\d(?:s\b)?|"
    r"不|没有|没|无|除了|别|年代|\d{2,4}年", re.IGNORECASE)
NEAR = 40  # further films drawn on the map
QUOTED = 5  # films whose evidence the Why panel shows


@dataclass(frozen=True)
class Asked:
    """The line of text as a vector of one model; None of it where there is no line."""

    index: FilmIndex
    vector: np.ndarray
    values: np.ndarray
    certainty: float
    threshold: float

    @property
    def matched(self) -> bool:
        return self.certainty >= self.threshold


class Say:
    """Sentences of the tab in the language of the question."""

    def __init__(self, texts: Texts, lang: str) -> None:
        self.texts, self.lang = texts, lang

    def __call__(self, key: str, **values: object) -> str:
        return self.texts(self.lang, f"said.{key}", **values)

    def join(self, names: list[str]) -> str:
        return self.texts(self.lang, "reason.comma").join(names)


class Work:
    """One request from understood titles to the outcome."""

    def __init__(self, engine: Any, library: Library, request: Request, films: list[Film],
                 say: Say) -> None:
        self.engine, self.library, self.request, self.say = engine, library, request, say
        self.films = list({film.id: film for film in films}.values())
        self.index = library.index(ENGLISH)
        self.parts: list[Stamp] = [replace(library.stamp(ENGLISH), note=say("vectors_note"))]
        self.whole, self.centred = self._liked_vectors()

    def outcome(self, model: str, started: float) -> RecommendationOutcome:
        asked = self._asked(model) if self.request.query else None
        if asked and not asked.matched and not self.films:
            return self._stamped(refusal(self.request, self.say(
                "abstained_match", score=f"{asked.certainty:.2f}",
                threshold=f"{asked.threshold:.2f}")), started)
        used = asked if asked and asked.matched else None
        numbers = [self.index.number[f.id] for f in self.films if f.id in self.index.number]
        allowed = np.setdiff1d(np.arange(len(self.index.films)), numbers)
        if not len(allowed):
            return self._stamped(refusal(self.request, self.say("abstained_none")), started)
        relevance = self._relevance(used, allowed)
        chosen = select(relevance, self.index.similar, allowed, self.request.n,
                        self.request.diversity)
        items = self._items(chosen, relevance, used)
        return self._stamped(RecommendationOutcome(
            decision=Decision.ANSWERED, reason=self._reason(len(items), asked, model),
            evidence=_evidence(items), items=items, alike=chosen.alike,
            liked=tuple(self.library.titles.label(film) for film in self.films),
            query=self.request.query if used else "", n=self.request.n,
            diversity=self.request.diversity, map=self._map(chosen, relevance, allowed)), started)

    def _liked_vectors(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The liked films' vectors, as they are and centred; unlisted ones from their facts."""
        inside = self.index.number
        outside = [film for film in self.films if film.id not in inside]
        facts = {}
        if outside:
            made = self.engine.embed([film.summary for film in outside], model=ENGLISH)
            self.parts.append(made.stamp)
            facts = {film.id: row for film, row in zip(outside, made.vectors, strict=True)}
        whole = [facts[f.id] if f.id in facts else self.index.whole[inside[f.id]]
                 for f in self.films]
        centred = [self.index.outside(facts[f.id]) if f.id in facts
                   else self.index.centred[inside[f.id]] for f in self.films]
        return whole, centred

    def _asked(self, model: str) -> Asked:
        index = self.library.index(model)
        made = self.engine.embed([self.request.query], model=model)
        self.parts.append(made.stamp)
        values = index.asked(self.request.query, made.vectors[0])
        certainty = float((values - index.commonness / 2).max())
        return Asked(index, made.vectors[0], values, certainty, THRESHOLDS[model])

    def _relevance(self, asked: Asked | None, allowed: np.ndarray) -> np.ndarray:
        parts = []
        if self.films:
            parts.append(relative(self.index.liked(self.films, self.centred), allowed))
        if asked:
            parts.append(relative(asked.values, allowed))
        mixed: np.ndarray = np.mean(parts, axis=0)
        return mixed

    def _items(self, chosen: Selection, relevance: np.ndarray,
               asked: Asked | None) -> tuple[Item, ...]:
        label: Callable[[Film], str] = self.library.titles.label
        wishes = [Wish(label(film), vector, self.index, film)
                  for film, vector in zip(self.films, self.whole, strict=True)]
        if asked:
            wishes.append(Wish("", asked.vector, asked.index))
        return tuple(
            item_of(self.index.films[i], float(relevance[i]),
                    reasons_for(self.index.films[i], i, wishes, self.say.texts, self.say.lang))
            for i in chosen.picked)

    def _reason(self, count: int, asked: Asked | None, model: str) -> str:
        names = self.say.join([self.library.titles.label(film) for film in self.films])
        kind = "answered_query" if not names else "answered_liked"
        if names and asked and asked.matched:
            kind = "answered_both"
        said = [self.say(kind, n=count, liked=names)]
        if asked and not asked.matched:
            said.append(self.say("query_unmatched"))
        if asked and asked.matched and _CONDITIONS.search(self.request.query):
            said.append(self.say("conditions"))
        if asked and asked.matched and model == MULTILINGUAL:
            said.append(self.say("multilingual"))
        return self.say("sentence_gap").join(said)

    def _map(self, chosen: Selection, relevance: np.ndarray, allowed: np.ndarray) -> Map:
        order = allowed[np.argsort(-relevance[allowed], kind="stable")]
        near = [int(i) for i in order if int(i) not in chosen.picked][:NEAR]
        rows = [(film.id, film.title, film.year, "liked") for film in self.films]
        vectors = list(self.centred)
        for role, numbers in (("recommended", chosen.picked), ("near", near)):
            for number in numbers:
                film = self.index.films[number]
                rows.append((film.id, film.title, film.year, role))
                vectors.append(self.index.centred[number])
        points, shown = points_of(rows, np.stack(vectors))
        return Map(points, round(shown, 4))

    def _stamped(self, outcome: RecommendationOutcome, started: float) -> RecommendationOutcome:
        took = (time.perf_counter() - started) * 1000
        return replace(outcome, stamp=Stamp.combined(self.parts, took))


def refusal(request: Request, reason: str) -> RecommendationOutcome:
    return RecommendationOutcome(decision=Decision.ABSTAINED, reason=reason, query=request.query,
                                 n=request.n, diversity=request.diversity)


def _evidence(items: tuple[Item, ...]) -> tuple[Evidence, ...]:
    """One quote a film for the first films: a sentence where there is one."""
    found = []
    for item in items[:QUOTED]:
        quoted = [r.evidence for r in item.reasons if r.kind in ("sentence", "pair", "facts")]
        found.append((quoted or [r.evidence for r in item.reasons])[0])
    return tuple(found)
