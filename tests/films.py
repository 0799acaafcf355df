"""A small film data set in the form of the catalogue's ``films``, for pages and tests.

The facts are common knowledge; the introductions are written here and not those of the
encyclopaedia.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

# title, year, director, genre, cast, story
ROWS = (
    ("Alien", 1979, "Ridley Scott", "science fiction horror", "Sigourney Weaver, John Hurt",
     "The crew of a cargo spaceship wakes near a distant moon and takes a deadly creature on "
     "board, which hunts them one by one through the dark corridors of the ship."),
    ("Aliens", 1986, "James Cameron", "science fiction action", "Sigourney Weaver, Michael Biehn",
     "The only survivor of a spaceship returns with soldiers to a colony on a distant moon where "
     "the settlers have been killed by creatures."),
    ("Blade Runner", 1982, "Ridley Scott", "science fiction thriller",
     "Harrison Ford, Rutger Hauer", "A tired policeman hunts artificial humans through a rainy "
     "city of the future and begins to doubt who is human."),
    ("The Terminator", 1984, "James Cameron", "science fiction action",
     "Arnold Schwarzenegger, Linda Hamilton", "A machine in human form comes from the future to "
     "kill the mother of a man who will lead the war against the machines."),
    ("Solaris", 1972, "Andrei Tarkovsky", "science fiction drama",
     "Natalya Bondarchuk, Donatas Banionis", "A psychologist on a space station above a thinking "
     "ocean meets his dead wife and cannot tell memory from life."),
    ("Spirited Away", 2001, "Hayao Miyazaki", "animated fantasy", "Rumi Hiiragi, Miyu Irino",
     "A girl works in a bath house of spirits to free her parents, who were turned into pigs."),
    ("Ran", 1985, "Akira Kurosawa", "historical drama", "Tatsuya Nakadai, Akira Terao",
     "An old warlord divides his realm among three sons and sees it burn in their war."),
    ("Seven Samurai", 1954, "Akira Kurosawa", "historical drama", "Toshiro Mifune, Takashi Shimura",
     "A poor village hires seven masterless samurai to fight the bandits who steal its harvest."),
    ("Diary of a Country Priest", 1951, "Robert Bresson", "drama", "Claude Laydu, Nicole Ladmiral",
     "A young priest in a small village writes down his doubts as his faith and health fail."),
    ("Winter Light", 1963, "Ingmar Bergman", "drama", "Gunnar Bjornstrand, Ingrid Thulin",
     "A priest of a small village who has lost his faith cannot comfort a fisherman in despair."),
    ("The Seventh Seal", 1957, "Ingmar Bergman", "historical drama",
     "Max von Sydow, Gunnar Bjornstrand", "A knight home from war plays chess with Death in a "
     "land full of plague and asks whether there is a God."),
    ("Come and See", 1985, "Elem Klimov", "war drama", "Aleksei Kravchenko, Olga Mironova",
     "A boy joins the partisans and grows old within days in a war that burns his village."),
    ("Ivan's Childhood", 1962, "Andrei Tarkovsky", "war drama", "Nikolai Burlyaev, Valentin Zubkov",
     "An orphaned boy scouts behind the front in a war that has taken his childhood."),
    ("Grave of the Fireflies", 1988, "Isao Takahata", "animated war drama",
     "Tsutomu Tatsumi, Ayano Shiraishi", "Two children try to live on their own in the last "
     "months of a war after their home is bombed."),
    ("The Third Man", 1949, "Carol Reed", "crime thriller", "Joseph Cotten, Orson Welles",
     "A writer comes to a ruined city after the war and learns that his dead friend sold false "
     "medicine and may be alive."),
    ("Vertigo", 1958, "Alfred Hitchcock", "crime thriller", "James Stewart, Kim Novak",
     "A detective with a fear of heights follows a woman and tries to make another one like her."),
    ("Psycho", 1960, "Alfred Hitchcock", "horror thriller", "Anthony Perkins, Janet Leigh",
     "A secretary who stole money stops at a lonely motel kept by a shy man and his mother."),
    ("Singin' in the Rain", 1952, "Gene Kelly", "musical comedy", "Gene Kelly, Debbie Reynolds",
     "A star of silent films must learn to talk and to sing when sound comes to the cinema."),
    ("Some Like It Hot", 1959, "Billy Wilder", "romantic comedy", "Marilyn Monroe, Jack Lemmon",
     "Two musicians who saw a murder hide in women's clothes in a band that travels south."),
    ("The Apartment", 1960, "Billy Wilder", "romantic comedy", "Jack Lemmon, Shirley MacLaine",
     "A clerk lends his flat to his superiors and loves a girl whom one of them deceives."),
    ("Paris, Texas", 1984, "Wim Wenders", "drama", "Harry Dean Stanton, Nastassja Kinski",
     "A man walks out of the desert after years of silence and looks for his wife with his son."),
    ("Tokyo Story", 1953, "Yasujiro Ozu", "drama", "Chishu Ryu, Setsuko Hara",
     "An old couple visits its grown children in the city, who have no time for them."),
    ("Close-Up", 1990, "Abbas Kiarostami", "drama", "Hossain Sabzian, Mohsen Makhmalbaf",
     "A poor man pretends to be a famous director to a family and is brought to court."),
    ("City Lights", 1931, "Charles Chaplin", "romantic comedy", "Charles Chaplin, Harry Myers",
     "A tramp falls in love with a blind flower girl and finds the money to let her see."),
)


def write_films(folder: Path) -> Path:
    """Write ``movie_summaries.json`` and ``movies.db`` into ``folder``; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {title: introduction(*rest) for title, *rest in [(r[0], *r) for r in ROWS]}
    (folder / "movie_summaries.json").write_text(json.dumps(texts), encoding="utf-8")
    rows = [(i, f"tt{i:07d}", title, year, director, genre_list(genre), cast)
            for i, (title, year, director, genre, cast, _) in enumerate(ROWS, start=1)]
    with closing(sqlite3.connect(folder / "movies.db")) as db, db:
        db.execute('CREATE TABLE omdb (ID INTEGER PRIMARY KEY, imdbID TEXT, Title TEXT, '
                   'Year INTEGER, Director TEXT, Genre TEXT, "Cast" TEXT)')
        db.executemany("INSERT INTO omdb VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return folder


def introduction(title: str, year: int, director: str, genre: str, cast: str, story: str) -> str:
    """An introduction as an encyclopaedia begins it, with the story after it."""
    article = "an" if genre[0] in "aeiou" else "a"
    return (f"{title} is {article} {year} {genre} film directed by {director} and starring "
            f"{cast.replace(', ', ' and ')}. {story}")


def genre_list(genre: str) -> str:
    """The genre words as the film table writes them."""
    known = {"science fiction": "Sci-Fi", "horror": "Horror", "action": "Action",
             "thriller": "Thriller", "drama": "Drama", "war": "War", "comedy": "Comedy",
             "romantic": "Romance", "musical": "Musical", "crime": "Crime", "fantasy": "Fantasy",
             "animated": "Animation", "historical": "History"}
    return ", ".join(name for word, name in known.items() if word in genre)
