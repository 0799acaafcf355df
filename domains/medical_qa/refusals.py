"""What this page does not answer, told by rules before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domains.medical_qa.knowledge import Condition
from domains.medical_qa.patterns import normalise
from domains.medical_qa.rules import MedicalRules
from lepton_engine.retrieval_index import tokens

FAR = -5.0  # log odds; everyday questions of the development set lie below


@dataclass(frozen=True)
class Refusal:
    """``kind``: language, animal, dose, lab, diagnosis, other_condition, not_in_base or
    not_medical; ``name``: the condition that was asked for, as it was typed."""

    kind: str
    name: str = ""


def by_rule(question: str, language: str, rules: MedicalRules, *, named: bool) -> Refusal | None:
    """The first rule that refuses; another condition only where the base's own is not
    ``named`` ("can gout lead to kidney failure" is about gout)."""
    normal = normalise(question, {}, rules.spelling)
    for kind, pattern in rules.refuse[language].items():
        if pattern.search(normal.text):
            return Refusal(kind)
    match = None if named else rules.others[language].search(normal.text)
    if match:
        start, end = normal.original(*match.span())
        return Refusal("other_condition", question[start:end].strip())
    return None


class Topics:
    """Told by form ("what causes X"): the X of a question, and whether the base knows it."""

    def __init__(self, conditions: Mapping[str, Condition], rules: MedicalRules,
                 language: str) -> None:
        self._rules, self._language = rules, language
        texts = [part for c in conditions.values()
                 for part in (c.name, *c.aliases, *(s.text for s in c.sections.values()))]
        self._text = "\n".join(texts)
        self._words = frozenset(tokens(self._text))

    def named(self, question: str) -> str:
        """What the question is about by its form, as it was typed; "" when it has none."""
        normal = normalise(question, {}, self._rules.spelling)
        bare = normal.text.rstrip(" ?？!！.。")
        for form in self._rules.topic_forms[self._language]:
            match = form.search(bare)
            if match and not self._rules.topic_personal[self._language].search(match["x"]):
                start, end = normal.original(*match.span("x"))
                return question[start:end]
        return ""

    def is_unknown(self, topic: str) -> bool:
        """Whether a word of the topic occurs nowhere in the base."""
        plain = normalise(topic, {}, self._rules.spelling).text
        if self._language == "zh":
            return plain not in self._text
        return any(word not in self._words for word in tokens(plain) if len(word) > 2)


def beyond_base(question: str, language: str, rules: MedicalRules, score: float) -> Refusal:
    """Nothing in the base is near: is it at least about health? Told by words, and where
    there are none ("nothing gives me joy") by how far it is; ``score`` in log odds."""
    text = normalise(question, {}, rules.spelling).text
    about_health = rules.health[language].search(text) or score > FAR
    return Refusal("not_in_base" if about_health else "not_medical")
