"""The profile's line under the header: what runs compressed, and what that was measured to cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domains.shared.markup import escape, three
from domains.shared.texts import Texts
from lepton_engine import profiles
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.errors import LeptonError

_PLACE = "§§"  # where the rows go, which are markup of their own


@dataclass(frozen=True)
class Running:
    """What a name runs as under a profile, and the verdict on that, where there is one."""

    name: str
    recipe: str
    verdict: Verdict | None = None


def running(engine: Any, names: Sequence[str], profile: str) -> list[Running]:
    """Those of ``names`` that do not run as published. Loads nothing."""
    found = []
    for name in dict.fromkeys(names):
        try:
            recipe = str(engine.recipe_for(name, profile))
            verdicts = {v.recipe: v for v in engine.verdicts(name)}
        except LeptonError:  # a name that this engine does not know runs as nothing
            continue
        if recipe != profiles.ORIGINAL:
            found.append(Running(name, recipe, verdicts.get(recipe)))
    return found


def profile_html(profile: str, rows: Sequence[Running], notes: Sequence[str] = (),
                 lang: str = "en") -> str:
    """One line. ``notes`` are the engine's sentences on what does not run as it was meant to."""
    say = Texts("page")
    if rows and profile != profiles.ORIGINAL:
        dates = sorted({row.verdict.date for row in rows if row.verdict})
        text = escape(say(lang, f"profile.{profile}_note", rows=_PLACE,
                          dates=", ".join(dates) or "–"))
        text = text.replace(_PLACE, " · ".join(_said(row, profile, lang, say) for row in rows))
    else:
        key = profile if profile == profiles.ORIGINAL else "none"
        text = escape(say(lang, f"profile.{key}_note"))
    warned = "".join(f' <span class="lp-profile-warning">{escape(note)}</span>' for note in notes)
    return f'<p class="lp-profile-note">{text}{warned}</p>'


def _said(row: Running, profile: str, lang: str, say: Texts) -> str:
    """A few words; what exactly was measured stands behind them."""
    verdict = row.verdict
    if verdict is None:
        return escape(say(lang, "profile.unmeasured", name=row.name, recipe=row.recipe))
    speed = three(verdict.speedup) if math.isfinite(verdict.speedup) else "–"
    sign = "+" if verdict.loss_points < 0 else "−"
    facts = {"name": row.name, "recipe": row.recipe, "metric": verdict.metric, "speedup": speed,
             "points": f"{sign}{three(abs(verdict.loss_points))}", "n": f"{verdict.n:,}",
             "date": verdict.date, "host": verdict.host}
    short = say(lang, "profile.price" if profile == profiles.FAST else "profile.passed", **facts)
    return (f'<span tabindex="0" title="{escape(say(lang, "profile.measured", **facts))}">'
            f"{escape(short)}</span>")
