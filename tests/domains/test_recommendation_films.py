"""Reading introductions, joining them with the table, and understanding titles."""

from __future__ import annotations

from pathlib import Path

import pytest

from domains.recommendation.films import Film, Films, aliases, display_title, load
from domains.recommendation.introductions import fold, read
from domains.recommendation.joining import hand_joins
from domains.recommendation.story import telling, tells_story
from domains.recommendation.titles import Match, Titles
from lepton_engine.errors import ModelUnavailableError
from tests.domains.recommendation import COPIED, write_dirty


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return load(write_dirty(tmp_path_factory.mktemp("films")))


@pytest.fixture(scope="module")
def titles(films: Films) -> Titles:
    return Titles(films)


def named(films: Films, title: str) -> Film:
    return next(film for film in films.listed if film.title == title)


@pytest.mark.parametrize(("text", "year", "directors", "cast", "genres"), [
    ("Vertigo is a 1958 American film noir psychological thriller film directed and produced by "
     "Alfred Hitchcock. The story was based on a novel.", 1958, ("Alfred Hitchcock",), (),
     {"Crime", "Thriller"}),
    ("Fargo is a 1996 black comedy crime film written and directed by Joel and Ethan Coen, "
     "starring Frances McDormand and William H. Macy.", 1996, ("Joel Coen", "Ethan Coen"),
     ("Frances McDormand", "William H. Macy"), {"Comedy", "Crime"}),
    ("Ordinary (Danish: Almindelig, 1955) is a drama film by Danish director Carl Theodor Dreyer.",
     1955, ("Carl Theodor Dreyer",), (), {"Drama"}),
    ("Kiss Me is 1955 American film noir directed by Robert Aldrich, starring Ralph Meeker.",
     1955, ("Robert Aldrich",), ("Ralph Meeker",), {"Crime"}),
    ("City Life is a 1931 silent romantic comedy film written, produced, directed by, and starring "
     "Charlie Chaplin.", 1931, ("Charlie Chaplin",), ("Charlie Chaplin",),
     {"Comedy", "Romance", "Silent"}),
])
def test_an_introduction_states_year_people_and_genres(text: str, year: int,
                                                       directors: tuple[str, ...],
                                                       cast: tuple[str, ...],
                                                       genres: set[str]) -> None:
    found = read(text)
    assert found.own
    assert (found.year, found.directors) == (year, directors)
    assert found.cast == cast
    assert set(found.genres) == genres


@pytest.mark.parametrize("text", [
    "M, or m, is the thirteenth letter of the modern English alphabet.",
    "Nashville is the capital and most populous city of the U.S. state of Tennessee.",
    "The Leopard is a novel by Giuseppe Tomasi di Lampedusa about a family in Sicily.",
    "The Exorcist is an American media franchise that originated with a novel and a 1973 film.",
    "William Douglas (1934-1991) was a Scottish film director best known for a trilogy of films.",
    "King Kong is a film monster, resembling an enormous gorilla.",
    "Sunset Boulevard is a boulevard in the central and western part of Los Angeles.",
    "",
])
def test_a_text_about_something_else_is_not_the_film_s(text: str) -> None:
    assert not read(text).own


def test_a_repeated_text_belongs_to_the_title_in_its_subject(films: Films) -> None:
    assert named(films, "City Lights").introduction
    assert not named(films, COPIED).introduction
    assert not named(films, COPIED).usable


def test_titles_lose_what_the_carrier_left_in_them(films: Films) -> None:
    assert display_title("NOW SHOWINGHugo") == "Hugo"
    assert display_title("Psycho (1960 film)") == "Psycho"
    assert display_title("(nostalgia)") == "(nostalgia)"
    assert named(films, "The Long Wait").introduction


def test_a_row_is_joined_only_with_title_director_and_year(films: Films) -> None:
    rows = {film.title: film.table_id for film in films.listed}
    assert rows["Alien"]
    assert rows["Late Bloom"], "a year apart, same title and director"
    assert rows["The Long Wait"], "by the other title in the introduction's subject"
    assert not rows["Twins Apart"], "another director's film of the same title and year"
    assert not rows["Far Off"], "four years apart"
    assert named(films, "Far Off").genres == ("Drama",), "its own text's genre, not the row's"


