from __future__ import annotations

import dataclasses
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_engine.compression import STEPS, Recipe, Step
from lepton_engine.errors import InputError, UnknownNameError

PLAIN = [kind for kind in STEPS.values() if not kind.quantises and not kind.recovers]
RECOVERY = [kind for kind in STEPS.values() if kind.recovers]
FORMATS = [kind for kind in STEPS.values() if kind.quantises]


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    kinds = draw(st.lists(st.sampled_from(PLAIN), unique=True))
    steps = [Step(kind.name, draw(st.floats(kind.low, kind.high))) for kind in kinds]
    if steps and draw(st.booleans()):
        steps += [Step(kind.name, draw(st.floats(kind.low, kind.high))) for kind in RECOVERY]
    steps += [Step(draw(st.sampled_from(FORMATS)).name)] if draw(st.booleans()) else []
    return Recipe(tuple(steps))


@given(recipes())
def test_round_trip(recipe: Recipe) -> None:
    assert Recipe.parse(str(recipe)) == recipe


def test_reads_the_design_s_example() -> None:
    recipe = Recipe.parse(" low-rank:0.60 + prune-neurons:0.25+int8 ")
    assert [(s.name, s.value) for s in recipe] == [
        ("low-rank", 0.6), ("prune-neurons", 0.25), ("int8", None)]
    assert str(recipe) == "low-rank:0.6+prune-neurons:0.25+int8"
    assert {recipe: 1}[Recipe.parse(str(recipe))] == 1


@pytest.mark.parametrize("text", ["", "original", "  "])
def test_empty_is_original(text: str) -> None:
    assert str(Recipe.parse(text)) == "original"
    assert len(Recipe.parse(text)) == 0


def test_unknown_step_lists_what_exists() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Recipe.parse("low-rank:0.6+squash:2")
    assert "squash" in str(caught.value)
    assert all(name in str(caught.value) for name in STEPS)


@pytest.mark.parametrize("text", [
    "low-rank", "low-rank:0", "low-rank:1", "low-rank:1.5", "low-rank:-0.5", "low-rank:nan",
    "low-rank:inf", "low-rank:1e-1", "low-rank:half", "low-rank:", "int8:4", "int8:", "+int8",
    "distil:2", "distil:2+prune-neurons:0.5", "prune-neurons:0.5+distil:0.4", "low-rank:0.5+distil",
    "prune-neurons:0.5+int8+distil:2", "low-rank:0.5+distil:21",
    "int8+int4", "int8+low-rank:0.5", "low-rank:0.5+low-rank:0.5", "low-rank:0.5++int8",
])
def test_impossible_recipes_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Recipe.parse(text)
    assert len(str(caught.value).split()) > 5


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe.parse("int8").steps = ()  # type: ignore[misc]


def test_every_step_names_a_module_with_a_handler() -> None:
    for kind in STEPS.values():
        module = importlib.import_module(kind.module)
        assert callable(module.quantise if kind.quantises else module.apply), kind.name
        assert kind.quantises or callable(module.unfit), kind.name


def test_a_recipe_tells_its_parts_apart() -> None:
    recipe = Recipe.parse("prune-neurons:0.5+distil:2+int8-dynamic")
    assert [str(step) for step in recipe.structural] == ["prune-neurons:0.5", "distil:2"]
    assert recipe.number_format == "int8-dynamic"
    assert Recipe.parse("low-rank:0.5").number_format == ""
    needing = {text for text in ("int8", "int4", "prune-weights:0.5", "prune-heads:0.5")
               if Recipe.parse(text).needs_texts}
    assert needing == {"int8", "prune-heads:0.5"}
