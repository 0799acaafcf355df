"""Reads an encyclopaedia introduction: is it about the film, and which facts does it state?

The carrier of the introductions looked up each title by name, so 234 of its 997 texts are not
about the film: another article (the letter M, the city of Nashville, the novel behind a film)
or, where a title was not found, the text of the title before it once more. A text counts as
the film's own only when its first sentence says that it is a film. Facts are read only from
fixed turns of phrase of that sentence and the next two ("directed by …", "starring …"); what
is not stated there is unknown.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from lepton_engine.sentences import split

HEAD = 800  # characters in which an introduction says what its subject is

_NOUN = (
    r"(?:films?|movies?|documentary|featurette|docufiction|documentaries|Western|western|biopic"
    r"|drama|comedy|musical|thriller|melodrama|satire|video project|trilogy|epic)"
)
_OTHER = (
    r"that|which|who|whose|novels?|novella|plays?|poem|book|opera|operetta|franchise|sitcom"
    r"|television(?! film)|series|story|tale|character|album|song|artist|painter|actress|city"
    r"|in|about|film (?:director|monster|movement|maker|festival|series)"
)
_MAKER = r"(?:[A-Z][\w.'’-]+ ){1,4}"
_LEAD = rf"(?:an?|the|one of the|director|filmmaker|{_MAKER}?[A-Z][\w.-]+['’]s?|\d{{4}})"
_IS_A = re.compile(
    rf"\b(?:is|was|are) (?:{_LEAD}\s+)+"
    rf"((?:(?!\b(?:{_OTHER})\b)(?:[^.;:]|Bros\.)){{0,110}}?\b{_NOUN})\b"
    r"(?! (?:director|maker|festival|monster|movement|series))"
)
_MADE = re.compile(r"\b(?:films?|movies?|documentary|featurette|directed|starring|biopic)")
_YEAR = re.compile(r"\b(18[89]\d|19\d\d|20[01]\d)\b")
_RELEASED = re.compile(
    r"\b(?:released|premiered|filmed|made|shot|completed|debuted)\b[^.]{0,60}?\b"
    r"(18[89]\d|19\d\d|20[01]\d)\b"
)

_PARTICLE = r"(?:d[aeiou]s?|del|della|der|den|van|von|la|le|el|al|ben|bin|ibn|ten|ter|y|af|e)"
_WORD = r"(?:(?:[A-ZÀ-ÖØ-ÞĀ-Ž]|[a-zA-Z]['’](?=[A-Z]))[\w'’‐-]*\.?)"
_SURNAME = r"(?:[A-ZÀ-ÖØ-ÞĀ-Ž]\.|[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’‐-]+|d['’][A-Z]\w+)"
NAME = rf"{_SURNAME}(?: {_SURNAME}| {_PARTICLE}(?= {_SURNAME}| [a-z]\w+ [A-Z])| Jr\.){{0,5}}"
_LIST = rf"{NAME}(?:(?:, and|,| and| &| with) {NAME})*"
_ROLE = (
    r"(?:(?:the |its )?(?:[\w/-]+ ){0,4}(?:director|filmmaker|artist|photographer|comedian|duo"
    r"|auteur|team of|team|duo of|producer)s? (?:of [\w ]{0,20}?)?)?"
)
_DIRECTED = re.compile(
    r"\b(?:directed\b[,/ a-z-]{0,50}?\b(?:by|starring)|directorial debut (?:of|for)"
    r"|(?:film|films|movie|documentary|featurette|short|drama|comedy|project|thriller)"
    r"(?: begun)?,? (?:made |shot )?(?:by|from)|the feature-length debut of)"
    rf" (?:the )?{_ROLE}({_LIST})"
)
_STARRING = re.compile(rf"\b(?:[Ss]tarring|[Ss]tars|[Ff]eaturing|cast includes) ({_LIST})")

_GENRES: tuple[tuple[str, str], ...] = (
    ("Drama", r"drama\b|melodrama"), ("Comedy", r"comed(?:y|ies)|satir|mockumentary|screwball"),
    ("Romance", r"roman(?:ce|tic)\b"), ("Crime", r"\bcrime|gangster|heist|noir"),
    ("Thriller", r"thriller"), ("Horror", r"horror|slasher|giallo"),
    ("Documentary", r"\bdocumentar"), ("Sci-Fi", r"science[- ]fiction|sci-fi"),
    ("Fantasy", r"\bfantasy"), ("Adventure", r"adventure|swashbuckler"),
    ("Musical", r"\bmusical\b"), ("Biography", r"biograph|biopic"), ("Mystery", r"mystery"),
    ("War", r"\bwar\b"), ("Animation", r"animat"), ("Western", r"\b[Ww]estern\b"),
    ("History", r"historical|period"), ("Action", r"\baction|martial arts|samurai|wuxia"),
    ("Sport", r"\bsports\b"), ("Family", r"\bfamily\b|children's"),
    ("Experimental", r"experimental|avant-garde|structural"), ("Short", r"\bshort\b"),
    ("Silent", r"\bsilent\b"),
)


_SPELLINGS = str.maketrans({"½": " 1/2", "&": " and ", "ı": "i"})


@dataclass(frozen=True)
class Introduction:
    """What a text says about its film. ``own`` is False when it is about something else.

    ``subject`` is the text up to what it says it is (names and aliases of the film).
    """

    text: str
    own: bool
    subject: str = ""
    year: int | None = None
    directors: tuple[str, ...] = ()
    cast: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()


def fold(text: str) -> str:
    """Words of ``text`` without case, accents and punctuation: how titles are compared."""
    plain = unicodedata.normalize("NFKD", text.translate(_SPELLINGS))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    return " ".join(re.findall(r"\w+", re.sub(r"['’`]", "", plain)))


def read(text: str) -> Introduction:
    """Read an introduction; see the module's text. Never raises."""
    head = re.sub(r"[\u200b\u200e\ufeff]|\s+", lambda m: " " if m[0].isspace() else "", text)
    head = head.strip()[:HEAD]
    found = _IS_A.search(head)
    if not found or found.start() > 450 or not _MADE.search(head[found.start():found.end() + 90]):
        return Introduction(text, own=False)
    sentences = " ".join(s.text for s in split(head[found.start():])[:3])
    return Introduction(
        text, own=True, subject=head[:found.start()].strip(),
        year=_year(head, found), directors=_names(_DIRECTED, sentences)[:4],
        cast=_names(_STARRING, sentences)[:12], genres=_genres(found[1], head, found),
    )