def test_a_hand_join_needs_title_year_and_director_in_one_row(films: Films) -> None:
    casablanca = named(films, "Casablanca")
    assert (casablanca.directors, casablanca.year) == (("Michael Curtiz",), 1942)
    assert not casablanca.introduction
    assert casablanca.usable
    assert all(row.year > 1939 and row.directors[0] for row in hand_joins().values())


def test_coverage_counts_what_is_there(films: Films) -> None:
    assert films.coverage.listed == 31
    assert films.coverage.introductions == 28
    # 23 clean ones and Late Bloom and The Long Wait by rule, Casablanca by hand.
    assert films.coverage.joined_by_hand == 1
    assert films.coverage.joined_by_rule == sum(
        bool(f.table_id and f.introduction) for f in films.listed)
    assert films.coverage.recommendable == len(films.recommendable) == 29


def test_missing_data_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="film data"):
        load(tmp_path)


def test_aliases_are_the_other_names_of_the_subject() -> None:
    assert aliases("The 400 Blows (French: Les Quatre Cents Coups)") == (
        "The 400 Blows", "Les Quatre Cents Coups")
    assert "悲情城市" in aliases("A City of Sadness (Chinese: 悲情城市; pinyin: Bēiqíng chéngshì)")


@pytest.mark.parametrize(("typed", "title"), [
    ("Alien", "Alien"), ("alien", "Alien"), ("ALIEN (1979)", "Alien"),
    ("terminator", "The Terminator"), ("the paris texas", "Paris, Texas"),
    ("paris texas", "Paris, Texas"), ("Ivan’s Childhood", "Ivan's Childhood"),
    ("La longue attente", "The Long Wait"), ("Prometheus", "Prometheus"),
    ("Hamlet (1990)", "Hamlet"), ("Hamlet (1996, Branagh)", "Hamlet"), ("Hamlet（1948）", "Hamlet"),
])
def test_a_title_is_understood(titles: Titles, typed: str, title: str) -> None:
    found = titles.find(typed)
    assert found.film is not None
    assert found.film.title == title


def test_a_title_of_several_films_gives_them_all_by_year(titles: Titles) -> None:
    found = titles.find("hamlet")
    assert found.match is Match.SEVERAL
    assert [titles.label(film) for film in found.choices] == [
        "Hamlet (1948)", "Hamlet (1990)", "Hamlet (1996)"]
    assert titles.find("Hamlet (1950)").match is Match.SEVERAL, "no film of that year: ask"
    for choice in found.choices:
        assert titles.find(titles.label(choice)).film == choice


def test_an_unknown_title_gives_the_nearest(titles: Titles) -> None:
    found = titles.find("Seven Samurays")
    assert found.match is Match.UNKNOWN
    assert found.choices[0].title == "Seven Samurai"
    assert titles.nearest("samurai")[0].title == "Seven Samurai"
    assert titles.find("zzqx wvut").choices == ()


def test_a_title_of_which_nothing_is_known_says_so(titles: Titles) -> None:
    assert titles.find("M").match is Match.NOTHING_KNOWN
    assert titles.find(COPIED).match is Match.NOTHING_KNOWN


def test_folding_forgets_case_accents_and_apostrophes() -> None:
    assert fold("Ivan’s L'Âge d’Or & 8½") == "ivans lage dor and 8 1 2"


def test_only_sentences_about_the_story_stand_for_a_film() -> None:
    film = Film("x", "X", introduction=(
        "X is a 1990 drama film directed by A B. It won the main prize of the festival. "
        "It tells the story of a boy who repairs clocks. It stars Ann Bee, Cy Dee, Ed Eff and "
        "Gus Hay. The score was composed by E F."))
    assert [span.text.split()[-1] for span in telling(film)] == ["B.", "clocks."]
    assert all(film.introduction[s.start:s.end] == s.text for s in telling(film))
    assert not tells_story("Bee, Cee, Dee, Eff and Gee star in Hay")
    assert telling(Film("y", "Y")) == []
