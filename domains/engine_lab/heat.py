"""Section “Attention”: which token looks at which, by the original and by a variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from domains.base import Decision
from domains.engine_lab.outcome import HeatOutcome
from domains.shared.texts import Texts
from lepton_engine.compression.recipe import ORIGINAL, Recipe
from lepton_engine.errors import LimitError
from lepton_engine.results import Stamp

if TYPE_CHECKING:
    import numpy as np

SAY = Texts("engine_lab")
MAX_CHARACTERS = 600
MEAN = -1


def looked(engine: Any, name: str, recipe: Recipe, text: str, lang: str) -> HeatOutcome:
    """Both sides; one when the recipe is the original. Raises LimitError past 600 characters."""
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"Attention is drawn for at most {MAX_CHARACTERS:,} characters; these "
                         f"are {len(text):,}. Shorten the text.")
    wanted = dict.fromkeys((ORIGINAL, str(recipe)))
    found = [(asked, engine.attention(text, name, recipe=asked)) for asked in wanted]
    sides = tuple(_side(asked, seen) for asked, seen in found)
    missing = sum(len(heads) for heads in sides[-1]["missing"])
    layers = len(sides[0]["weights"])
    said = [SAY(lang, "heat.reason", layers=layers, heads=len(sides[0]["weights"][0]))]
    if missing:
        said.append(SAY(lang, "heat.pruned", n=missing, recipe=str(recipe)))
    gone = layers - len(sides[-1]["weights"])
    if gone:
        said.append(SAY(lang, "heat.layers_gone", n=gone, recipe=str(recipe)))
    stamps = [seen.stamp for _, seen in found]
    return HeatOutcome(decision=Decision.ANSWERED, reason=("" if lang == "zh" else " ").join(said),
                       name=name, text=text, sides=sides, layer=min(layers - 1, 0), head=MEAN,
                       stamp=Stamp.combined(stamps, sum(s.latency_ms for s in stamps)))


def _side(recipe: str, seen: Any) -> dict[str, Any]:
    """A pruned head has no attention at all: its rows are not numbers, or all zero."""
    import numpy as np

    weights = [np.asarray(layer, dtype=np.float16) for layer in seen.weights]
    missing = [[h for h, head in enumerate(layer) if _absent(head)] for layer in weights]
    return {"recipe": recipe, "variant": seen.stamp.variant, "tokens": list(seen.tokens),
            "weights": weights, "missing": missing}


def _absent(head: np.ndarray) -> bool:
    import numpy as np

    return not np.isfinite(head).all() or not head.any()


def shown(side: Any, layer: int, head: int) -> np.ndarray | None:
    """(n, n): row looks at column; None where the layer or the head is pruned."""
    import numpy as np

    if layer >= len(side["weights"]):
        return None
    weights, missing = side["weights"][layer], side["missing"][layer]
    if head == MEAN:
        kept: Sequence[np.ndarray] = [w for h, w in enumerate(weights) if h not in missing]
        return np.mean(np.stack(kept), axis=0, dtype=np.float32) if kept else None
    if head >= len(weights) or head in missing:
        return None
    return np.asarray(weights[head], dtype=np.float32)
