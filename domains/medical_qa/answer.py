"""From a condition and the sections asked for to sentences of the base with their sources."""

from __future__ import annotations

from collections.abc import Sequence

from domains.medical_qa.knowledge import SECTIONS, Condition, Section
from domains.medical_qa.nearest import Near, Nearest
from domains.medical_qa.outcome import AnswerSentence
from domains.shared.texts import Texts
from lepton_engine.results import Evidence
from lepton_engine.retrieval import Hit

# Whatever was asked, an answer ends with when to see a doctor and what is an emergency.
ALWAYS = ("see_doctor", "emergency")
DEFAULT = ("overview", "symptoms", "self_care")


def sections_of(asked: Sequence[str], near: Sequence[Near]) -> tuple[str, ...]:
    """The sections of an answer in natural order: those asked for, or else a general
    picture; those of sentences that speak to the question; and always the two that keep
    people safe."""
    wanted = set(asked or DEFAULT) | {row.section for row in near}
    return tuple(name for name in SECTIONS if name in wanted or name in ALWAYS)


def sentences_of(condition: Condition, names: Sequence[str], found: Nearest, score: float,
                 texts: Texts) -> tuple[AnswerSentence, ...]:
    """Every sentence of the sections, word for word; ``score`` stands for a sentence that
    was not read by itself."""
    marked = {row.text for row in found.rows}
    rows = []
    for name in names:
        section = condition.sections[name]
        for span in section.sentences:
            rows.append(AnswerSentence(
                sentence=span.text, condition=condition.id, section=name,
                evidence=evidence_of(condition, section, span.start, span.end,
                                     found.scores.get(span.text, score), texts),
                sources=section.sources, nearest=span.text in marked))
    return tuple(rows)


def evidence_of(condition: Condition, section: Section, start: int, end: int, score: float,
                texts: Texts) -> Evidence:
    """A stretch of a section. Its source is the first record that the section was written
    from, or the plain words that there is none; the rest stand in ``sources``."""
    lang = condition.language
    heading = texts(lang, "answer.article", condition=condition.name,
                    section=texts(lang, f"section.{section.name}"))
    publishers = list(dict.fromkeys(s.publisher for s in section.sources))
    named = "; ".join(publisher_name(p, lang, texts) for p in publishers)
    return Evidence(
        source=named + texts(lang, "answer.language_of_sources") if named
        else texts(lang, "answer.unchecked"),
        title=heading, address=section.sources[0].address if section.sources else "",
        quote=section.text[start:end], score=score, passage=section.text, start=start, end=end)


def evidence_rows(condition: Condition, near: Sequence[Near], hits: Sequence[Hit],
                  texts: Texts) -> tuple[Evidence, ...]:
    """The nearest sentences for the Why panel; where none is near, what the search quoted."""
    rows = list(near) or [Near(h.passage.section, h.start, h.end, h.quote, h.score)
                          for h in hits[:1]]
    return tuple(
        evidence_of(condition, condition.sections[row.section], row.start, row.end, row.score,
                    texts)
        for row in rows)


def publisher_name(publisher: str, lang: str, texts: Texts) -> str:
    """A publisher's name for people; an unknown one stays as the record has it."""
    key = f"publisher.{publisher}"
    return texts(lang, key) if key in texts else publisher


def as_text(condition: Condition, answer: Sequence[AnswerSentence], texts: Texts) -> str:
    """The answer as plain text under the headings of its sections."""
    lang, parts = condition.language, [condition.name]
    joint = "" if lang == "zh" else " "
    for name in dict.fromkeys(row.section for row in answer):
        said = joint.join(row.sentence for row in answer if row.section == name)
        parts.append(f"{texts(lang, f'section.{name}')}: {said}")
    return "\n\n".join(parts)
