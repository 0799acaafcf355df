from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_engine.sentences import split

PIECES = st.sampled_from([
    "Dr. ", "U.S. ", "The bank", " closes", ". ", "! ", "?", "。", "！", "“", "”", "\n", "\n\n",
    "3.5 %", "卡丢了", "1. ", "e.g. ", "…", "...", " ", "\t", "- ", "Inc. ", "lepton.bank/a?b=1",
])


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join)))
def test_offsets_are_exact_and_nothing_is_lost(text: str) -> None:
    spans = split(text)
    covered = 0
    for span in spans:
        assert text[span.start:span.end] == span.text
        assert span.text
        assert span.text == span.text.strip()
        assert not text[covered:span.start].strip()
        covered = span.end
    assert not text[covered:].strip()


@pytest.mark.parametrize("sentences", [
    ["Dr. Smith paid 3.5 % in the U.S. yesterday.", "Fine."],
    ["He moved to the U.S.", "The rest stayed."],
    ["U.S. Treasury yields fell.", "Apple Inc. gained, e.g. on Monday."],
    ["The branch closes at 5 p.m.", "It opens at 9 a.m. on Monday."],
    ["No. 7 won.", "Was it close?", "No.", "I did not see it."],
    ["We met J. K. Rowling (really.)", "Then we left…", "She waited... and waited."],
    ["i lost my card.", "what do i do?!", "see lepton.bank/help?x=1.5 please."],
    ["Yahoo! shares rose.", "\"Why?\"", "Nobody knew."],
])
def test_english(sentences: list[str]) -> None:
    assert [span.text for span in split(" ".join(sentences))] == sentences


@pytest.mark.parametrize("sentences", [
    ["卡丢了怎么办？", "请马上打电话！", "我们会帮您。"],
    ["他说：“好。”", "然后走了。", "「是吗？」", "费用是3.5%。"],
    ["OK！", "很好。", "Really?", "是的。"],
])
def test_chinese_without_spaces(sentences: list[str]) -> None:
    assert [span.text for span in split("".join(sentences))] == sentences


def test_lines_lists_and_headings() -> None:
    text = "a wrapped line\ngoes on here\n\nHeading\n1. Open the app.\n2. Go to Card tab\n- one"
    assert [span.text for span in split(text)] == [
        "a wrapped line\ngoes on here", "Heading", "1. Open the app.", "2. Go to Card tab", "- one",
    ]
    assert split("") == []
    assert split(" \n ") == []
