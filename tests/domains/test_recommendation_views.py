"""What the page shows: pure functions of a payload and a language."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from domains.recommendation import views
from domains.recommendation.choices import offered
from domains.recommendation.service import RECORDED_INPUT, build
from domains.shared.texts import Texts
from tests.domains.recommendation import write_dirty
from tests.fakes import FakeEngine

LANGUAGES = ("en", "zh")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build(FakeEngine(data={"films": write_dirty(tmp_path_factory.mktemp("films"))}))


@pytest.fixture(scope="module")
def payload(service: Any) -> dict[str, Any]:
    found: dict[str, Any] = service.api(["Alien", "Casablanca"], n=6).to_json()
    return found


@pytest.fixture(scope="module")
def asking(service: Any) -> dict[str, Any]:
    found: dict[str, Any] = service.api(["Alien", "Hamlet"]).to_json()
    return found


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_list_shows_rank_title_and_reasons(payload: dict[str, Any], lang: str) -> None:
    html = views.answer_html(payload, lang)
    for rank, item in enumerate(payload["items"], start=1):
        assert f">{rank}</span>" in html
        assert item["title"].replace("'", "&#x27;") in html
    assert html.count('<ul class="lp-film-reasons">') == 6
    assert ("匹配度" in html) == (lang == "zh")


def test_reasons_are_said_in_the_page_s_language(payload: dict[str, Any]) -> None:
    reason = next(r for i in payload["items"] for r in i["reasons"] if r["kind"] == "genre")
    assert reason["text"].startswith("Genres shared with")
    table = views.table(payload, "zh")
    assert any("相同的类型" in row[-1] for row in table["data"])
    assert table["headers"][1] == "片名"


def test_a_question_back_stands_in_sight_and_offers_its_choices(asking: dict[str, Any]) -> None:
    assert "Several films are called" in views.answer_html(asking, "en")
    assert views.question(asking) == {
        "choices": ["Hamlet (1948)", "Hamlet (1990)", "Hamlet (1996)"], "value": None,
        "visible": True}
    assert views.with_choice(asking, ["Alien", " Hamlet "], "Hamlet (1990)") == [
        "Alien", "Hamlet (1990)"]
    assert views.with_choice(asking, ["Alien"], "Hamlet (1990)") == ["Alien", "Hamlet (1990)"]


def test_without_doubt_there_is_no_question(payload: dict[str, Any]) -> None:
    assert views.question(payload) == {"choices": [], "value": None, "visible": False}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_map_has_a_point_for_every_film(payload: dict[str, Any], lang: str) -> None:
    figure = views.neighbourhood(payload, lang)
    assert sum(len(trace.x) for trace in figure.data) == len(payload["map"]["points"])
    assert [trace.name for trace in figure.data] == [
        Texts("recommendation")(lang, f"role.{role}") for role in ("near", "recommended", "liked")]
    recommended = figure.data[1]
    assert list(recommended.text) == ["1", "2", "3", "4", "5", "6"]
    assert recommended.customdata[0].startswith(payload["items"][0]["title"].split("'")[0])
    assert len(views.point_table(payload, lang)["data"]) == len(payload["map"]["points"])


def test_without_films_every_view_still_draws(asking: dict[str, Any]) -> None:
    for lang in LANGUAGES:
        assert views.neighbourhood(asking, lang).layout.annotations[0].text
        assert views.map_note(asking, lang) == ""
        assert views.table(asking, lang)["data"] == []
        assert views.point_table(asking, lang)["data"] == []
        assert views.table_file(asking, lang) is None


def test_the_download_is_whole_and_defused(payload: dict[str, Any]) -> None:
    item = {**payload["items"][0], "title": "=1+1"}
    path = views.table_file({**payload, "items": [item, *payload["items"][1:]]}, "en")
    assert path is not None
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[0]["title"] == "'=1+1"
    assert rows[1]["reasons"]
    assert "movies.db" in rows[0]["source"] + rows[1]["source"]


def test_text_from_outside_is_escaped(service: Any) -> None:
    bad = "<img src=x onerror=alert(1)> ${x}"
    payload = service.api(["Alien"], f"{bad} spaceship").to_json()
    item = payload["items"][0]
    evil = {**payload, "query": bad, "liked": [bad], "items": [
        {**item, "title": bad, "directors": [bad], "genres": [bad], "reasons": [
            {**item["reasons"][0], "values": [bad, bad], "film": bad}]}]}
    for lang in LANGUAGES:
        html = views.answer_html(evil, lang)
        assert "<img" not in html
        assert "${" not in html
        refused = {**evil, "items": [], "reason": bad, "decision": "abstained"}
        assert "<img" not in views.answer_html(refused, lang)


def test_examples_show_the_range_and_fill_known_fields() -> None:
    examples = Texts("recommendation").examples
    assert 3 <= len(examples) <= 5
    for example in examples:
        assert set(example.inputs) == set(RECORDED_INPUT) == {"liked", "query", "n", "diversity"}
    assert any("一" <= c <= "鿿" for e in examples for c in e.inputs["query"])
    listed = set(offered())
    assert {t for e in examples for t in e.inputs["liked"]} - listed == {"Hamlet"}


def test_the_offered_titles_are_many_and_distinct() -> None:
    titles = offered()
    assert len(titles) == len(set(titles)) > 850
    assert "Vertigo (1958)" in titles


def test_the_recorded_example_can_be_drawn() -> None:
    path = Path(__file__).resolve().parents[2] / "assets" / "recorded" / "recommendation.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert recorded["input"] == RECORDED_INPUT
    payload = recorded["payload"]
    assert payload["decision"] == "answered"
    assert "minilm-l6/original@openvino" in payload["stamp"]["variant"]
    for lang in LANGUAGES:
        assert payload["items"][0]["title"] in views.answer_html(payload, lang)
        assert len(views.neighbourhood(payload, lang).data) == 3


def test_a_line_with_conditions_is_said_to_be_compared_as_a_whole() -> None:
    from domains.recommendation.answering import _CONDITIONS

    for line in ("a film that is not about war", "a comedy without romance", "from the 1990s",
                 "不要太暴力", "I don't like blood", "八十年代的爱情片"):
        assert _CONDITIONS.search(line), line
    for line in ("a detective obsessed with a serial killer", "notorious spies in Rio",
                 "一名侦探追查连环杀手"):
        assert not _CONDITIONS.search(line), line
