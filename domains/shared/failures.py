"""From an exception to a sentence with an id, and a log line that holds no user's text."""

from __future__ import annotations

import logging
import secrets
import traceback
from dataclasses import dataclass
from pathlib import PurePath

from domains.shared.texts import Texts
from lepton_engine.errors import LeptonError

log = logging.getLogger("lepton")


@dataclass(frozen=True)
class Failure:
    """``sentence`` is for a person; ``id`` stands in the log too."""

    sentence: str
    id: str

    def text(self, lang: str = "en") -> str:
        return f"{self.sentence} ({Texts('page')(lang, 'error.id', id=self.id)})"


def failure_of(error: BaseException, where: str, lang: str = "en") -> Failure:
    """Log an exception by type, place and id, and give the sentence for it.

    The sentence of a LeptonError is its own; of anything else a general one, because the
    text of a foreign exception may hold a path or what a user typed. For the same reason
    the log gets the places of the traceback, never its message.
    """
    say = Texts("page")
    known = isinstance(error, LeptonError)
    short_id = error.id if isinstance(error, LeptonError) else secrets.token_hex(4)
    level = logging.INFO if known else logging.ERROR
    log.log(level, "%s in %s (id %s)%s", type(error).__name__, where, short_id,
            "" if known else f" at {_places(error)}")
    if not isinstance(error, LeptonError):
        return Failure(say(lang, "error.unexpected"), short_id)
    return Failure(_lead(error, lang, say) + error.message, short_id)


def _lead(error: LeptonError, lang: str, say: Texts) -> str:
    """A few words in the page's language before a sentence that the engine wrote."""
    for kind in type(error).__mro__:
        if f"error.lead_{kind.__name__}" in say:
            return say(lang, f"error.lead_{kind.__name__}")
    return ""


def _places(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{PurePath(f.filename).name}:{f.lineno}" for f in reversed(frames))
