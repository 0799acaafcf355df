"""Pairs from which an encoder learns lay wording without lay data: MedQuAD and Banking77.

MedQuAD's questions name the condition, so a query is made of what its answers say: a sentence
about signs with the condition's name taken out, doctors' words replaced by everyday ones
(``assets/training/lay_words.toml``, and the data's own glosses such as "fatigue (tiredness)"),
told as a person tells it, some with a question behind. What it should find is the beginning of
another answer about the same condition, or of the same one without that sentence.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from lepton_engine import sentences
from lepton_engine.errors import InputError
from lepton_engine.text import clean
from lepton_engine.training.data import Labelled, Split, near_duplicates, split_by_group

LAY_WORDS = Path(__file__).resolve().parents[2] / "assets" / "training" / "lay_words.toml"
#: Answers of these say in their sentences what one notices.
TELLING = ("symptoms", "information", "causes", "complications")
#: A passage is cut here for training: about 96 sub-words.
PASSAGE_CHARACTERS = 400
_SENTENCE = range(40, 260)
#: Sentences that tell nothing of a condition, or nothing that one notices.
_BOILERPLATE = re.compile(
    r"phenotype ontology|medlineplus|table below|summary is about|clinical trial|orphanet|"
    r"these resources|health care provider|listed below|for more information|web ?site|sign or "
    r"symptom|frequenc|percent|\d+%|\bgenes?\b|chromosom|mutation|protein|autosomal", re.IGNORECASE)
#: These collect rare conditions, which outnumber the common ones.
_RARE = frozenset({"GARD", "GHR"})
_COMMON_SHARE = 0.6
_LISTED = re.compile(r"Approximate number of patients \(when available\)(.*)$")
#: What a person asks, by MedQuAD's type of question.
ASKS: Mapping[str, tuple[str, ...]] = {
    "treatment": ("what helps?", "can it be cured?", "what do doctors do about it?",
                  "is there a pill for it?", "what can i do at home?"),
    "causes": ("where does that come from?", "why do i have this?", "what brings it on?"),
    "exams and tests": ("which test shows it?", "how do they find out?",
                        "what will the doctor do?"),
    "prevention": ("how do i keep from getting it?", "can i stop it coming back?"),
    "outlook": ("will it get better?", "how bad can it get?", "how long does it last?"),
    "inheritance": ("will my kids get it?", "does it run in families?"),
    "susceptibility": ("who gets this?", "am i at risk?"),
    "complications": ("what happens if i leave it?",),
    "symptoms": ("what could it be?", "is that normal?", "should i worry?"),
    "information": ("what is it?", "what do i have?", "what could this be?"),
}
_TOLD = (
    (re.compile(r"\b(?:affected|most|some|many) (?:individuals|people|children|patients|infants)"
                r"(?: with (?:this condition|it))?\b", re.IGNORECASE), ("i", "my son", "she")),
    (re.compile(r"\b(?:individuals|people|children|patients|infants|those) with "
                r"(?:this condition|it)\b", re.IGNORECASE), ("i", "my daughter", "he")),
    (re.compile(r"\b(?:the )?(?:common |other |early |main )?(?:signs and symptoms|symptoms|signs)"
                r"(?: of (?:this condition|it))?(?: can| may| often| usually)? "
                r"(?:include|are|is)\b:?", re.IGNORECASE), ("i have", "he has", "")),
    (re.compile(r"\b(?:may|can|might|often|usually|typically|frequently|generally)\b ?",
                re.IGNORECASE), ("",)),
)
_GLOSS = re.compile(r"([A-Za-z-]+(?: [A-Za-z-]+)?) \(([^()]{3,40})\)")


@dataclass(frozen=True)
class Answer:
    """One row of MedQuAD with white space made single; ``focus`` is lower case."""

    focus: str
    kind: str
    question: str
    text: str
    source: str

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        return tuple(span.text for span in sentences.split(self.text))


@dataclass(frozen=True)
class Pair:
    """What is asked and what it should find; pairs of one ``group`` are no negatives."""

    query: str
    passage: str
    group: str


def number_of(focus: str) -> int:
    """What the split by condition is made from."""
    return int(hashlib.sha256(focus.strip().lower().encode()).hexdigest(), 16)


def is_held_out(focus: str) -> bool:
    """A fifth of the conditions: never trained on."""
    return number_of(focus) % 5 == 0


def is_for_choices(focus: str) -> bool:
    """An eighth of the other conditions: not trained on, what is chosen is chosen on them."""
    return not is_held_out(focus) and number_of(focus) // 5 % 8 == 0


def read_answers(folder: Path) -> list[Answer]:
    """MedQuAD in the file's order. Raises InputError when it is not in the folder."""
    path = folder / "medquad" / "medquad.jsonl.gz"
    if not path.is_file():
        raise InputError("medquad/medquad.jsonl.gz is not in the folder given by --data.")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [Answer(row["focus"].strip().lower(), row["type"], _plain(row["question"]),
                       _plain(row["answer"]), row["source"])
                for row in map(json.loads, lines) if row["focus"]]


def _plain(text: str) -> str:
    return " ".join(clean(text).split())


