"""The medical base: whole, verbatim, and with sources that were really there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from domains.medical_qa import knowledge
from domains.medical_qa.knowledge import SECTIONS, shipped

MEDQUAD = Path(__file__).resolve().parents[3] / "shared" / "data" / "medquad" / "medquad.jsonl.gz"


def test_every_condition_has_its_six_sections_in_both_languages() -> None:
    base = shipped()
    assert len(base.of("en")) >= 30
    assert list(base.of("en")) == list(base.of("zh"))
    for language in ("en", "zh"):
        for condition in base.of(language).values():
            assert tuple(condition.sections) == SECTIONS
            assert all(len(s.sentences) >= 2 for s in condition.sections.values()), condition.id
            assert condition.aliases


def test_sentences_are_cut_out_of_their_section_and_leave_nothing() -> None:
    for language in ("en", "zh"):
        for condition in shipped().of(language).values():
            for section in condition.sections.values():
                assert all(section.text[s.start:s.end] == s.text for s in section.sentences)
                joined = "".join(s.text for s in section.sentences)
                assert joined.replace(" ", "") == section.text.replace(" ", "")


def test_a_section_has_the_same_sources_in_both_languages() -> None:
    base = shipped()
    for name, condition in base.of("en").items():
        for part, section in condition.sections.items():
            chinese = base.of("zh")[name].sections[part]
            assert {s.id for s in section.sources} == {s.id for s in chinese.sources}, (name, part)


@pytest.mark.skipif(not MEDQUAD.is_file(),
                    reason="the reference data ../shared/data/medquad is not on this machine")
def test_every_source_is_a_record_of_medquad() -> None:
    with gzip.open(MEDQUAD, "rt", encoding="utf-8") as file:
        records = {(row["source"], row["id"]): row for row in map(json.loads, file)}
    for condition in shipped().of("en").values():
        for section in condition.sections.values():
            for source in section.sources:
                record = records[source.publisher, source.id]
                assert source.address == record["url"]
                assert source.title == record["question"]


def test_one_passage_a_section_and_lay_words_where_they_help() -> None:
    passages = shipped().passages()
    assert len(passages) == 2 * 6 * len(shipped().of("en"))
    assert len({p.id for p in passages}) == len(passages)
    assert {p.section for p in passages if p.keywords} == {"overview", "symptoms"}


def test_a_file_without_a_section_is_refused_by_name(tmp_path: Path) -> None:
    row: dict[str, Any] = {"id": "gout", "name": "Gout", "aliases": ["podagra"], "sections": {
        name: {"text": "One. Two.", "sources": []} for name in SECTIONS if name != "causes"}}
    for language in ("en", "zh"):
        (tmp_path / f"{language}.json").write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"gout \(en\) has no text for: causes"):
        knowledge.load(tmp_path)
