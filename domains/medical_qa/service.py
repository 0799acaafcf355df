"""Medical questions: red flags first, then a quoted answer, a question back or a refusal.

No language model writes a word here. An emergency is told by rules and gets a fixed text;
an answer is made of sentences of the base; everything else is refused with its reason.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from domains.base import Decision
from domains.medical_qa import answer, refusals
from domains.medical_qa.asking import Asked, Reader
from domains.medical_qa.knowledge import MedicalBase, shipped
from domains.medical_qa.likeness import EmergencyHead, Likeness, shipped_head
from domains.medical_qa.nearest import nearest
from domains.medical_qa.outcome import MedicalOutcome, Topic
from domains.medical_qa.ranking import Candidate, candidates, read_limits, rivals
from domains.medical_qa.red_flags import RedFlag, RedFlagRules
from domains.medical_qa.red_flags import rules as red_flag_rules
from domains.medical_qa.rules import MedicalRules
from domains.medical_qa.rules import rules as medical_rules
from domains.shared.texts import Texts
from lepton_engine.errors import InputError, LimitError
from lepton_engine.language import detect
from lepton_engine.results import Evidence, Stamp
from lepton_engine.retrieval import KnowledgeBase, Retrieval
from lepton_engine.text import clean

MAX_CHARACTERS = 4000
PASSAGES = 8
SUGGESTIONS = 3
RECORDED_INPUT = {"question": "What should I not eat with gout?"}


class Service:
    """Answers from ``base`` by ``engine``; holds no conversation and keeps no question."""

    def __init__(self, engine: Any, base: MedicalBase, rules: MedicalRules,
                 flags: RedFlagRules, head: EmergencyHead | None = None) -> None:
        self._engine, self._base, self._rules, self._flags = engine, base, rules, flags
        self._head = head
        self._texts = Texts("medical_qa")
        self._knowledge = KnowledgeBase(engine, base.passages())
        self._readers = {code: Reader(base.of(code), rules, code) for code in ("en", "zh")}
        self._topic_words = {
            code: refusals.Topics(base.of(code), rules, code) for code in ("en", "zh")}
        self._limits = {code: read_limits(rules.settings, code) for code in ("en", "zh")}

    def api(self, question: str) -> MedicalOutcome:
        """Answer a medical question in English or Chinese from a small sourced base.

        Signs of an emergency are looked for first (`red_flags`, decision `emergency`). An
        answer is made of sentences of the base, each with its evidence; what the base does
        not hold, doses, test results and diagnoses are refused with a reason. No medical
        advice.
        """
        return self.ask(question)

    def ask(self, question: str, history: Sequence[str] = ()) -> MedicalOutcome:
        """The same, with the earlier questions of a conversation, oldest first."""
        started = time.perf_counter()
        text = self._checked(question)
        said = [clean(turn) for turn in history if turn.strip()]
        found = detect(text)
        language = "zh" if found == "zh" else "en"
        flags = self._red_flags(text, said)
        if flags:
            return self._emergency(text, language, flags, _rule_stamp(started))
        alike = self._sounds_urgent(text)
        if alike is not None:
            return self._sounding(text, language, alike)
        refused = self._refused_by_rule(text, found)
        if refused is not None:
            return self._refusal(refused, language, _rule_stamp(started))
        return self._looked_up(text, said, language, started)

    def warm(self) -> None:
        """Build behind the page what the first question would wait for."""
        detect("Is this English?")
        for language in ("en", "zh"):
            self._knowledge.warm_up(language)

    def _checked(self, question: str) -> str:
        text = clean(question).strip()
        language = detect(text[:200]) if text else "en"
        if not text:
            raise InputError(self._texts(language, "error.empty"))
        if len(text) > MAX_CHARACTERS:
            raise LimitError(self._texts(language, "error.long", limit=f"{MAX_CHARACTERS:,}",
                                         n=f"{len(text):,}"))
        return text

    # -- emergencies --------------------------------------------------------------------

    def _red_flags(self, text: str, history: Sequence[str]) -> tuple[RedFlag, ...]:
        """Flags of this question; or, with the question before it, of what only the two
        together say ("my son has a fever", then "and his neck is stiff")."""
        flags = self._flags.find(text)
        if flags or not history:
            return flags
        before = history[-1]
        known = {flag.category for flag in self._flags.find(before)}
        shift = len(before) + 1
        joint = [f for f in self._flags.find(f"{before}\n{text}") if f.category not in known]
        return tuple(
            RedFlag(f.category, f.text, f.start - shift, f.end - shift)
            for f in joint if f.start >= shift)

    def _sounds_urgent(self, text: str) -> Likeness | None:
        """What the trained head adds where the rules found nothing and took nothing out."""
        if self._head is None or self._flags.about_a_pet(text) or self._flags.took_out(text):
            return None
        return self._head.look(self._engine, text)

    def _sounding(self, text: str, language: str, alike: Likeness) -> MedicalOutcome:
        flag = RedFlag(alike.category, text, 0, len(text))
        return self._emergency(text, language, (flag,), alike.stamp, alike.probability)

    def _emergency(self, text: str, language: str, flags: tuple[RedFlag, ...], stamp: Stamp,
                   likeness: float | None = None) -> MedicalOutcome:
        kinds = list(dict.fromkeys(flag.category for flag in flags))
        names = [self._flags.name(kind, language) for kind in kinds]
        evidence = tuple(
            Evidence(source=self._texts(language, "answer.rule"),
                     title=self._flags.name(flag.category, language), address="",
                     quote=flag.text, score=1.0 if likeness is None else likeness,
                     passage=text, start=flag.start, end=flag.end)
            for flag in flags)
        kind = "emergency" if likeness is None else "emergency_alike"
        return MedicalOutcome(
            decision=Decision.EMERGENCY, language=language, notice=self._notice(language),
            reason=self._texts(language, f"reason.{kind}", categories=_joined(names, language)),
            text=self._flags.advice(kinds[0], language), red_flags=flags, evidence=evidence,
            stamp=stamp)

    # -- refusals -----------------------------------------------------------------------

    def _refused_by_rule(self, text: str, found: str) -> refusals.Refusal | None:
        if found not in ("en", "zh", "und"):
            return refusals.Refusal("language")
        language = "zh" if found == "zh" else "en"
        if self._flags.about_a_pet(text):
            return refusals.Refusal("animal")
        named = bool(self._readers[language].read(text).named)
        refused = refusals.by_rule(text, language, self._rules, named=named)
        topic = "" if named or refused else self._topic_words[language].named(text)
        if topic and self._topic_words[language].is_unknown(topic):
            return refusals.Refusal("other_condition", topic)
        return refused

    def _refusal(self, refused: refusals.Refusal, language: str, stamp: Stamp,
                 topics: tuple[Topic, ...] = ()) -> MedicalOutcome:
        reason = self._texts(language, f"reason.{refused.kind}", name=refused.name)
        return MedicalOutcome(decision=Decision.ABSTAINED, reason=reason, language=language,
                              notice=self._notice(language), stamp=stamp, topics=topics)

    # -- answers ------------------------------------------------------------------------

    def _looked_up(self, text: str, history: Sequence[str], language: str,
                   started: float) -> MedicalOutcome:
        found = self._search(text, history, language)
        asked = self._asked(text, found.query, history, language)
        limits = self._limits[language]
        ranked = candidates(found.hits, asked.named, limits)
        topic = bool(self._topic_words[language].named(text)) and not asked.named
        if not ranked or ranked[0].score < limits.least(topic=topic):
            refused = refusals.beyond_base(text, language, self._rules,
                                           ranked[0].score if ranked else -math.inf)
            near = ranked if refused.kind == "not_in_base" else []
            return self._refusal(refused, language, found.stamp,
                                 self._topics(near[:SUGGESTIONS], language))
        near = rivals(ranked, limits, vague=asked.vague,
                      either=asked.either)
        if len(near) > 1:
            return self._clarify(near, language, found)
        return self._answer(text, ranked[0], asked, language, found, started)

    def _search(self, text: str, history: Sequence[str], language: str) -> Retrieval:
        """A question that points at nothing and finds its topic alone is no follow-up,
        however short: "I have a headache" after a talk about shingles."""
        now = self._readers[language].read(text)
        if history and not now.pointing:
            alone = self._knowledge.search(text, k=PASSAGES, language=language)
            limits = self._limits[language]
            ranked = candidates(alone.hits, now.named, limits)
            if now.named or (ranked and ranked[0].score >= limits.topic):
                return alone
        return self._knowledge.search(text, history=history, k=PASSAGES, language=language)

    def _asked(self, text: str, query: str, history: Sequence[str], language: str) -> Asked:
        """Names are read from the completed question; the section wished for from this one,
        and only where it wishes for none from the one before (also where this one is but
        the name that was asked back)."""
        reader = self._readers[language]
        now = reader.read(text)
        whole = reader.read(query)
        if not history or (query == text and not (now.named and now.vague)):
            return now
        wished = now.sections or reader.read(history[-1]).sections
        return Asked(whole.named, wished, whole.vague, now.either)

    def _answer(self, text: str, best: Candidate, asked: Asked, language: str,
                found: Retrieval, started: float) -> MedicalOutcome:
        condition = self._base.of(language)[best.condition]
        near = nearest(self._engine, found.query, condition, best.hits)
        names = answer.sections_of(asked.sections, near.rows)
        rows = answer.sentences_of(condition, names, near, best.hits[0].score, self._texts)
        stamps = [stamp for stamp in (found.stamp, near.stamp) if stamp]
        elapsed = (time.perf_counter() - started) * 1000
        return MedicalOutcome(
            decision=Decision.ANSWERED, language=language, notice=self._notice(language),
            reason=self._why_answered(text, best, condition.name, near.exact, language, found),
            confidence=self._limits[language].confidence(best.score),
            text=answer.as_text(condition, rows, self._texts), answer=rows,
            evidence=answer.evidence_rows(condition, near.rows, best.hits, self._texts),
            topics=(Topic(condition.id, condition.name),),
            stamp=Stamp.combined(stamps, elapsed))

    def _why_answered(self, text: str, best: Candidate, name: str, exact: bool | None,
                      language: str, found: Retrieval) -> str:
        kind = "answered_named" if best.named else "answered_near"
        said = [self._texts(language, f"reason.{kind}", condition=name)]
        if exact is False and best.named:  # who tells of symptoms asks for no one sentence
            said.append(self._texts(language, "reason.not_exact"))
        if found.query != text:
            said.append(self._texts(language, "reason.follow_up"))
        return ("" if language == "zh" else " ").join(said)

    def _clarify(self, near: Sequence[Candidate], language: str,
                 found: Retrieval) -> MedicalOutcome:
        topics = self._topics(near, language)
        names = _joined([topic.name for topic in topics], language)
        base = self._base.of(language)
        evidence = tuple(
            row for c in near
            for row in answer.evidence_rows(base[c.condition], (), c.hits, self._texts))
        return MedicalOutcome(
            decision=Decision.CLARIFY, language=language, notice=self._notice(language),
            reason=self._texts(language, "reason.clarify", names=names),
            text=self._texts(language, "answer.which"), evidence=evidence, topics=topics,
            stamp=found.stamp)

    def _topics(self, near: Sequence[Candidate], language: str) -> tuple[Topic, ...]:
        base = self._base.of(language)
        return tuple(Topic(c.condition, base[c.condition].name) for c in near)

    def _notice(self, language: str) -> str:
        return self._texts(language, "notice")


def _joined(names: Sequence[str], language: str) -> str:
    if language == "zh":
        return "、".join(names)
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _rule_stamp(started: float) -> Stamp:
    """What a decision cost that no model took part in."""
    return Stamp(variant="rules", device="cpu", precision="",
                 latency_ms=(time.perf_counter() - started) * 1000)


def build(engine: Any) -> Service:
    """The service on the shipped base and rules. Asks the engine for nothing yet."""
    return Service(engine, shipped(), medical_rules(), red_flag_rules(), shipped_head())
