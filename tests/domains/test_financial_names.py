"""Names that no table has: found by their capitals, with or without spaCy's hint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.financial_sentiment.companies import mentions
from domains.financial_sentiment.names import names
from domains.financial_sentiment.tickers import TickerTable
from lepton_engine.results import Entity

ROOT = Path(__file__).resolve().parents[2]
TABLE = TickerTable.load()


def found(headline: str, **labels: str) -> list[str]:
    """The names; ``labels`` are spaCy's, by the text with "_" for a space."""
    named = [Entity(text, label, headline.index(text), headline.index(text) + len(text))
             for text, label in ((key.replace("_", " "), label) for key, label in labels.items())]
    return [headline[s:e] for s, e in names(TABLE.name_words, headline, named, ())]


@pytest.mark.parametrize(("headline", "expected"), [
    ("Tessaly's loss is Quorvo Systems's gain", ["Tessaly", "Quorvo Systems"]),
    ("Insurer Hannover Re drops Kestrel, says Jefferies", ["Hannover Re", "Kestrel", "Jefferies"]),
    ("Despite a strike, Smith & Nephew ships to B&M", ["Smith & Nephew", "B&M"]),
    ("Ex-McKesson boss joins Elliott-backed Saaba", ["McKesson", "Elliott", "Saaba"]),
    ("easyJet and 3i rise, eBay falls", ["easyJet", "eBay"]),
    ("BAE wins order from CAF", ["BAE", "CAF"]),
    ("Sainsbury's overtakes Asda", ["Sainsbury's", "Asda"]),
    ("Grupo de Inversiones buys Crédit du Nord", ["Grupo de Inversiones", "Crédit du Nord"]),
    ("Ørsted, Wärtsilä: no deal", ["Ørsted", "Wärtsilä"]),
    ("Anheuser-Busch's Bud Light slips", ["Anheuser-Busch"]),
    ("Italy's Enel cuts debt", ["Enel"]),
])
def test_runs_of_capitals_are_names(headline: str, expected: list[str]) -> None:
    assert found(headline) == expected


@pytest.mark.parametrize("headline", [
    "Profit falls in Germany on Monday", "The Fed and the European Central Bank hold rates",
    "SEC and FDA act", "U.S. consumers fear for jobs", "EU fines nobody", "S&P 500 and FTSE slip",
    "CEO Tim Cook sells stock", "Elon Musk and Trump talk", "Court of Appeal rules on Q3 IPO",
    "Order for F-16 and A320 jets", "See https://t.co/AYFcW9safO #BigTech @WhiteHouse",
    "(NASDAQ: ABCD) (XYZ)", "NEW: oil slides", "Market Update: Better Buy", "", "🚀 -5% S$350",
])
def test_what_else_has_a_capital_is_no_company(headline: str) -> None:
    assert found(headline) == []


def test_in_title_case_a_name_needs_spacy_and_no_ordinary_word() -> None:
    headline = "Kodiak Trucks Shares Slump As Paccar Gains In Slight Recession"
    assert found(headline) == []
    assert found(headline, Paccar_Gains="ORG", Kodiak="GPE") == ["Kodiak Trucks", "Paccar"]
    assert found("NORDEX AND VALMET SOAR", NORDEX="PERSON", VALMET="ORG") == ["NORDEX", "VALMET"]


def test_spacys_organisation_may_be_named_after_a_place() -> None:
    assert found("Rail regulator snubs Canadian Pacific") == []
    assert found("Rail regulator snubs Canadian Pacific", Canadian_Pacific="ORG") == [
        "Canadian Pacific"]
    assert found("Troops leave the Middle East", Middle_East="ORG") == []


@pytest.mark.parametrize("headline", [
    "Cintas Corporation (NASDAQ: CTAS) jumps", "$GTX: Garrett Motion withdraws guidance",
    "$EXP - Eagle Materials declares dividend",
])
def test_a_name_beside_its_symbol_is_one_company(headline: str) -> None:
    assert len(mentions(TABLE, headline, ())) == 1


def test_a_text_that_is_not_english_has_the_tables_names_only() -> None:
    headline = "Der Umsatz von Nvidia und Zalando steigt"
    assert [m.ticker for m in mentions(TABLE, headline, None)] == ["NVDA"]


def test_the_names_of_the_training_headlines_are_found_without_spacy() -> None:
    """The list that the rules were tuned on; the judging set is in the integration tests."""
    hits = extra = count = 0
    for path in sorted((ROOT / "assets" / "training").glob("finance_entities*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            texts = [m.text for m in mentions(TABLE, row["headline"], ())]
            wanted = [entity["name"] for entity in row["entities"]]
            near = [t for t in texts if any(t in name or name in t for name in wanted)]
            count += len(wanted)
            hits += sum(any(t in name or name in t for t in texts) for name in wanted)
            extra += len(texts) - len(near)
    print(f"{hits} of {count} names, {extra} others")
    assert hits / count >= 0.93
    assert extra / count <= 0.05


@given(st.text(max_size=80))
def test_any_text_gives_names_in_order_that_do_not_overlap(text: str) -> None:
    at = 0
    for start, end in names(TABLE.name_words, text, (), ()):
        assert at <= start < end <= len(text)
        at = end
