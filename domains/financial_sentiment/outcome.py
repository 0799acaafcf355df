"""What the domain hands back; ``to_json`` of each is the payload of API and views."""

from __future__ import annotations

from dataclasses import dataclass, field

from domains.base import Outcome


@dataclass(frozen=True, kw_only=True)
class Row(Outcome):
    """One headline and one of its entities, or a headline that names none.

    ``number`` is the headline's place in the input, from 1; ``entity`` is
    ``headline[entity_start:entity_end]``, None where there is none, and ``ticker`` is None
    where the entity has none. ``score`` is P(positive) - P(negative), -1..1, for this entity:
    of several companies each is asked about by itself, and ``read_as`` is the text that the
    model then read (None: the headline as it is). Label, score and probabilities are None
    where the decision is not ``answered``.
    """

    number: int
    headline: str
    entity: str | None = None
    entity_start: int | None = None
    entity_end: int | None = None
    ticker: str | None = None
    company: str | None = None
    label: str | None = None
    score: float | None = None
    probabilities: dict[str, float] | None = None
    language: str = "en"
    read_as: str | None = None
    published_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class SentimentOutcome(Outcome):
    """All rows in input order, and ``index``: ticker -> mean score of its labelled rows.

    ``headlines`` of ``total`` are done; they differ only while a stream runs. ``sample``
    says that the headlines are the bundled, invented ones; ``ignored`` names the columns of
    a file that were not read.
    """

    rows: tuple[Row, ...]
    index: dict[str, float]
    headlines: int
    total: int
    sample: bool = False
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Influence:
    """``change``: the score minus the score without ``headline[start:end]``."""

    word: str
    start: int
    end: int
    change: float

    def to_dict(self) -> dict[str, str | int | float]:
        return {"word": self.word, "start": self.start, "end": self.end, "change": self.change}


@dataclass(frozen=True, kw_only=True)
class Explanation(Outcome):
    """Which words' removal changes a score most: of ``entity``, or of the whole headline.

    ``words`` in order of place: the first ``len(words)`` of ``word_count`` were tried. The
    names of the companies are not left out where ``read_as`` hides them.
    """

    headline: str
    entity: str | None = None
    read_as: str | None = None
    label: str | None = None
    score: float | None = None
    words: tuple[Influence, ...] = field(default=())
    word_count: int = 0
