"""Grounded questions: a passage, a question, what counts as right, and the prompt.

A reply is right where it holds an accepted answer as whole words (English) or as a piece
of the text whose numbers are whole (Chinese), after normalisation. Where the passage does
not hold the answer, the reply is right if it says so. The answers are short and the reply
is one line of at most `MAX_NEW_TOKENS`, so that copying the passage does not pay.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

QUESTIONS = Path(__file__).resolve().parents[2] / "assets" / "samples" / "grounded_questions.json"
MAX_NEW_TOKENS = 40

SYSTEM = {
    "en": ("Answer the question from the passage alone, in a few words. If the passage does "
           "not hold the answer, write: The passage does not say."),
    "zh": "只根据短文回答问题，回答尽量简短。如果短文里没有答案，就回答：文中没有提到。",
}
USER = {
    "en": "Passage: {passage}\n\nQuestion: {question}",
    "zh": "短文：{passage}\n\n问题：{question}",
}
# Declining in other words than the prompt's is declining too.
_DECLINES = {
    "en": re.compile(
        r"\b(do|does|did)( not|n't) (say|state|mention|specify|provide|give|tell|indicate|hold|"
        r"contain|include|explicitly|directly)|\bnot (stated|mentioned|given|specified|provided|"
        r"known|in the passage|said|answered|available)|\bno (information|mention|answer)\b|"
        r"\b(cannot|can ?not|can't) be (answered|determined|known|said)|\bunknown\b"),
    "zh": re.compile(
        r"(没有?|未|并未)(明确|直接|具体)?(提到|提及|提供|说明|给出|说|写|提|涉及|介绍|指出)|"
        r"没有(答案|相关)|无法(回答|确定|得知|判断|知道)|不知道|不清楚"),
}
_ARTICLES = frozenset(("a", "an", "the"))
_TOKEN = re.compile(r"\d+(?:[.:]\d+)*|[^\W\d_]+")
_NUMERAL = "0-9零一二两三四五六七八九十百千万"


@dataclass(frozen=True)
class Question:
    """``answers`` is empty where the passage does not hold the answer."""

    id: str
    language: str
    passage: str
    question: str
    answers: tuple[str, ...]

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation that asks it. The passage comes first, so that the questions on
        one passage share the beginning of their prompts (prefix caching)."""
        user = USER[self.language].format(passage=self.passage, question=self.question)
        return [{"role": "system", "content": SYSTEM[self.language]},
                {"role": "user", "content": user}]

    def right(self, reply: str) -> bool:
        """Whether a model's reply is right."""
        if not self.answers:
            return declines(reply, self.language)
        return any(holds(reply, answer, self.language) for answer in self.answers)


def load_questions(path: Path = QUESTIONS) -> tuple[Question, ...]:
    """The questions of the file in its order."""
    passages = json.loads(path.read_text(encoding="utf-8"))["passages"]
    return tuple(
        Question(row["id"], passage["language"], passage["passage"], row["question"],
                 tuple(row["answers"]))
        for passage in passages for row in passage["questions"])


def digest(questions: tuple[Question, ...]) -> str:
    """Changes with every question, answer and prompt: results of other ones do not mix."""
    facts = [SYSTEM, USER, MAX_NEW_TOKENS,
             [(q.id, q.passage, q.question, q.answers) for q in questions]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


def words(text: str) -> list[str]:
    """Words and numbers in lower case, without articles, marks and thousands' commas."""
    text = _plain(text).replace("'", "").replace("%", " percent ")
    return [token for token in _TOKEN.findall(text) if token not in _ARTICLES]


def holds(text: str, answer: str, language: str) -> bool:
    """Whether ``text`` holds ``answer`` as whole words and whole numbers."""
    if language == "zh":
        return _chinese(answer).search(re.sub(r"\s+", "", _plain(text))) is not None
    sought, there = words(answer), words(text)
    return any(there[i:i + len(sought)] == sought for i in range(len(there) - len(sought) + 1))


def _chinese(answer: str) -> re.Pattern[str]:
    """Matches the answer; a number at its edge must not be a piece of a longer one."""
    answer = re.sub(r"\s+", "", _plain(answer))
    before = after = ""
    if re.match(f"[{_NUMERAL}]", answer):
        before = f"(?<![{_NUMERAL}])(?<![0-9][.:])"
    if re.search(f"[{_NUMERAL}]$", answer):
        after = f"(?![{_NUMERAL}]|[.:][0-9])"
    return re.compile(before + re.escape(answer) + after)


def declines(reply: str, language: str) -> bool:
    """Whether a reply says that the passage does not hold the answer."""
    return _DECLINES[language].search(_plain(reply)) is not None
