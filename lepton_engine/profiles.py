"""Profiles: what a person picks once, and which recipe each model runs as because of it.

The profile is a context variable: whoever answers a request enters ``using(profile)``, and
every call of the engine below follows it without being told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.rows import LEAST_GAIN
from lepton_engine.compression.verdicts import PASSED, REFUSED, Verdict
from lepton_engine.errors import UnknownNameError

ORIGINAL, BALANCED, FAST = PROFILES = ("original", "balanced", "fast")
DEFAULT = BALANCED

#: What ``fast`` may cost. The fastest of all variants is one that has forgotten its task; nobody
#: who asks for speed means that one.
FAST_POINTS = 5.0

#: The empty recipe: a model as it was published.
PLAIN = Recipe()

_current: ContextVar[str] = ContextVar("lepton_profile", default=DEFAULT)


def checked(profile: str) -> str:
    """The profile itself. Raises UnknownNameError for any other name."""
    if profile not in PROFILES:
        raise UnknownNameError.of("profile", str(profile), PROFILES)
    return profile


def current() -> str:
    """The profile of the work at hand; ``balanced`` where nobody chose one."""
    return _current.get()


def follow(profile: str) -> None:
    """Set the profile for the rest of the current context; `using` gives it back."""
    _current.set(checked(profile))


@contextmanager
def using(profile: str) -> Iterator[None]:
    """Everything that the block calls follows ``profile``."""
    token = _current.set(checked(profile))
    try:
        yield
    finally:
        _current.reset(token)


def chosen_verdict(profile: str, verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict by which a profile picks its recipe, or None where the original stays.

    ``balanced`` may take what passed the gate, ``fast`` also what loses at most `FAST_POINTS`
    (a decoder, whose points are not the only measure, must have passed). Both take the fastest;
    of those within `LEAST_GAIN` of it, which timing does not tell apart, the one that loses
    least; and none that gains less than `LEAST_GAIN` over the original.
    """
    if checked(profile) == ORIGINAL:
        return None
    rows = [v for v in verdicts if may_serve(profile, v) and pace(v) >= 1 + LEAST_GAIN]
    fastest = max(map(pace, rows), default=0.0)
    near = [v for v in rows if pace(v) * (1 + LEAST_GAIN) >= fastest]
    return min(near, key=lambda v: v.loss_points, default=None)


def may_serve(profile: str, verdict: Verdict) -> bool:
    """Whether what a variant lost is within what the profile allows."""
    if verdict.decision == PASSED:
        return True
    return (profile == FAST and verdict.decision == REFUSED and not _writes(verdict)
            and verdict.loss_points <= FAST_POINTS)


def pace(verdict: Verdict) -> float:
    """How many times as fast as its original: the geometric mean of one text at a time and of
    many together, which visitors and tables ask for; of a decoder one stream's speed."""
    many = verdict.texts_per_second / max(verdict.original_texts_per_second, 1e-9)
    one = verdict.speedup
    return one if _writes(verdict) or many <= 0 else math.sqrt(one * many)


def _writes(verdict: Verdict) -> bool:
    return verdict.detail.get("unit") == "token"


def recipe_for(name: str, profile: str, verdicts: Iterable[Verdict],
               unmeasured: Recipe = PLAIN) -> Recipe:
    """The recipe that ``name`` runs as under a profile.

    ``verdicts`` are those that hold for the device at hand; ``unmeasured`` is what runs where
    nothing was measured yet (the original, and 8-bit weights for a decoder on OpenVINO).
    """
    own = [v for v in verdicts if v.name == name]
    if checked(profile) != ORIGINAL and not own:
        return unmeasured
    verdict = chosen_verdict(profile, own)
    return PLAIN if verdict is None else Recipe.parse(verdict.recipe)
