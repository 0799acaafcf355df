"""From a headline's entities and its label to rows, each with its reason and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domains.base import Decision
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
            language: str, label: Classification | None, card: Card | None,
            rules: Stamp) -> list[Row]:
    """One row for each mention, or one without entity. ``label`` None: not English.

    ``rules`` is the stamp of a row that no model has seen.
    """
    lang = "zh" if language == "zh" else "en"
    labelled = label if label is not None and label.accepted else None
    common: dict[str, Any] = {
        "number": number, "headline": headline.text, "published_at": headline.published_at,
        "language": language if not is_english(language) else "en", "shared": max(1, len(found)),
        "decision": Decision.ANSWERED if labelled else Decision.ABSTAINED,
        "confidence": float(label.confidence) if label else None,
        "stamp": label.stamp if label else rules,
        "reason": _reason(say, lang, len(found), language, label, card),
    }
    if labelled:
        common |= {"label": labelled.label, "score": score_of(labelled), "probabilities": {
            name: float(p) for name, p in labelled.probabilities.items()}}
    whole = _whole(say, lang, headline.text, labelled)
    if not found:
        return [Row(**common, evidence=whole)]
    return [Row(**common, entity=m.text, entity_start=m.start, entity_end=m.end,
                ticker=m.ticker or None, company=m.company or None,
                evidence=whole + _listed(say, lang, headline.text, m)) for m in found]


def _reason(say: Texts, lang: str, names: int, language: str, label: Classification | None,
            card: Card | None) -> str:
    if label is None:
        known = f"language.{language}"
        return say(lang, "reason.language",
                   language=say(lang, known if known in say else "language.other"))
    if card is not None and not label.accepted:
        return card.refusal(say, lang, label)
    parts = [say(lang, "reason.answered", positive=three(label.probabilities["positive"]),
                 negative=three(label.probabilities["negative"]), score=signed(score_of(label)))]
    if names > 1:
        parts.append(say(lang, "reason.shared", n=names))
    elif not names:
        parts.append(say(lang, "reason.no_entity"))
    return " ".join(parts)


def summary(say: Texts, lang: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """What became of the headlines, in a sentence or three; ``rows`` as JSON."""
    headlines = {row["number"]: row for row in rows}
    refused = [row for row in headlines.values() if row["label"] is None]
    foreign = sum(row["language"] != "en" for row in refused)
    counted = say(lang, "reason.rows_one" if len(rows) == 1 else "reason.rows_many", n=len(rows))
    parts = [say(lang, "reason.all_one" if len(headlines) == 1 else "reason.all", rows=counted,
                 headlines=len(headlines), done=len(headlines) - len(refused))]
    if foreign:
        parts.append(say(lang, "reason.refused_language", n=foreign))
    if len(refused) > foreign:
        parts.append(say(lang, "reason.refused_threshold", n=len(refused) - foreign))
    return ("" if lang == "zh" else " ").join(parts)


def signed(value: float) -> str:
    """Three significant digits with a sign: "+0.812", "−0.4", "0"."""
    if value == 0:
        return "0"
    return f"{'+' if value > 0 else '−'}{three(abs(value))}"


def _whole(say: Texts, lang: str, text: str,
           label: Classification | None) -> tuple[Evidence, ...]:
    """A label rests on the whole headline; a refusal rests on no words of it."""
    if label is None:
        return ()
    return (Evidence(source=say(lang, "evidence.headline"), title=say(lang, "evidence.whole"),
                     address="", quote=text, score=float(label.confidence), passage=text,
                     start=0, end=len(text)),)


def _listed(say: Texts, lang: str, text: str, mention: Mention) -> tuple[Evidence, ...]:
    """The words that name a listed company. The match is exact, so its score is 1."""
    if not mention.company:
        return ()
    return (Evidence(source=say(lang, "evidence.table"), address="", score=1.0,
                     title=say(lang, "evidence.company", company=mention.company,
                               ticker=mention.ticker),
                     quote=mention.text, passage=text, start=mention.start, end=mention.end),)
