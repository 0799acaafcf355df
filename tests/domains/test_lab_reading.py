"""Recipes and texts as people give them to the lab."""

from __future__ import annotations

import pytest

from domains.engine_lab.models import FIRST, MODELS, RECIPES, all_recipes, lab_model
from domains.engine_lab.reading import MAX_ROWS, bundled, examples, of_csv, of_lines
from lepton_engine.catalog import catalogue
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.verdicts import read_verdicts
from lepton_engine.errors import InputError, LimitError, UnknownNameError
from tests.fake_rules import ADAPTERS

FINANCE = MODELS["finance-sentiment"]


def csv(*lines: str) -> bytes:
    return "\n".join(lines).encode()


@pytest.mark.parametrize("kind", list(RECIPES))
def test_every_preset_is_a_recipe_and_is_written_as_it_prints(kind: str) -> None:
    for text in (*RECIPES[kind], *FIRST[kind]):
        assert str(Recipe.parse(text)) == text
    assert set(FIRST[kind]) <= set(RECIPES[kind])


def test_what_was_measured_is_offered() -> None:
    for model in MODELS.values():
        measured = {v.recipe for v in read_verdicts(model.name, None)}
        assert measured <= set(RECIPES[model.kind]), model.name


def test_the_models_of_the_lab_exist() -> None:
    for model in MODELS.values():
        if model.kind != "adapter":
            assert catalogue().resolve(model.name).kind == model.kind
            assert set(model.languages) <= set(catalogue().resolve(model.name).languages)
    with pytest.raises(UnknownNameError, match="no model in the lab called “minilm-l7”"):
        lab_model("minilm-l7")


def test_recipes_are_picked_and_typed_once_each() -> None:
    found = all_recipes(["int8", "original"], "low-rank:0.6+int8, int8； prune-heads:0.25")
    assert [str(r) for r in found] == ["int8", "low-rank:0.6+int8", "prune-heads:0.25"]


@pytest.mark.parametrize(("picked", "own", "words"), [
    ([], "", "Pick a recipe or write one"),
    (["original"], " ", "Pick a recipe or write one"),
    (None, "int9", "no compression step called “int9”"),
    (None, "prune-heads:2", "needs a value from"),
    (None, "int8+prune-heads:0.5", "one number format at most, and it is the last"),
    ([7], "", "A recipe must be a text"),
])
def test_a_wrong_recipe_is_refused_with_what_there_is(
        picked: list[str] | None, own: str, words: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=words):
        all_recipes(picked, own)


def test_too_many_recipes_name_the_limit() -> None:
    with pytest.raises(LimitError, match="At most 24 recipes"):
        all_recipes([f"prune-heads:0.{n}" for n in range(10, 40)])


def test_a_csv_is_read_as_text_and_nothing_else() -> None:
    found = of_csv("\ufefftext,label\n=1+1,up\n\"a, b\",down\n0012,up\n,\nNA,down\n".encode())
    assert found.texts == ("=1+1", "a, b", "0012", "NA")
    assert found.labels == ("up", "down", "up", "down")


def test_other_columns_separators_and_case_are_taken() -> None:
    found = of_csv(csv("id;Label;TEXT", "1;x;eins, zwei", "2;y;drei"))
    assert (found.texts, found.labels) == (("eins, zwei", "drei"), ("x", "y"))
    assert of_csv(csv("text", "only", "texts")).labels is None


@pytest.mark.parametrize(("data", "words"), [
    (b"", "no file yet"),
    (b"\n", "The file is empty"),
    (csv("headline,label", "a,b"), "no column “text” in its first line"),
    (csv("text,label"), "a header but no row"),
    (csv("text,text", "a,b"), "the column “text” more than once"),
    (csv("text,label", "a,up", "b,up"), "Every row has the same label, “up”"),
    (csv("text,label", "a,up", ",down", "c,up", " ,down"), r"2 of 4 rows have no text \(row 2, 4"),
    (csv("text,label", "a,up", "b,"), r"1 of 2 rows have no label \(row 2\)"),
    (csv("text,label", "a, b,up", "b,down"), "does not read as a table"),
    (csv("text,label", 'a,"up', "b,down"), "does not read as a table"),
    ("text\nGrüße".encode("latin-1"), "Line 2 of the file is not UTF-8"),
    ("text\na".encode("utf-16"), "UTF-16"),
    (b"text\na\0b", "NUL bytes"),
    (b"text\n" + b"x" * 5_000_001, "larger than 5 MB"),
    (csv("text", "x" * 4001), "Text 1 has 4,001 characters"),
])
def test_a_broken_csv_gets_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        examples(FINANCE, "csv", "", data)


def test_a_csv_past_the_limit_names_it() -> None:
    with pytest.raises(LimitError, match=f"at most {MAX_ROWS:,} are measured"):
        of_csv(csv("text", *(f"row {n}" for n in range(MAX_ROWS + 1))))
    assert len(of_csv(csv("text", *(f"row {n}" for n in range(MAX_ROWS)))).texts) == MAX_ROWS


def test_typed_lines_are_texts() -> None:
    assert of_lines(" one \n\n two  words\r\n").texts == ("one", "two words")
    with pytest.raises(InputError, match="There is no text"):
        of_lines(" \n ")


def test_the_bundled_examples_fit_their_models() -> None:
    for model in MODELS.values():
        found = bundled(model)
        assert len(set(found.texts)) == len(found.texts) >= 12
        if model.kind == "adapter":
            assert found.labels is not None
            assert set(found.labels) <= set(ADAPTERS[model.name])
        else:
            assert found.labels is None
