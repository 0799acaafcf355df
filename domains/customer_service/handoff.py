"""When a conversation goes to a person: fraud in progress, a complaint, the wish for one.

The rules are data (assets/handoff.toml). They need no model, so a victim of fraud reaches a
person even where every model failed; the intent head only supports them.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from lepton_engine import sentences

RULES = Path(__file__).parents[2] / "assets" / "handoff.toml"
_BARE_NOT = re.compile(r"\b(did|do|does|was|were|is|are|have|has|had|would|could|should)nt\b")


@dataclass(frozen=True)
class Guard:
    """Keeps a question about fraud or complaints a question. Scope: "before" or "sentence"."""

    scope: str
    patterns: tuple[re.Pattern[str], ...]

    def holds(self, sentence: str, match: re.Match[str]) -> bool:
        if self.scope == "sentence":
            return any(p.search(sentence) for p in self.patterns)
        # Up to the match and up to its end: the condition may lie before or inside it.
        return any(p.search(sentence[:end]) for p in self.patterns
                   for end in (match.start(), match.end()))

    def holds_anywhere(self, text: str) -> bool:
        """Without a match to stand before, a condition before any word will do."""
        if self.scope == "sentence":
            return any(p.search(text) for p in self.patterns)
        ends = [m.end() for m in re.finditer(r"\w+", text)]
        return any(p.search(text[:end]) for p in self.patterns for end in ends)


@dataclass(frozen=True)
class Rule:
    """One row: fires when a pattern is found in a sentence and no guard holds."""

    id: str
    category: str
    language: str
    article: str
    patterns: tuple[re.Pattern[str], ...]
    guards: tuple[Guard, ...]
    first_step: int = 1

    def fires(self, sentence: str) -> bool:
        for pattern in self.patterns:
            for match in pattern.finditer(sentence):
                if not any(guard.holds(sentence, match) for guard in self.guards):
                    return True
        return False


@dataclass(frozen=True)
class Handoff:
    """Why a message goes to a person, and the article and step that it is told at once."""

    category: str
    rule: str
    article: str
    first_step: int = 1


@dataclass(frozen=True)
class IntentSupport:
    """An intent that hands over by itself from a confidence on, outside of questions."""

    intent: str
    confidence: float
    category: str
    article: str
    guards: tuple[Guard, ...]
    first_step: int = 1


class HandoffRules:
    """All rules, in order. Build once; safe to share between threads."""

    def __init__(self, path: Path = RULES) -> None:
        with path.open("rb") as file:
            table = tomllib.load(file)
        guards = {name: Guard(row["scope"], _compiled(row["patterns"], {}))
                  for name, row in table["guards"].items()}
        self.rules = tuple(
            Rule(row["id"], row["category"], row["language"], row["article"],
                 _compiled(row["patterns"], table["fragments"][row["language"]]),
                 tuple(guards[name] for name in row.get("unless", ())), row.get("first_step", 1))
            for row in table["rules"]
        )
        self.support = tuple(
            IntentSupport(row["intent"], row["confidence"], row["category"], row["article"],
                          tuple(guards[name] for name in row.get("unless", ())),
                          row.get("first_step", 1))
            for row in table["intents"]
        )

    def judge(self, message: str, language: str) -> Handoff | None:
        """The first rule that a sentence of ``message`` fires, in the order of the table.

        ``language`` other than "zh" is read with the English rules.
        """
        code = "zh" if language == "zh" else "en"
        parts = [normal(span.text) for span in sentences.split(message)]
        if len(parts) > 1:  # "It says I took out cash. I didn't!"
            parts.append(normal(message))
        for rule in self.rules:
            if rule.language == code:
                for part in parts:
                    if rule.fires(part):
                        return Handoff(rule.category, rule.id, rule.article, rule.first_step)
        return None

    def supported_by(self, intent: str, confidence: float, message: str) -> Handoff | None:
        """A hand-off on the intent alone; None for a hypothetical or general question."""
        text = normal(message)
        for row in self.support:
            sure = row.intent == intent and confidence >= row.confidence
            if sure and not any(guard.holds_anywhere(text) for guard in row.guards):
                return Handoff(row.category, f"intent:{intent}", row.article, row.first_step)
        return None


def normal(text: str) -> str:
    """Lower case, straight apostrophes ("didnt" gets its own) and single spaces."""
    text = text.lower().replace("’", "'").replace("‘", "'").replace("`", "'")
    text = _BARE_NOT.sub(r"\1n't", text)
    return re.sub(r"\s+", " ", text).strip()


def _compiled(patterns: list[str], fragments: dict[str, str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_expanded(pattern, fragments)) for pattern in patterns)


def _expanded(pattern: str, fragments: dict[str, str]) -> str:
    """Replace ``{name}`` by its fragment; ``{0,3}`` is a repetition and stays."""
    def fragment(match: re.Match[str]) -> str:
        return _expanded(fragments[match[1]], fragments)

    return re.sub(r"\{([a-z]+)\}", fragment, pattern)
