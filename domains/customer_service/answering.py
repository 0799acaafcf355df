"""A grounded answer: found articles, a short prompt, and only the sentences that hold.

A question of how to do something is answered by the article's steps at once, as they
stand; the model then adds what else the articles say about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from domains.base import Decision
from domains.customer_service import prompts
from domains.customer_service.drafting import Draft
from domains.customer_service.grounding import Grounding, Support, Window
from domains.customer_service.knowledge import Article
from domains.customer_service.outcome import Turn
from domains.customer_service.request import Request
from domains.customer_service.selection import Aim, Selection, SentenceVectors
from lepton_engine.errors import InputError, LeptonError
from lepton_engine.results import Stamp

MODEL = "qwen-0.5b"
MAX_NEW_TOKENS = 140
NEAR = 0.5  # a second article is read too when its score is this share of the first's


@dataclass(frozen=True)
class Sources:
    """What an answer is made from: the question completed by the conversation, the articles
    with their scores, best first, and the probability that the first is the right one."""

    question: str
    found: Sequence[tuple[Article, float]]
    confidence: float

    def read(self) -> list[Article]:
        """The articles that the model reads, and whose text may support a sentence."""
        first = self.found[0][1]
        near = [article for article, score in self.found[1:2] if score >= NEAR * first]
        return [self.found[0][0], *near]


class Answering:
    """Writes the answer of one request."""

    def __init__(self, engine: Any, kept: SentenceVectors, request: Request,
                 sources: Sources) -> None:
        self._engine, self._request, self._sources = engine, request, sources
        language = request.language
        self._articles = sources.read()
        passages = [article.passage() for article in self._articles]
        aim = Aim(bool(_pattern(request, "prompt.how_to").search(request.message)),
                  bool(_pattern(request, "prompt.amount").search(request.message)))
        self._selection = Selection(engine, kept, sources.question, passages, aim)
        request.stamps += self._selection.stamps
        self._grounding = Grounding(engine, passages, language)
        self._draft = Draft(self._grounding.support, _pattern(request, "prompt.declines"), language)
        self._steps: tuple[str, ...] = ()
        if aim.how_to:
            article = self._articles[0]
            self._steps = article.steps
            start = len(article.body) + 2
            window = Window(passages[0], start, len(article.text))
            self._draft.lead(article.steps, Support(window, 1.0, 1.0))
        self._chat_stamp: Stamp | None = None
        self._dropped_turns = request.conversation.hidden_turns

    def stream(self) -> Iterator[Turn]:
        """Snapshots while the model writes, then the finished turn."""
        yield self._snapshot()
        failure = ""
        try:
            yield from self._write()
        except InputError:
            raise
        except LeptonError as error:  # without its model the answer is quoted
            failure = error.message
            self._draft.abandon()
        yield self._finished(failure)

    def _write(self) -> Iterator[Turn]:
        draft, ended = self._draft, ""
        retry = self._request.attempt
        chunks = self._engine.stream_chat(
            self._messages(), max_new_tokens=MAX_NEW_TOKENS, model=MODEL,
            temperature=0.5 if retry else 0.0, seed=retry)
        with closing(chunks):
            for chunk in chunks:
                ended = chunk.finish_reason
                self._chat_stamp = chunk.stamp or self._chat_stamp
                self._dropped_turns = (self._request.conversation.hidden_turns
                                       + chunk.dropped_turns)
                draft.add(chunk.text)
                if draft.full:
                    break
                if not ended:
                    yield self._snapshot()
        if ended == "stop":
            draft.finish()
        elif not draft.full:
            draft.abandon()
        draft.open = ""

    def _messages(self) -> list[dict[str, str]]:
        request = self._request
        return prompts.messages(request.say, request.language, request.message,
                                self._selection.facts(without=self._steps),
                                request.conversation.shown_to_model())

    def _snapshot(self) -> Turn:
        return self._turn("reason.writing", stage="writing", draft=self._draft.draft)

    def _turn(self, reason: str, **fields: Any) -> Turn:
        request, draft = self._request, self._draft
        said = request.text(reason, title=self._articles[0].title,
                            kept=fields.pop("kept", len(draft.kept)), dropped=draft.dropped,
                            failure=fields.pop("failure", ""))
        return request.turn(Decision.ANSWERED, said, **{
            "text": draft.text, "evidence": draft.evidence, "generated": bool(draft.kept),
            "dropped_sentences": draft.dropped, "dropped_turns": self._dropped_turns,
            "confidence": self._sources.confidence, **fields})

    def _finished(self, failure: str) -> Turn:
        draft = self._draft
        self._request.stamps += [*([self._chat_stamp] if self._chat_stamp else []),
                                 *self._grounding.cost()]
        if draft.kept:
            kept = len(draft.kept)
            added = self._add_nearest()
            key = "cut" if failure else "added" if added else "kept"
            return self._turn(f"reason.answered_{key}", failure=failure, kept=kept)
        # No sentence of the model is left: the article speaks for itself.
        windows = self._selection.quoted(without=self._steps)
        quotes = draft.quoting([(w.text, Support(w, 1.0, 1.0)) for w in windows])
        key = ("failure" if failure else "declined" if draft.declined
               else "dropped" if draft.dropped else "silent")
        return self._turn(f"reason.quoted_{key}", failure=failure, text=quotes.text,
                          evidence=quotes.evidence, generated=False)


    def _add_nearest(self) -> bool:
        """Put the nearest sentence behind a short answer that lacks it; a small model may
        copy the second best. Steps, where there are any, are the answer already."""
        if self._steps or len(self._draft.kept) > 1:
            return False
        return any(self._draft.quote(window.text, Support(window, 1.0, 1.0))
                   for window in self._selection.nearest())


def _pattern(request: Request, key: str) -> re.Pattern[str]:
    return re.compile(request.text(key), re.IGNORECASE)
