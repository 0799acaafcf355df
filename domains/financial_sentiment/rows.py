"""From a headline's entities and its label to rows, each with its reason and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domains.base import Decision
from domains.financial_sentiment.companies import MOST_ASKED, readings
from domains.financial_sentiment.headlines import Headline
from domains.financial_sentiment.outcome import Row
from domains.financial_sentiment.tickers import Mention
from domains.shared.markup import three
from domains.shared.texts import Texts
from lepton_engine.language import is_english
from lepton_engine.results import Classification, Evidence, Stamp

ADAPTER = "finance-sentiment"


@dataclass(frozen=True)
class Card:
    """What the head's card says about held-out headlines; None where it does not.

    ``threshold`` is the least probability of an accepted label, ``coverage`` the share of
    headlines that pass it, ``error`` the share of wrong labels among those, ``n`` how many
    headlines were held out.
    """

    name: str
    threshold: float | None
    coverage: float | None
    error: float | None
    n: int | None
    accuracy: Mapping[str, float]

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Card:
        at, scores = card.get("at_threshold") or {}, card.get("scores") or {}
        least = card.get("threshold")
        return cls(str(card.get("name") or ADAPTER),
                   float(least) if isinstance(least, (int, float)) else None,
                   at.get("coverage"), at.get("error"), at.get("n") or scores.get("n"),
                   scores.get("accuracy") or {})

    def refusal(self, say: Texts, lang: str, label: Classification) -> str:
        """Why a label was not accepted, and what the threshold does on held-out data."""
        said = say(lang, "reason.threshold", label=say(lang, f"label.{label.label}"),
                   confidence=three(label.confidence), threshold=three(self.threshold))
        if self.coverage is None or self.error is None:
            return said
        key = "reason.threshold_card" if self.n else "reason.threshold_card_plain"
        return f"{said} " + say(lang, key, n=f"{self.n or 0:,}", error=percent(self.error),
                                coverage=percent(self.coverage))

    def evidence(self, say: Texts, lang: str) -> tuple[Evidence, ...]:
        """The accuracy on held-out headlines, or nothing where the card has none."""
        if not {"value", "low", "high"} <= set(self.accuracy):
            return ()
        shown = {key: three(self.accuracy[key]) for key in ("value", "low", "high")}
        key = "evidence.card_quote" if self.n else "evidence.card_quote_plain"
        return (Evidence(
            source=say(lang, "evidence.card"), address="", score=float(self.accuracy["value"]),
            title=say(lang, "evidence.card_title", name=self.name),
            quote=say(lang, key, n=f"{self.n or 0:,}", **shown)),)


def percent(share: float) -> str:
    """0.0437 -> "4.37 %"."""
    return three(share * 100, "%")


def score_of(label: Classification) -> float:
    """P(positive) - P(negative), -1..1."""
    return float(label.probabilities["positive"]) - float(label.probabilities["negative"])


def rows_of(say: Texts, number: int, headline: Headline, found: Sequence[Mention],
            language: str, labels: Sequence[Classification], card: Card | None,
            rules: Stamp) -> list[Row]:
    """One row for each mention, or one without entity.

    ``labels`` has one for each of ``readings(headline, found)``, or none: not English.
    ``rules`` is the stamp of a row that no model has seen.
    """
    lang = "zh" if language == "zh" else "en"
    read = readings(headline.text, found) if labels else (headline.text,)
    common: dict[str, Any] = {
        "number": number, "headline": headline.text, "published_at": headline.published_at,
        "language": language if not is_english(language) else "en", "stamp": rules}
    rows = []
    for place, mention in enumerate(found or (None,)):
        which = place if len(read) > 1 else 0
        label = labels[which] if labels else None
        labelled = label if label is not None and label.accepted else None
        rows.append(Row(
            **common | _scored(label) | _entity(mention),
            decision=Decision.ANSWERED if labelled else Decision.ABSTAINED,
            reason=_reason(say, lang, mention, len(found), language, label, card),
            evidence=_evidence(say, lang, headline.text, mention, len(read), labelled),
            read_as=read[which] if len(read) > 1 else None))
    return rows


def _scored(label: Classification | None) -> dict[str, Any]:
    """What the model said; a label that is not accepted leaves its confidence only."""
    if label is None:
        return {}
    said: dict[str, Any] = {"stamp": label.stamp, "confidence": float(label.confidence)}
    if label.accepted:
        said |= {"label": label.label, "score": score_of(label), "probabilities": {
            name: float(p) for name, p in label.probabilities.items()}}
    return said


def _entity(mention: Mention | None) -> dict[str, Any]:
    if mention is None:
        return {}
    return {"entity": mention.text, "entity_start": mention.start, "entity_end": mention.end,
            "ticker": mention.ticker or None, "company": mention.company or None}


def _reason(say: Texts, lang: str, mention: Mention | None, names: int, language: str,
            label: Classification | None, card: Card | None) -> str:
    if label is None:
        known = f"language.{language}"
        return say(lang, "reason.language",
                   language=say(lang, known if known in say else "language.other"))
    if card is not None and not label.accepted:
        parts = [card.refusal(say, lang, label)]
    else:
        parts = [say(lang, "reason.answered", positive=three(label.probabilities["positive"]),
                     negative=three(label.probabilities["negative"]),
                     score=signed(score_of(label)))]
    if mention is None:
        return " ".join([*parts, say(lang, "reason.no_entity")])
    key = "only" if names == 1 else "own" if names <= MOST_ASKED else "many"
    return " ".join([*parts, say(lang, f"reason.{key}", entity=mention.text, n=MOST_ASKED)])


def summary(say: Texts, lang: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """What became of the rows, in a sentence or three; ``rows`` as JSON."""
    headlines = {row["number"] for row in rows}
    refused = [row for row in rows if row["label"] is None]
    foreign = sum(row["language"] != "en" for row in refused)
    counted = say(lang, "reason.rows_one" if len(rows) == 1 else "reason.rows_many", n=len(rows))
    parts = [say(lang, "reason.all_one" if len(headlines) == 1 else "reason.all", rows=counted,
                 headlines=len(headlines), done=len(rows) - len(refused))]
    if foreign:
        parts.append(say(lang, "reason.refused_language", n=foreign))
    if len(refused) > foreign:
        parts.append(say(lang, "reason.refused_threshold", n=len(refused) - foreign))
    return ("" if lang == "zh" else " ").join(parts)


def signed(value: float) -> str:
    """Three significant digits with a sign, three decimals near 0: "+0.812", "−0.006", "0"."""
    shown = f"{abs(value):.3f}" if abs(value) < 0.01 else three(abs(value))
    return f"{'+' if value > 0 else '−'}{shown}" if float(shown) else "0"


def _evidence(say: Texts, lang: str, text: str, mention: Mention | None, readings: int,
              label: Classification | None) -> tuple[Evidence, ...]:
    """A label rests on the whole headline, a refusal on no words of it; then the company."""
    evidence: tuple[Evidence, ...] = ()
    if label is not None:
        own = mention is not None and readings > 1
        title = (say(lang, "evidence.own", entity=mention.text) if mention and own
                 else say(lang, "evidence.whole"))
        evidence = (Evidence(source=say(lang, "evidence.headline"), title=title, address="",
                             quote=text, score=float(label.confidence), passage=text, start=0,
                             end=len(text)),)
    return evidence + (_listed(say, lang, text, mention) if mention else ())


def _listed(say: Texts, lang: str, text: str, mention: Mention) -> tuple[Evidence, ...]:
    """The words that name a listed company. The match is exact, so its score is 1."""
    if not mention.company:
        return ()
    return (Evidence(source=say(lang, "evidence.table"), address="", score=1.0,
                     title=say(lang, "evidence.company", company=mention.company,
                               ticker=mention.ticker),
                     quote=mention.text, passage=text, start=mention.start, end=mention.end),)
