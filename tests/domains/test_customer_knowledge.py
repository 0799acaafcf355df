"""The help articles: enough of them, long enough, apart from each other, alike in facts."""

from __future__ import annotations

import itertools
import json
import re

from domains.customer_service.knowledge import FOLDER, Articles, first_steps

ARTICLES = Articles.load()
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_both_languages_have_the_same_articles() -> None:
    english, chinese = ARTICLES.by_language["en"], ARTICLES.by_language["zh"]
    assert list(english) == list(chinese)
    assert len(english) >= 40


def test_bodies_are_long_enough_and_have_steps() -> None:
    for article in ARTICLES.by_language["en"].values():
        assert len(article.body.split()) >= 120, article.id
        assert 3 <= len(article.steps) <= 6, article.id
    for article in ARTICLES.by_language["zh"].values():
        assert len(re.findall(r"[一-鿿]", article.body)) >= 200, article.id


def test_no_two_articles_share_a_fifth_of_their_five_word_sequences() -> None:
    grams = {}
    for article in ARTICLES.by_language["en"].values():
        words = re.findall(r"[\w']+", article.text.lower())
        grams[article.id] = {tuple(words[i:i + 5]) for i in range(len(words) - 4)}
    for one, other in itertools.combinations(grams, 2):
        shared = len(grams[one] & grams[other]) / min(len(grams[one]), len(grams[other]))
        assert shared <= 0.2, (one, other, shared)


def test_every_number_of_an_english_article_stands_in_the_chinese_one() -> None:
    for article in ARTICLES.by_language["en"].values():
        other = ARTICLES.get(article.id, "zh")
        missing = (set(NUMBER.findall(article.text.replace(",", "")))
                   - set(NUMBER.findall(other.text.replace(",", ""))))
        assert not missing, (article.id, missing)


def test_two_writers_do_not_contradict_each_other() -> None:
    """The facts that both parts of the base mention, in the form that both must have."""
    text = {a.id: a.text for a in ARTICLES.by_language["en"].values()}
    for article in ("payments-abroad", "exchange-currency"):
        assert "Saturday 00:00 to Sunday 23:59 London time" in text[article]
    for article in ("top-up-limits", "verify-identity"):
        assert "no more than 150" in text[article]
    for article in ("apple-google-pay", "card-swallowed"):
        assert re.search(r"[Ff]reezing .*pauses", text[article])
    for name, pattern in {"cash allowance": r"ATM allowance of (\d+)|free up to (\d+) pounds",
                          "express": r"[Ee]xpress\D{0,40}(9\.99)"}.items():
        found = {n for t in text.values() for m in re.findall(pattern, t) for n in
                 ([m] if isinstance(m, str) else m) if n}
        assert len(found) == 1, (name, found)


def test_texts_quote_their_own_steps() -> None:
    for articles in ARTICLES.by_language.values():
        for article in articles.values():
            evidence = first_steps(article, 2)
            assert evidence.passage[evidence.start:evidence.end] == evidence.quote
            assert evidence.quote.splitlines() == list(article.steps[1:4])


def test_intents_and_wordings_name_articles_that_exist() -> None:
    ids = set(ARTICLES.by_language["en"])
    assert {name for names in ARTICLES.by_intent.values() for name in names} <= ids
    for articles in ARTICLES.by_language.values():
        assert all(article.wordings for article in articles.values())


def test_prior_adds_up_the_intents_of_an_article() -> None:
    prior = ARTICLES.prior({"card_arrival": 0.5, "card_delivery_estimate": 0.3, "unknown": 0.2})
    assert prior["card-delivery"] == 0.8
    assert all(0 <= value <= 1 for value in prior.values())


def test_files_are_plain_lists_of_articles() -> None:
    for language in ("en", "zh"):
        rows = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
        assert all(set(row) == {"id", "title", "body", "steps"} for row in rows)