def _year(head: str, found: re.Match[str]) -> int | None:
    """The year in "is a 1958 … film", else in "(1924)" before it, else of its release."""
    for text in (found[0], *re.findall(r"\(([^()]*)\)", head[:found.start()])):
        if year := _YEAR.search(text):
            return int(year[1])
    released = _RELEASED.search(head, found.start())
    return int(released[1]) if released else None


def _genres(phrase: str, head: str, found: re.Match[str]) -> tuple[str, ...]:
    """Genres named between "is a" and "directed by" or the like."""
    rest = re.match(r"[^.;,()]{0,40}", head[found.end():])
    words = phrase + (re.split(r"\b(?:by|about|that|directed|written|starring|of|based|with|in)\b",
                               rest[0])[0] if rest else "")
    return tuple(name for name, pattern in _GENRES if re.search(pattern, words))


def _names(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    """Full names of people in the lists that ``pattern`` finds, in order, each once."""
    names: list[str] = []
    for match in pattern.finditer(text):
        parts = re.split(r",? and |, | & | with ", match[1])
        surnames = [part.split()[-1] for part in parts]
        for i, part in enumerate(parts):
            whole = part.rstrip(".") if part.endswith(("..",)) else part
            if " " not in whole and i + 1 < len(parts) and pattern is _DIRECTED:
                whole = f"{whole} {surnames[i + 1]}" if " " in parts[i + 1] else ""
            if " " in whole and whole not in names and whole.split()[0] not in ("The", "A", "An"):
                names.append(whole)
    return tuple(names)
