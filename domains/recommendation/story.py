"""Which sentences of an introduction tell the film's story, place and manner.

Most of an introduction is about prizes, sales, reviews and who made the film; two films are
not alike because both were shown in Cannes. Those sentences stay readable and searchable by
word, but they do not count for how alike two films are.
"""

from __future__ import annotations

import re

from domains.recommendation.films import Film
from lepton_engine.sentences import Span, split

MOST = 12  # sentences that stand for a film
MOST_NAMES = 0.45  # of a sentence's words with a capital; more is a list of the cast
WITHOUT_STORY = 3  # sentences taken where none tells a story

_TRADE = re.compile(
    r"""\b(?:
    award(?:s|ed)? | nominat\w+ | oscars? | palme | golden\ (?:globes?|lion|bear|palm) | festival
    | prizes? | jury | won\ the | competition | entered\ into | screened | ranked | voted | poll
    | box[- ]office | gross(?:ed|ing) | budget | commercial\w* | distribut\w+ | theatrical\w*
    | critics? | critical(?:ly)?\ (?:acclaim\w*|success|reception|response) | acclaim\w*
    | reviews? | reception | received | praised? | rotten\ tomatoes | metacritic
    | sight\ (?:&|and)\ sound | masterpiece | cult\ (?:film|following|classic)
    | (?:greatest|best|finest|most\ influential)\ (?:\w+\ ){0,4}(?:films?|movies?|ever)
    | all[- ]time | of\ all\ time | list\ of | regarded | considered | cited | influen\w+
    | library\ of\ congress | film\ registry | preserv\w+ | restor\w+ | american\ film\ institute
    | AFI | BFI | british\ film\ institute | censor\w* | banned | re-?release\w* | released?
    | premier\w+ | DVD | blu-ray | filmed | filming | shot\ (?:in|on|at|over|by) | shooting
    | cinematograph\w+ | cameras? | technicolor | soundtrack | score | composed | composer
    | music\ by | edited\ by | produc(?:ed|er|ers|tion) | studios? | directed\ by | directorial
    | sequels? | prequels? | remake | remade | trilogy | installment | franchise | starring
    | co-stars | debut | first\ (?:feature|film) | (?:last|final)\ film | career
    | title\ (?:refers|is|comes) | originally\ (?:titled|intended) | screenplay | script\w*
    | credits? | adapt\w* | based\ (?:up)?on | novel(?:la)? | book | co-?wr\w+ | writers? | drafts?
    | stars | roles? | genre | admissions | project | directors? | editing | dedicated | compared
    | movie
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
# A sentence that tells a story does so whatever else it says.
_STORY = re.compile(
    r"""\b(?:
    (?:tells?|telling)\ (?:the|a|of) | story\ of | follows | (?:revolv|cent(?:er|r)|focus)es
    | cent(?:er|re)s?\ (?:on|around) | depicts | chronicles | concerns | portrays
    | set\ (?:in|during|against|on|at) | plot\ (?:is|of|concerns) | explores? | protagonists?
    | (?:is|are|film)\ about | (?:plays?|stars?)(?:\ \S+){0,4}\ as\ (?:an?|the) | named
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


def tells_story(text: str) -> bool:
    """Whether a sentence says in so many words that it tells the story."""
    return bool(_STORY.search(text)) and not _is_list(text)


def _tells(text: str) -> bool:
    return tells_story(text) or not (_TRADE.search(text) or _is_list(text))


def _is_list(text: str) -> bool:
    """Whether a sentence is mostly names: "It stars Grant, Hepburn and Stewart"."""
    words = re.findall(r"[^\W\d_]+", text)[1:]
    return len(words) > 3 and sum(word[0].isupper() for word in words) > MOST_NAMES * len(words)


def telling(film: Film) -> list[Span]:
    """The first sentence (what kind of film it is), then those that tell its story.

    Spans lie in ``film.introduction``. Where nothing tells a story, the next
    ``WITHOUT_STORY`` sentences stand for it; without an introduction there are none.
    """
    if not film.introduction:
        return []
    first, *rest = split(film.introduction)
    story = [span for span in rest if _tells(span.text)]
    return [first, *(story or rest[:WITHOUT_STORY])][:MOST]
