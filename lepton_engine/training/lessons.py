"""What a person wants to teach: labelled texts, checked, and the trunk that can read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lepton_engine.catalog import catalogue
from lepton_engine.errors import InputError, LimitError
from lepton_engine.language import detect, is_english
from lepton_engine.text import clean

MAX_ROWS = 5_000
MAX_CLASSES = 100
LEAST_PER_CLASS = 8
MAX_CHARACTERS = 4_000
MAX_LABEL_CHARACTERS = 100
ENGLISH, MULTILINGUAL = "minilm-l6", "use-multilingual"
#: More than this of another language is no accident of the detector.
FOREIGN_SHARE = 0.05
#: So many texts tell a set's languages; the detector reads a few hundred a second.
READ_FOR_LANGUAGE = 500
_NAMED = 5  # rows or classes that a sentence names


@dataclass(frozen=True)
class Lesson:
    """Cleaned texts with their labels; ``rows`` are their numbers in the input, from 1.

    ``dropped`` counts the exact duplicates that were left out.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    dropped: int

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, each once, sorted."""
        return tuple(sorted(set(self.labels)))


@dataclass(frozen=True)
class Reader:
    """The trunk for a set of texts. ``foreign`` counts texts that it does not read, of the
    ``read`` texts whose language was looked at."""

    trunk: str
    languages: tuple[str, ...]
    foreign: int
    read: int


def lesson(texts: Sequence[str], labels: Sequence[str]) -> Lesson:
    """Texts and labels that a classifier can be taught from. Rows count from 1.

    Raises:
        InputError: no lists of texts, of unlike length, an empty row, fewer than two labels, a
            label with fewer than 8 examples, or one text under two labels.
        LimitError: more than 5,000 rows, 100 labels, or 4,000 characters in a text.
    """
    _check_kinds(texts, labels)
    rows = [(_line(text), _line(label)) for text, label in zip(texts, labels, strict=True)]
    _check_empty(rows)
    _check_sizes(rows)
    kept: dict[str, int] = {}
    for place, (text, label) in enumerate(rows):
        first = kept.setdefault(text, place)
        if rows[first][1] != label:
            raise InputError(_conflicts(rows))
    found = Lesson(tuple(rows[i][0] for i in kept.values()),
                   tuple(rows[i][1] for i in kept.values()),
                   tuple(i + 1 for i in kept.values()), len(rows) - len(kept))
    _check_least(found)
    return found


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _check_kinds(texts: Sequence[str], labels: Sequence[str]) -> None:
    for name, values in (("texts", texts), ("labels", labels)):
        if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
            raise InputError(f"`{name}` must be a list of texts.")
        for number, value in enumerate(values, 1):
            if not isinstance(value, str):
                raise InputError(f"Row {number} of `{name}` is not a text but a "
                                 f"{type(value).__name__}.")
    if len(texts) != len(labels):
        raise InputError(f"There are {len(texts):,} texts but {len(labels):,} labels. Each text "
                         "needs one label.")
    if not texts:
        raise InputError(f"There is no example. Give at least {LEAST_PER_CLASS} for each label.")


def _check_empty(rows: Sequence[tuple[str, str]]) -> None:
    for place, name in enumerate(("text", "label")):
        empty = [number for number, row in enumerate(rows, 1) if not row[place]]
        if empty:
            many = f"{len(empty):,} rows have" if len(empty) > 1 else "One row has"
            raise InputError(f"{many} no {name} (row {_listed(empty)}). Fill it in or take the "
                             "row out.")


def _check_sizes(rows: Sequence[tuple[str, str]]) -> None:
    """Labels first: ten thousand of them mean that the wrong column was taken."""
    names = {label for _, label in rows}
    if len(names) > MAX_CLASSES:
        raise LimitError(f"There are {len(names):,} different labels; at most {MAX_CLASSES} are "
                         "taught. Check whether the column “label” really holds the labels.")
    if len(rows) > MAX_ROWS:
        raise LimitError(f"There are {len(rows):,} rows; at most {MAX_ROWS:,} are taught. Take a "
                         "part of them.")
    if len(names) < 2:
        raise InputError("Every row has the same label. A classifier needs at least two: add "
                         f"{LEAST_PER_CLASS} or more rows of another.")
    for number, (text, label) in enumerate(rows, 1):
        for what, value, most in (("text", text, MAX_CHARACTERS),
                                  ("label", label, MAX_LABEL_CHARACTERS)):
            if len(value) > most:
                raise LimitError(f"The {what} of row {number} has {len(value):,} characters; at "
                                 f"most {most:,} are read. Shorten it.")


def _conflicts(rows: Sequence[tuple[str, str]]) -> str:
    """Names the texts by their rows and labels, never by their words."""
    places: dict[str, dict[str, int]] = {}
    for number, (text, label) in enumerate(rows, 1):
        places.setdefault(text, {}).setdefault(label, number)
    twice = [found for found in places.values() if len(found) > 1]
    shown = "; ".join(" and ".join(f"row {number} “{label[:40]}”"
                                   for label, number in list(found.items())[:3])
                      for found in twice[:_NAMED])
    more = "; …" if len(twice) > _NAMED else ""
    many = "One text stands" if len(twice) == 1 else f"{len(twice):,} texts stand"
    return f"{many} under more than one label: {shown}{more}. Decide for one label each."


def _check_least(found: Lesson) -> None:
    counts = Counter(found.labels)
    lacking = [f"“{name[:40]}” has {counts[name]}" for name in found.names
               if counts[name] < LEAST_PER_CLASS]
    if lacking:
        told = (f" ({found.dropped:,} exact duplicates are not counted)" if found.dropped else "")
        raise InputError(f"Every label needs at least {LEAST_PER_CLASS} different examples: "
                         f"{_listed(lacking)}{told}. Add some, or leave the label out.")


def _listed(values: Iterable[object]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown[:_NAMED]) + (", …" if len(shown) > _NAMED else "")


def reader_of(texts: Sequence[str]) -> Reader:
    """The trunk that knows the texts' languages: the English one unless more than a small
    share is in another language, then the multilingual one.

    Raises:
        InputError: more than a small share is in a language that no trunk knows.
    """
    step = max(1, -(-len(texts) // READ_FOR_LANGUAGE))
    codes = Counter(detect(text) for text in texts[::step])
    read = sum(codes.values())
    foreign = sum(n for code, n in codes.items() if not is_english(code))
    if foreign <= FOREIGN_SHARE * read:
        return Reader(ENGLISH, ("en",), foreign, read)
    known = tuple(catalogue().resolve(MULTILINGUAL).languages)
    strange = {code: n for code, n in codes.items() if code not in known and not is_english(code)}
    if sum(strange.values()) > FOREIGN_SHARE * read:
        worst = max(strange, key=lambda code: strange[code])
        raise InputError(f"{strange[worst]:,} of {read:,} texts are in a language that no model "
                         f"here knows ({worst}). It can be taught texts in {', '.join(known)}.")
    return Reader(MULTILINGUAL, known, sum(strange.values()), read)
