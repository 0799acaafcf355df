from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.financial_sentiment.headlines import MAX_BYTES, moment, read_csv, sample
from lepton_engine.errors import InputError, LimitError
from lepton_engine.text import clean

GOOD = "headline,published_at\nNvidia climbs,2026-10-05T08:15:00Z\n\"Apple, Google rise\",\n"


def texts(data: bytes) -> list[str]:
    return [h.text for h in read_csv(data).headlines]


@pytest.mark.parametrize("data", [
    GOOD.encode(), GOOD.encode("utf-8-sig"), GOOD.replace("\n", "\r\n").encode(),
    GOOD.replace("\n", "\n\n").encode(), ("\n" + GOOD).encode(),
    GOOD.replace("headline,", "Headline ,").encode(),
    b"published_at;headline\n2026-10-05;Nvidia climbs\n;Apple, Google rise\n",
    b"headline\tpublished_at\nNvidia climbs\t\nApple, Google rise\t\n",
])
def test_files_of_the_right_shape(data: bytes) -> None:
    assert texts(data) == ["Nvidia climbs", "Apple, Google rise"]


def test_times_are_kept_and_sorted_as_times() -> None:
    data = ("headline,published_at\na,2026-10-05T08:15:00Z\nb,2026-10-05T09:00:00+08:00\n"
            "c,2026-10-05\nd,\n")
    found = [h.published_at for h in read_csv(data.encode()).headlines]
    assert found == ["2026-10-05T08:15:00Z", "2026-10-05T09:00:00+08:00", "2026-10-05T00:00:00",
                     None]
    times = [moment(t) for t in found if t]
    assert sorted(times) == [times[2], times[1], times[0]]


def test_further_columns_are_named() -> None:
    found = read_csv(b"source,headline,note\nReuters,Nvidia climbs,x\n")
    assert found.ignored == ("source", "note")


def test_a_formula_is_only_text() -> None:
    assert texts(b"headline\n\"=cmd|' /C calc'!A0\"\n") == ["=cmd|' /C calc'!A0"]


@pytest.mark.parametrize(("data", "words"), [
    (b"", "is empty"),
    (b"\r\n\r\n", "is empty"),
    (b"\xef\xbb\xbf", "is empty"),
    (b"headline,published_at\n", "no headline"),
    (b"title,date\nNvidia climbs,x\n", "no column “headline”"),
    (b"headline,headline\na,b\n", "more than once"),
    (b"headline\nApple, Google rise\n", "Row 1 has 2 fields, the header 1 field"),
    (b"headline,published_at\nNvidia climbs,2026-01-01\nApple\n", "Row 2 has 1 field"),
    (b"headline,published_at\nNvidia climbs,2026-01-\n", "row 1 is no ISO 8601"),
    (b"headline,published_at\nNvidia climbs,yesterday\n", "row 1 is no ISO 8601"),
    (b"headline,published_at\nNvidia climbs,9999-12-31T23:59:59-14:00\n", "row 1 is no ISO 8601"),
    (b"headline,published_at\nNvidia climbs,\n  ,2026-01-01\n", "row 2 is empty"),
    (b"headline\n\"Nvidia climbs\nApple rises\n", "never closes"),
    (b"headline,published_at\n\"Nvidia\" climbs,\n", "quotation mark in the wrong place"),
    (b"headline\nNvidia\x00 climbs\n", "NUL"),
    (GOOD.encode("utf-16"), "UTF-16"),
    ("headline\nCafé climbs\n".encode("latin-1"), "Line 2 of the file is not UTF-8"),
    ("headline\n英伟达上涨\n".encode("gb18030"), "not UTF-8"),
    ("headline\n英伟达".encode()[:-1], "not UTF-8"),
    (b"headline\n\xed\xa0\x80\n", "not UTF-8"),
    (b"PK\x03\x04\x14\x00\x06\x00", "NUL"),
    (b"headline\n" + b"y" * 140_000, "too long"),
])
def test_broken_files_get_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_csv(data)
    assert str(caught.value).endswith(".")
    assert "Nvidia" not in str(caught.value)


@pytest.mark.parametrize(("data", "words"), [
    (b"headline\n" + b"Nvidia climbs\n" * 1001, "1,000"),
    (b"headline\n" + b"y" * 4001, "4,001 characters"),
    (b"y" * (MAX_BYTES + 1), "larger than 5 MB"),
])
def test_limits_are_named(data: bytes, words: str) -> None:
    with pytest.raises(LimitError, match=words):
        read_csv(data)


def test_a_thousand_rows_are_taken() -> None:
    assert len(texts(b"headline\n" + b"Nvidia climbs\n" * 1000)) == 1000


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300).map(lambda tail: b"headline,published_at\n" + tail))
def test_any_bytes_give_headlines_or_a_sentence(data: bytes) -> None:
    failed = ""
    found: list[str] = []
    try:
        found = texts(data)
    except InputError as error:
        failed = str(error)
    assert failed.endswith(".") if failed else all(found)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1,
                        max_size=40).filter(lambda t: t.strip()), min_size=1, max_size=8))
def test_what_the_csv_module_writes_is_read_in_order(headlines: list[str]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["headline", "published_at"])
    writer.writerows([h, ""] for h in headlines)
    assert texts(out.getvalue().encode()) == [" ".join(clean(h).split()) for h in headlines]


def test_the_sample_is_in_order_of_time_and_marked() -> None:
    found = sample()
    times = [moment(h.published_at) for h in found.headlines if h.published_at]
    assert found.sample
    assert len(times) == len(found.headlines) >= 40
    assert times == sorted(times)
