"""What the domain hands back; ``to_json`` of each is the payload of API and views."""

from __future__ import annotations

from dataclasses import dataclass, field

from domains.base import Outcome


@dataclass(frozen=True, kw_only=True)
class Row(Outcome):
    """One headline and one of its entities, or a headline that names none.

    ``number`` is the headline's place in the input, from 1; ``entity`` is
    ``headline[entity_start:entity_end]``, None where there is none, and ``ticker`` is None
    where the entity has none. ``score`` is P(positive) - P(negative), -1..1, and is the
    headline's: ``shared`` says how many entities bear the same one. Label, score and
    probabilities are None where the decision is not ``answered``.
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
    shared: int = 1
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
    """``change``: the headline's score minus its score without ``headline[start:end]``."""

    word: str
    start: int
    end: int
    change: float

    def to_dict(self) -> dict[str, str | int | float]:
        return {"word": self.word, "start": self.start, "end": self.end, "change": self.change}


@dataclass(frozen=True, kw_only=True)
class Explanation(Outcome):
    """Which words' removal changes a headline's score most.

    ``words`` in order of place: the first ``len(words)`` of ``word_count`` were tried.
    """

    headline: str
    label: str | None = None
    score: float | None = None
    words: tuple[Influence, ...] = field(default=())
    word_count: int = 0
