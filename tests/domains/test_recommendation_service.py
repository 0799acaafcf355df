"""The service on the fake engine: decisions, true reasons, limits, loading once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domains.base import Decision
from domains.recommendation.outcome import RecommendationOutcome
from domains.recommendation.service import RecommendationService, build
from lepton_engine.errors import InputError, LimitError, ModelUnavailableError
from tests.domains.recommendation import Truths, write_dirty, wrong_reasons
from tests.fakes import FakeEngine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dirty(tmp_path_factory.mktemp("films"))


@pytest.fixture
def engine(folder: Path) -> FakeEngine:
    return FakeEngine(data={"films": folder}, synonyms={"战争": "war", "童年": "childhood"})


@pytest.fixture
def service(engine: FakeEngine) -> RecommendationService:
    return build(engine)


def titles(outcome: RecommendationOutcome) -> list[str]:
    return [item.title for item in outcome.items]


def test_building_and_refusing_ask_nothing_of_the_engine(engine: FakeEngine) -> None:
    with pytest.raises(InputError, match="nothing to go by"):
        build(engine).api([])
    assert not engine.calls


def test_a_liked_film_gives_its_neighbours_with_reasons(service: RecommendationService) -> None:
    outcome = service.api(["Alien"], n=3, diversity=0.0)
    assert outcome.decision is Decision.ANSWERED
    assert {"Aliens", "Blade Runner"} <= set(titles(outcome))
    assert "Alien" not in titles(outcome)
    assert outcome.liked == ("Alien (1979)",)
    assert outcome.items[0].score == max(item.score for item in outcome.items) == 1.0
    ridley = next(item for item in outcome.items if item.title == "Blade Runner")
    assert ("director", ("Ridley Scott",)) in [(r.kind, r.values) for r in ridley.reasons]
    assert outcome.confidence is None
    assert outcome.stamp is not None
    assert outcome.stamp.variant == "minilm-l6/original@fake:cpu"
    assert outcome.evidence


def test_a_line_of_text_finds_its_film_and_quotes_it(service: RecommendationService) -> None:
    outcome = service.api([], "a priest in a small village who lost his faith", 4)
    assert outcome.decision is Decision.ANSWERED
    assert {"Diary of a Country Priest", "Winter Light"} == set(titles(outcome)[:2])
    quoted = outcome.items[0].reasons[0]
    assert (quoted.kind, quoted.film) == ("sentence", "")
    assert "priest" in quoted.evidence.quote
    assert outcome.evidence[0].passage[outcome.evidence[0].start:].startswith(quoted.values[0])


@pytest.mark.parametrize("request_of", [
    {"liked": ["Alien"]}, {"liked": ["Casablanca"]}, {"liked": ["Prometheus"]},
    {"liked": ["Vertigo", "Some Like It Hot"]}, {"liked": ["Hamlet (1996)"]},
    {"liked": ["Seven Samurai"], "query": "a war seen by children"},
    {"liked": [], "query": "a machine from the future"},
])
def test_every_reason_is_in_the_data(service: RecommendationService, folder: Path,
                                     request_of: dict[str, Any]) -> None:
    outcome = service.api(**request_of, n=28, diversity=0.5)
    library = service.library()
    films = {film.id: film for film in library.films.recommendable}
    liked = {library.titles.label(f): f for t in request_of["liked"]
             if (f := library.titles.find(t).film)}
    truths = Truths(folder)
    assert len(outcome.items) >= 25
    assert all(item.reasons for item in outcome.items)
    assert [wrong for item in outcome.items
            for wrong in wrong_reasons(item, films[item.id], liked, truths)] == []


def test_a_made_up_reason_is_found_out(service: RecommendationService, folder: Path) -> None:
    """The check above can fail: the reasons of one film are false for another."""
    outcome = service.api(["Alien"], n=28)
    library = service.library()
    films = list(library.films.recommendable)
    liked = {"Alien (1979)": library.titles.find("Alien").film}
    wrong = [w for item, film in zip(outcome.items, reversed(films), strict=False)
             for w in wrong_reasons(item, film, liked, Truths(folder))]
    assert len(wrong) > 20


def test_a_title_of_several_films_asks_which(service: RecommendationService) -> None:
    outcome = service.api(["Alien", "Hamlet"])
    assert outcome.decision is Decision.CLARIFY
    assert [choice.label for choice in outcome.choices] == [
        "Hamlet (1948)", "Hamlet (1990)", "Hamlet (1996)"]
    assert {choice.asked for choice in outcome.choices} == {"Hamlet"}
    assert outcome.choices[0].directors == ("Laurence Olivier",)
    assert "Hamlet (1948)" in outcome.reason
    assert outcome.items == ()
    assert service.api(["Alien", "Hamlet (1996)"]).decision is Decision.ANSWERED


def test_an_unknown_title_offers_the_nearest(service: RecommendationService) -> None:
    outcome = service.api(["Seven Samurays"])
    assert outcome.decision is Decision.CLARIFY
    assert outcome.choices[0].label == "Seven Samurai (1954)"
    none = service.api(["qqq zzz www"])
    assert none.decision is Decision.CLARIFY
    assert none.choices == ()
    assert "no title is like it" in none.reason


def test_a_film_of_which_nothing_is_known_is_said_so(service: RecommendationService) -> None:
    outcome = service.api(["M"])
    assert outcome.decision is Decision.CLARIFY
    assert "something else" in outcome.reason


def test_a_line_that_matches_nothing_is_refused(service: RecommendationService) -> None:
    outcome = service.api([], "quarterly mortgage refinancing percentages")
    assert outcome.decision is Decision.ABSTAINED
    assert outcome.items == ()
    assert outcome.stamp is not None
    with_film = service.api(["Alien"], "quarterly mortgage refinancing percentages")
    assert with_film.decision is Decision.ANSWERED
    assert "only the films that you like count" in with_film.reason
    assert titles(with_film) == titles(service.api(["Alien"]))


def test_a_chinese_line_takes_the_multilingual_model(engine: FakeEngine) -> None:
    asked: list[str] = []
    embed = engine.embed

    def spy(texts: Any, model: str = "minilm-l6", **options: Any) -> Any:
        asked.append(model)
        return embed(texts, model, **options)

    engine.embed = spy  # type: ignore[method-assign]
    outcome = build(engine).api([], "童年 战争")
    assert asked[-1] == "use-multilingual"
    assert outcome.decision is Decision.ANSWERED
    assert {"Ivan's Childhood", "Come and See"} & set(titles(outcome)[:4])
    assert "多语言模型" in outcome.reason
    assert outcome.items[0].reasons[0].text.startswith("与您的描述接近")


def test_a_language_that_no_model_reads_is_refused(service: RecommendationService) -> None:
    outcome = service.api([], "ένα παιδί στον πόλεμο")
    assert outcome.decision is Decision.ABSTAINED
    assert "language (el)" in outcome.reason


@pytest.mark.parametrize(("request_of", "error", "said"), [
    ({"liked": [], "query": "  \n "}, InputError, "nothing to go by"),
    ({"liked": ["", " "]}, InputError, "nothing to go by"),
    ({"liked": "Alien"}, InputError, "list of titles"),
    ({"liked": [3]}, InputError, "each title a text"),
    ({"liked": ["Alien"], "query": 5}, InputError, "query"),
    ({"liked": ["Alien"], "n": "three"}, InputError, "whole number"),
    ({"liked": ["Alien"], "n": True}, InputError, "whole number"),
    ({"liked": ["Alien"], "n": 0}, LimitError, "1 to 50"),
    ({"liked": ["Alien"], "n": 51}, LimitError, "1 to 50"),
    ({"liked": ["Alien"], "diversity": 1.01}, LimitError, "0 to 1"),
    ({"liked": ["Alien"], "diversity": -0.1}, LimitError, "0 to 1"),
    ({"liked": ["Alien"], "diversity": float("nan")}, InputError, "number"),
    ({"liked": ["Alien"], "diversity": "high"}, InputError, "number"),
    ({"liked": [f"Film {i}" for i in range(21)]}, LimitError, "At most 20"),
    ({"liked": ["x" * 301]}, LimitError, "300"),
    ({"liked": [], "query": "x" * 4001}, LimitError, "4,000"),
])
def test_broken_requests_are_sentences(service: RecommendationService, engine: FakeEngine,
                                       request_of: dict[str, Any], error: type[Exception],
                                       said: str) -> None:
    with pytest.raises(error, match=said):
        service.api(**request_of)
    assert not engine.calls


def test_lone_surrogates_and_controls_reach_nothing(service: RecommendationService) -> None:
    outcome = service.api(["\ud800Alien\u202e"], "space\x00ship \ud83d")
    json.dumps(outcome.to_json(), ensure_ascii=False).encode("utf-8")


def test_the_length_of_the_list_and_its_similarity(service: RecommendationService) -> None:
    values = []
    for diversity in (0.0, 0.25, 0.5, 0.75, 1.0):
        outcome = service.api(["Alien"], n=6, diversity=diversity)
        assert len(outcome.items) == 6
        assert outcome.alike is not None
        values.append(outcome.alike)
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]
    assert service.api(["Alien"], n=1).alike is None
    assert len(service.api(["Alien"], n=50).items) == 28, "all that there are"


def test_the_map_has_liked_recommended_and_near_films(service: RecommendationService) -> None:
    outcome = service.api(["Alien", "Prometheus"], n=5)
    roles = [point.role for point in outcome.map.points]
    assert (roles.count("liked"), roles.count("recommended")) == (2, 5)
    assert roles.count("near") == 29 - 1 - 5
    assert [p.title for p in outcome.map.points if p.role == "recommended"] == titles(outcome)
    assert outcome.map == service.api(["Alien", "Prometheus"], n=5).map
    assert 0 < outcome.map.shown <= 1


def test_many_callers_load_and_compute_once(engine: FakeEngine) -> None:
    service = build(engine)
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(titles(service.api(["Alien"]))))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(names == found[0] for names in found)
    assert engine.calls["data"] == 1
    assert engine.calls["embed"] == 1


def test_progress_is_told_and_a_caller_who_leaves_loses_nothing(
        engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domains.recommendation.vectors.PIECE", 10)
    service = build(engine)
    steps = service.steps(["Alien"])
    shares = [next(steps) for _ in range(3)]
    steps.close()
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    done = engine.calls["embed"]
    assert done == 2
    rest = list(service.steps(["Alien"]))
    assert isinstance(rest[-1], RecommendationOutcome)
    assert rest[0] == shares[2], "goes on where the other stopped"


class KeepingEngine(FakeEngine):
    """With the store of the real engine: an array is built once for a key."""

    def __init__(self, kept: dict[str, np.ndarray], **options: Any) -> None:
        super().__init__(**options)
        self.kept = kept

    def cached_array(self, key: str, build: Callable[[], np.ndarray]) -> np.ndarray:
        if key not in self.kept:
            self.kept[key] = build()
        return self.kept[key]


def test_vectors_are_kept_in_the_engine_s_store(folder: Path) -> None:
    kept: dict[str, np.ndarray] = {}
    first = KeepingEngine(kept, data={"films": folder})
    before = build(first).api(["Alien"])
    assert first.calls["embed"] == 1
    second = KeepingEngine(kept, data={"films": folder})
    after = build(second).api(["Alien"])
    assert second.calls["embed"] == 0
    assert titles(after) == titles(before)
    assert after.stamp is not None
    assert after.stamp.variant == "minilm-l6/original@fake:cpu"
    for key in kept:  # vectors of other texts are not taken for these
        kept[key] = kept[key][:2]
    third = KeepingEngine(kept, data={"films": folder})
    assert titles(build(third).api(["Alien"])) == titles(before)


def test_a_model_that_fails_says_so(folder: Path) -> None:
    gone = ModelUnavailableError("The encoder is not here. Run “models pull”.")
    service = build(FakeEngine(data={"films": folder}, fail={"minilm-l6": gone}))
    with pytest.raises(ModelUnavailableError, match="encoder"):
        service.api(["Alien"])
    no_data = build(FakeEngine())
    with pytest.raises(ModelUnavailableError, match="films"):
        no_data.api(["Alien"])


def test_the_payload_is_plain_json_of_bearable_size(service: RecommendationService) -> None:
    payload = service.api(["Alien"], "a spaceship", n=28).to_json()
    assert {"decision", "reason", "confidence", "evidence", "stamp", "items"} <= set(payload)
    assert {"id", "title", "score", "reasons"} <= set(payload["items"][0])
    assert len(json.dumps(payload)) < 200_000
    for item in payload["items"]:
        for reason in item["reasons"]:
            found = reason["evidence"]
            assert found["passage"][found["start"]:found["end"]] == found["quote"]