def beginning(text: str, most: int) -> str:
    """At most so many characters, cut between words."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0]


@lru_cache(maxsize=1)
def lay_words() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """A pattern of all terms, longer ones first, and what people say instead."""
    table: dict[str, list[str]] = tomllib.loads(LAY_WORDS.read_text(encoding="utf-8"))
    terms = sorted(table, key=len, reverse=True)
    return re.compile(r"\b(" + "|".join(map(re.escape, terms)) + r")\b", re.IGNORECASE), table


def masked(text: str, focus: str, instead: str = "this condition") -> str:
    """The text without the condition's name, its short forms and its acronym."""
    bare = re.sub(r"\s*\([^)]*\)", "", focus).strip()
    short = re.sub(r" (?:syndrome|disease|disorder|cancer)s?$", "", bare)
    names = sorted({focus, bare, short, bare.removesuffix("s")} - {""}, key=len, reverse=True)
    found = re.sub(rf"\b(?:{'|'.join(map(re.escape, names))})(?:'?s)?(?!\w)", instead, text,
                   flags=re.IGNORECASE)
    acronym = "".join(word[0] for word in re.findall(r"[a-z]+", bare)).upper()
    if len(acronym) > 1:
        found = re.sub(rf"\b{acronym}s?\b", instead, found)
    return re.sub(rf"{instead} \({instead}\)", instead, found)


def in_lay_words(text: str, draw: random.Random) -> str:
    """Reworded as a person tells it; every replacement is drawn."""
    text = re.sub(r"\([^()]*\)", "", _GLOSS.sub(lambda m: m[draw.choice((1, 2))], text))
    for pattern, instead in _TOLD:
        if draw.random() < 0.8:
            text = pattern.sub(draw.choice(instead), text)
    pattern, table = lay_words()
    text = pattern.sub(
        lambda m: draw.choice(table[m[0].lower()]) if draw.random() < 0.75 else m[0], text)
    text = " ".join(text.split()).strip(" .,;:")
    return text.lower() if draw.random() < 0.7 else text


def by_condition(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Conditions in a fixed order, each with its answers, none twice."""
    found: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.text and all(answer.text != other.text for other in found[answer.focus]):
            found[answer.focus].append(answer)
    return dict(sorted(found.items()))


def described(own: Sequence[Answer], draw: random.Random) -> Pair | None:
    """What one notices, in lay words, and a passage of the condition; None without any."""
    telling = [(answer, line) for answer in own for line in _told(answer)]
    if not telling:
        return None
    answer, line = draw.choice(telling)
    others = [other for other in own if other is not answer
              and not _BOILERPLATE.search(other.text[:250])]
    target = draw.choice(others) if others and draw.random() < 0.7 else answer
    passage = target.text.replace(line, " ")
    if _BOILERPLATE.search(passage[:250]):
        return None
    query = in_lay_words(masked(line, answer.focus, draw.choice(("it", "this", ""))), draw)
    asks = ASKS.get(target.kind, ASKS["symptoms"])
    if draw.random() < 0.5:
        query = f"{beginning(query, 160)}, {draw.choice(asks)}"
    if draw.random() < 0.3:
        passage = masked(passage, answer.focus)
    return Pair(query, beginning(_plain(passage), PASSAGE_CHARACTERS), answer.focus)


def _told(answer: Answer) -> list[str]:
    """The sentences of an answer that tell what one notices; a table of signs is one."""
    if answer.kind not in TELLING:
        return []
    if listed := _LISTED.search(answer.text):
        signs = [part.strip(" -") for part in re.split(r"\d+%| - ", listed[1])]
        signs = [sign for sign in signs if 4 < len(sign) < 40][:12]
        return [", ".join(signs[start:start + 3]) for start in range(0, len(signs) - 2, 3)]
    return [line for line in answer.sentences if len(line) in _SENTENCE and line[-1] != "?"
            and not _BOILERPLATE.search(line)]


def named(own: Sequence[Answer], draw: random.Random) -> Pair:
    """A question of the data with its own answer's beginning."""
    answer = draw.choice(own)
    return Pair(answer.question, beginning(answer.text, PASSAGE_CHARACTERS), answer.focus)


def medical_pairs(answers: Sequence[Answer], count: int, seed: int,
                  share_named: float = 0.3) -> list[Pair]:
    """So many pairs; three in five are about conditions that are not rare."""
    draw = random.Random(seed)  # noqa: S311
    conditions = by_condition(answers)
    common = [own for own in conditions.values() if any(a.source not in _RARE for a in own)]
    rare = [own for own in conditions.values() if all(a.source in _RARE for a in own)]
    found: dict[Pair, None] = {}
    for _ in range(20 * count):
        if len(found) == count:
            break
        often = common and (not rare or draw.random() < _COMMON_SHARE)
        own = draw.choice(common if often else rare)
        pair = named(own, draw) if draw.random() < share_named else described(own, draw)
        if pair is not None and min(len(pair.query), len(pair.passage)) >= 12:
            found[pair] = None
    return list(found)


def bank_pairs(rows: Labelled, count: int, seed: int) -> list[Pair]:
    """Two queries of one intent."""
    draw = random.Random(seed)  # noqa: S311
    by_intent: dict[str, list[str]] = defaultdict(list)
    for text, label in zip(rows.texts, rows.labels, strict=True):
        by_intent[label].append(text)
    intents = sorted(intent for intent, texts in by_intent.items() if len(texts) > 1)
    found = []
    for number in range(count):
        intent = intents[number % len(intents)]
        query, passage = draw.sample(by_intent[intent], 2)
        found.append(Pair(query, passage, intent))
    return found


def bank_split(rows: Labelled, embed: Callable[[Sequence[str]], np.ndarray]) -> Split:
    """By near-duplicate group, stratified by intent: the split of `bank-intent` with seed 0."""
    names = sorted(set(rows.labels))
    truth = np.array([names.index(label) for label in rows.labels])
    return split_by_group(truth, near_duplicates(rows.texts, embed(rows.texts)), 0)
