"""Escaping, links and numbers."""

from __future__ import annotations

import pytest

from domains.shared.markup import duration, escape, link, printable, size


def test_units() -> None:
    assert (duration(412.4), duration(1234), duration(999.7)) == ("412 ms", "1.23 s", "1.00 s")
    assert (size(1_234_000_000), size(999_900), size(12)) == ("1.23 GB", "1.00 MB", "12.0 B")


def test_escape_leaves_nothing_that_is_markup_or_a_template() -> None:
    text = escape("<img src=x onerror=\"alert('1')\"> & ${value} {{x}}")
    for mark in "<>\"'{}$":
        assert mark not in text
    assert escape("\ud800ok\x00\x1b") == "?ok"
    assert printable("a\nb\tc\x85") == "a\nb\tc"


@pytest.mark.parametrize("address", [
    "javascript:alert(1)", "data:text/html,x", "", None, "//host/x", "ftp://host/x", "http://",
    "https://[broken", " java\nscript:alert(1)"])
def test_only_http_addresses_become_links(address: str | None) -> None:
    assert link("t<", address) == "t&lt;"


def test_a_link_is_escaped() -> None:
    html = link("T", 'https://x.example/a?b="c"&d=<e>')
    assert html.startswith('<a href="https://x.example/a?b=&quot;c&quot;&amp;d=&lt;e&gt;" ')
    assert 'rel="noopener noreferrer nofollow"' in html
