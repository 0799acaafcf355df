"""Customer service: one message in, a stream of turns out, the last of them finished.

``stream`` is the implementation; ``api`` is a loop over it with a conversation of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from domains.base import Decision
from domains.customer_service import emotion, smalltalk
from domains.customer_service.answering import Answering, Sources
from domains.customer_service.conversation import Conversation
from domains.customer_service.handoff import Handoff, HandoffRules
from domains.customer_service.knowledge import LANGUAGES, Article, Articles, first_steps, numbered
from domains.customer_service.outcome import Turn
from domains.customer_service.request import Intent, Request, read_intent
from domains.customer_service.selection import SentenceVectors
from domains.customer_service.summary import summary
from domains.customer_service.thresholds import Thresholds, Verdict
from domains.shared.conversations import ConversationStore
from domains.shared.texts import Texts
from lepton_engine.errors import InputError, LimitError
from lepton_engine.language import detect, is_english
from lepton_engine.retrieval import Hit, KnowledgeBase
from lepton_engine.retrieval_conversation import Lean, lean
from lepton_engine.text import clean

MAX_CHARACTERS = 4_000
RECORDED_INPUT = {"message": "How do I activate my new card?"}
CANDIDATES = 5
TOPICS = 3


def build(engine: Any) -> Service:
    """The service on an engine (or on the fake one). Reads the articles, loads no model."""
    return Service(engine)


class _Box:
    """A place in the store that holds the latest value of one conversation."""

    def __init__(self) -> None:
        self.conversation = Conversation()


class Service:
    """Holds the articles, the rules and the store of the API; conversations are values."""

    def __init__(self, engine: Any, *, articles: Articles | None = None,
                 thresholds: Thresholds | None = None,
                 now: Callable[[], datetime] | None = None) -> None:
        self._engine = engine
        self._say = Texts("customer_service")
        self._articles = articles or Articles.load()
        self._base = KnowledgeBase(engine, self._articles.passages())
        self._vectors = SentenceVectors(engine)
        self._rules = HandoffRules()
        self._thresholds = thresholds or Thresholds.load()
        self._store: ConversationStore[_Box] = ConversationStore(_Box)
        self._now = now or (lambda: datetime.now(UTC))

    def warm(self) -> None:
        """Build both indexes and load the language detector, so that no question waits."""
        detect("Is this English?")
        for language in LANGUAGES:
            self._base.warm_up(language)

    def api(self, message: str, session_id: str = "") -> Turn:
        """Ask the customer service of a fictional digital bank, in English or Chinese.

        Send the returned session_id with the next message to continue the conversation.
        """
        with self._store.open(session_id) as (key, box):
            conversation = replace(box.conversation, session_id=key)
            turn = list(self.stream(conversation, message))[-1]
            box.conversation = conversation.plus(turn)
            return turn

    def stream(self, conversation: Conversation, message: str, *,
               attempt: int = 0) -> Generator[Turn, None, None]:
        """Snapshots of the answer to ``message``; the last has stage "done".

        ``attempt`` above 0 is a retry: the model then writes with another seed. Closing the
        stream stops the model.

        Raises:
            InputError, LimitError: an empty or too long message, a full conversation.
            LeptonError: a model that retrieval needs cannot be had.
        """
        text = checked(message)
        conversation.check_room()
        small = smalltalk.kind_of(text)
        if small is not None:
            language, kind = small
            yield self._small_talk(self.request(text, language, conversation), kind)
            return
        found = detect(text)
        language = "en" if is_english(found) else found
        request = self.request(text, language, conversation, attempt)
        if language not in LANGUAGES:
            request.language = "en"
            yield self._foreign(request, found)
            return
        yield from self._routed(request)

    def _routed(self, request: Request) -> Iterator[Turn]:
        handoff = self._rules.judge(request.message, request.language)
        if handoff is None:
            yield request.turn(Decision.ANSWERED, request.text("reason.searching"),
                               stage="searching")
        request.intent = self.intent_of(request)
        if request.intent.stamp is not None:
            request.stamps.append(request.intent.stamp)
        handoff = handoff or self._rules.supported_by(
            request.intent.name or "", request.intent.confidence or 0.0, request.message)
        if handoff is not None:
            yield self._hand_over(request, handoff)  # at once, whatever is still loading
            request.emotion = emotion.read_emotion(self._engine, request)  # for the summary
            yield self._hand_over(request, handoff)
            return
        yield from self._grounded(request)

    def intent_of(self, request: Request) -> Intent:
        return read_intent(self._engine, request)

    def search(self, request: Request) -> tuple[str, list[Hit]]:
        """The question as the conversation completes it, and the best hit of each article."""
        history = request.conversation.messages()
        prior = self._articles.prior(request.intent.probabilities)
        if history and lean(request.message, request.language) is Lean.FULL:
            prior = {}  # "and how long does that take?" has no intent of its own
        found = self._base.search(request.message, history=history, k=CANDIDATES,
                                  language=request.language, prior=prior)
        request.stamps.append(found.stamp)
        return found.query, best_by_article(found.hits)

    def request(self, message: str, language: str, conversation: Conversation,
                attempt: int = 0) -> Request:
        return Request(message, language, conversation, self._say, attempt)

    def _grounded(self, request: Request) -> Iterator[Turn]:
        query, hits = self.search(request)
        request.emotion = emotion.read_emotion(self._engine, request)  # its vectors are at hand
        score = hits[0].score if hits else 0.0
        verdict = self._thresholds.verdict(score, request.language)
        request.opening = emotion.opening(request, verdict.decision)
        if verdict.decision is Decision.ANSWERED:
            yield from self._answered(request, query, hits, verdict)
            return
        topics = tuple(self._article(hit).topic() for hit in hits[:TOPICS])
        if verdict.decision is Decision.CLARIFY:
            yield request.turn(Decision.CLARIFY, request.text("reason.clarify"),
                               text=request.text("text.clarify"), topics=topics,
                               confidence=verdict.confidence)
            return
        yield request.turn(Decision.ABSTAINED, request.text("reason.off_topic"),
                           text=request.text("text.off_topic"), confidence=verdict.confidence)

    def _answered(self, request: Request, query: str, hits: list[Hit],
                  verdict: Verdict) -> Iterator[Turn]:
        """From the articles; who is confused is offered the next topics beside it."""
        sources = Sources(query, [(self._article(hit), hit.score) for hit in hits],
                          verdict.confidence)
        confused = request.emotion is not None and request.emotion.felt == emotion.CONFUSED
        others = tuple(self._article(hit).topic() for hit in hits[1:TOPICS]) if confused else ()
        for turn in Answering(self._engine, self._vectors, request, sources).stream():
            yield replace(turn, topics=others) if turn.stage == "done" else turn

    def _article(self, hit: Hit) -> Article:
        return self._articles.get(hit.passage.document, hit.passage.language)

    # -- fixed text ---------------------------------------------------------------------

    def _small_talk(self, request: Request, kind: str) -> Turn:
        request.intent = replace(request.intent, note=request.text("intent.small_talk"))
        return request.turn(Decision.ANSWERED, request.text("reason.small_talk"),
                            text=request.text(f"small_talk.{kind}"))

    def _foreign(self, request: Request, language: str) -> Turn:
        request.intent = replace(request.intent, note=request.text("intent.other_language"))
        return request.turn(Decision.ABSTAINED, request.text("reason.language", code=language),
                            text=request.text("text.language"))

    def _hand_over(self, request: Request, handoff: Handoff) -> Turn:
        """A person takes over; what to do at once is quoted and needs no model."""
        article = self._articles.get(handoff.article, request.language)
        evidence = first_steps(article, handoff.first_step)
        steps = numbered(evidence.quote.splitlines()) + " [1]"
        text = request.text(f"text.{handoff.category}") + "\n\n" + request.text(
            f"text.first_steps_{handoff.category}") + "\n" + steps
        return request.turn(
            Decision.HANDED_OFF, request.text(f"reason.{handoff.category}"), text=text,
            evidence=(evidence,), category=handoff.category,
            summary=summary(request, handoff, self._now()))


def checked(message: str) -> str:
    """The cleaned message; raises InputError or LimitError with a sentence."""
    if not isinstance(message, str):
        raise InputError("The message must be a text.")
    if len(message) > MAX_CHARACTERS:
        raise LimitError(f"A message has at most {MAX_CHARACTERS:,} characters; this one has "
                         f"{len(message):,}. Shorten it.")
    text = clean(message).strip()
    if not text:
        raise InputError("The message is empty. Write what you would like to know.")
    return text


def best_by_article(hits: tuple[Hit, ...]) -> list[Hit]:
    """The best hit of each article, best article first."""
    found: dict[str, Hit] = {}
    for hit in hits:
        found.setdefault(hit.passage.document, hit)
    return list(found.values())
