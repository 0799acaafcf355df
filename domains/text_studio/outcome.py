"""What the studio hands back, and the sentences that say why."""

from __future__ import annotations

from dataclasses import dataclass

from domains.base import Outcome

TASKS = ("summarize", "translate", "generate")
LANGUAGES = ("en", "zh")


@dataclass(frozen=True, kw_only=True)
class StudioOutcome(Outcome):
    """A text made from a text.

    ``done`` and ``total`` count characters of the input that were worked on;
    ``complete`` is False when time or a limit ended the work before the end. ``draft``
    is the part that is being written and not yet checked; empty at the end.
    """

    text: str
    draft: str = ""
    task: str
    source_language: str = ""
    target_language: str = ""
    done: int = 0
    total: int = 0
    complete: bool = True
    dropped: int = 0
