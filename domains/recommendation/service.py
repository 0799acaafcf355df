"""Films for a few liked titles or one line of text, each with reasons that are in the data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from domains.base import Decision
from domains.recommendation.answering import Say, Work, refusal
from domains.recommendation.library import ENGLISH, MULTILINGUAL, LazyLibrary, Library
from domains.recommendation.outcome import Choice, RecommendationOutcome
from domains.recommendation.request import Request, checked
from domains.recommendation.titles import Match, Title
from domains.shared.texts import Texts
from lepton_engine.catalog import catalogue
from lepton_engine.language import detect, is_english

RECORDED_INPUT: dict[str, Any] = {
    "liked": ["Alien (1979)", "Blade Runner (1982)"],
    "query": "loneliness in space", "n": 10, "diversity": 0.3,
}


def build(engine: Any) -> RecommendationService:
    return RecommendationService(engine)


class RecommendationService:
    """Recommends among the films of the data set ``films``; holds no state of a person."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._texts = Texts("recommendation")
        self._library = LazyLibrary(engine)

    def api(self, liked: list[str], query: str = "", n: int = 10,
            diversity: float = 0.3) -> RecommendationOutcome:
        """Recommend films from liked titles, one line of text, or both.

        Args:
            liked: up to 20 titles; where several films bear one, write "Title (1994)".
            query: what you are looking for, in one line, in English or Chinese.
            n: how many films, 1 to 50.
            diversity: 0 (the best matches, however alike) to 1; in steps of 0.05.

        Returns:
            items[] by falling score: id, title, year, directors, genres, score (relative
            match, 0 to 1), reasons[] with evidence. Decision "clarify" comes with choices[].
        """
        *_, outcome = self.steps(liked, query, n, diversity)
        assert isinstance(outcome, RecommendationOutcome)
        return outcome

    def steps(self, liked: list[str], query: str = "", n: int = 10, diversity: float = 0.3,
              language: str = "en") -> Iterator[float | RecommendationOutcome]:
        """As ``api``; yields the share of the films' vectors done while they are computed.

        ``language`` is that of the answer where there is no line to tell it by.
        """
        request = checked(liked, query, n, diversity)
        started = time.perf_counter()
        library = self.library()
        spoken = detect(request.query) if request.query else language
        say = Say(self._texts, "zh" if spoken == "zh" else "en")
        titles = [library.titles.find(title) for title in request.liked]
        if any(title.film is None for title in titles):
            yield _clarify(library, request, titles, say)
            return
        model = self._model(spoken) if request.query else ENGLISH
        if model is None:
            yield refusal(request, say("abstained_language", language=spoken))
            return
        for needed in dict.fromkeys((ENGLISH, model)):
            yield from library.prepare(needed)
        films = [title.film for title in titles if title.film]
        work = Work(self._engine, library, request, films, say)
        yield work.outcome(model, started)

    def library(self) -> Library:
        """The films and their titles; loads them on first use."""
        return self._library.get()

    def warm(self) -> None:
        """Load the films, their English vectors and the language detector before anybody asks."""
        detect("A line about a film")
        for _ in self.library().prepare(ENGLISH):
            pass

    def _model(self, spoken: str) -> str | None:
        """The model that reads a line in this language, or None."""
        if is_english(spoken):
            return ENGLISH
        return MULTILINGUAL if spoken in catalogue().spec(MULTILINGUAL).languages else None


def _clarify(library: Library, request: Request, titles: list[Title],
             say: Say) -> RecommendationOutcome:
    """Ask back about the titles that were not understood, with films to choose from."""
    label = library.titles.label
    said = []
    for title in (title for title in titles if title.film is None):
        names = [label(film) for film in title.choices]
        kind = title.match.value
        if title.match is Match.UNKNOWN and not names:
            kind = "unknown_none"
        said.append(say(kind, title=title.asked, nearest=say.join(names),
                        example=names[0] if names else ""))
    choices = tuple(Choice(title.asked, label(film), film.title, film.year, film.directors)
                    for title in titles for film in title.choices)
    return RecommendationOutcome(
        decision=Decision.CLARIFY, reason=say("sentence_gap").join(said), choices=choices,
        liked=tuple(label(title.film) for title in titles if title.film),
        query=request.query, n=request.n, diversity=request.diversity)
