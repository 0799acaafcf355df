"""Section “Attention”: which token looks at which, by the original and by a variant."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from domains.base import Decision
from domains.engine_lab.outcome import HeatOutcome, Stage
from domains.engine_lab.waiting import watched
from domains.shared.texts import Texts
from lepton_engine.compression.recipe import ORIGINAL, Recipe
from lepton_engine.errors import LimitError
from lepton_engine.results import Stamp

if TYPE_CHECKING:
    import numpy as np

SAY = Texts("engine_lab")
MAX_CHARACTERS = 600
MEAN = -1


def looked(engine: Any, name: str, recipe: Recipe, text: str, lang: str,
           ) -> Generator[Stage | HeatOutcome, None, None]:
    """Stages, then both sides; one when the recipe is the original.

    Raises:
        LimitError: more than 600 characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"Attention is drawn for at most {MAX_CHARACTERS:,} characters; these "
                         f"are {len(text):,}. Shorten the text.")
    wanted = dict.fromkeys((ORIGINAL, str(recipe)))
    found = []
    for asked in wanted:
        seen = yield from watched(partial(engine.attention, text, name, recipe=asked), engine,
                                  SAY(lang, "heat.looking", recipe=asked))
        found.append((asked, seen))
    sides = tuple(_side(asked, seen) for asked, seen in found)
    layers, heads = len(sides[0]["weights"]), len(sides[0]["weights"][0])
    said = [SAY(lang, "heat.reason", layers=layers, heads=heads)]
    kept = sides[-1]["weights"]
    missing = sum(heads - len(layer) for layer in kept)
    if missing:
        said.append(SAY(lang, "heat.pruned", n=missing, recipe=str(recipe)))
    if layers > len(kept):
        said.append(SAY(lang, "heat.layers_gone", n=layers - len(kept), recipe=str(recipe)))
    stamps = [seen.stamp for _, seen in found]
    yield HeatOutcome(decision=Decision.ANSWERED, reason=("" if lang == "zh" else " ").join(said),
                       name=name, text=text, sides=sides, layer=0, head=MEAN,
                       stamp=Stamp.combined(stamps, sum(s.latency_ms for s in stamps)))


def _side(recipe: str, seen: Any) -> dict[str, Any]:
    """The heads that there are, by layer: the engine pads a layer that lost some with heads
    that are no numbers, and numbers those that stay anew."""
    import numpy as np

    layers = [np.asarray(layer, dtype=np.float16) for layer in seen.weights]
    return {"recipe": recipe, "variant": seen.stamp.variant, "tokens": list(seen.tokens),
            "weights": [layer[np.isfinite(layer).all(axis=(1, 2))] for layer in layers]}


def shown(side: Any, layer: int, head: int) -> np.ndarray | None:
    """(n, n): row looks at column; None where the layer or the head is pruned."""
    import numpy as np

    if layer >= len(side["weights"]):
        return None
    weights = side["weights"][layer]
    if head == MEAN:
        return np.asarray(weights.mean(axis=0, dtype=np.float32)) if len(weights) else None
    return np.asarray(weights[head], dtype=np.float32) if head < len(weights) else None
