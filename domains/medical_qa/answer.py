"""From a condition and the sections asked for to sentences of the base with their sources."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domains.medical_qa.knowledge import SECTIONS, Condition, Section
from domains.medical_qa.outcome import AnswerSentence
from domains.shared.texts import Texts
from lepton_engine.results import Evidence
from lepton_engine.retrieval import Hit

# Whatever was asked, an answer ends with when to see a doctor and what is an emergency.
ALWAYS = ("see_doctor", "emergency")
DEFAULT = ("overview", "self_care")
EVIDENCE_ROWS = 3


def sections_of(asked: Sequence[str], hits: Sequence[Hit]) -> tuple[str, ...]:
    """The sections of an answer in natural order: those asked for, else those that the
    question fell into, and always the two that keep people safe."""
    wanted = set(asked) or {hit.passage.section for hit in hits[:1]} | set(DEFAULT)
    return tuple(name for name in SECTIONS if name in wanted or name in ALWAYS)


def sentences_of(condition: Condition, names: Sequence[str], nearest: Collection[str],
                 score: float, texts: Texts) -> tuple[AnswerSentence, ...]:
    """Every sentence of the sections, word for word; ``nearest`` are quotes of the search."""
    rows = []
    for name in names:
        section = condition.sections[name]
        for span in section.sentences:
            rows.append(AnswerSentence(
                sentence=span.text, condition=condition.id, section=name,
                evidence=evidence_of(condition, section, span.start, span.end, score, texts),
                sources=section.sources, nearest=span.text in nearest))
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


def evidence_rows(condition: Condition, hits: Sequence[Hit], texts: Texts) -> tuple[Evidence, ...]:
    """The best spans of the condition for the Why panel, one a section."""
    rows: dict[str, Evidence] = {}
    for hit in hits:
        name = hit.passage.section
        if name not in rows:
            rows[name] = evidence_of(condition, condition.sections[name], hit.start, hit.end,
                                     hit.score, texts)
    return tuple(rows.values())[:EVIDENCE_ROWS]


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
