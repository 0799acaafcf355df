"""Results of the lab: what a compression made, and where an encoder looks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lepton_engine.results import Stamp


@dataclass(frozen=True)
class Compressed:
    """What ``Engine.compress`` made and what each step did.

    Sizes are bytes of weights: of the published file, of the original as it runs here, of the
    variant. ``seconds`` is the whole call: next to nothing where the variant was in the store.
    """

    name: str
    recipe: str
    variant: str
    steps: tuple[Any, ...]
    bytes_before: int
    bytes_original: int
    bytes_after: int
    seconds: float
    note: str = ""

    def to_text(self) -> str:
        lines = [f"{self.variant}: {self.bytes_after / 1e6:.3g} MB; as published "
                 f"{self.bytes_before / 1e6:.3g} MB, the original as it runs "
                 f"{self.bytes_original / 1e6:.3g} MB ({self.seconds:.3g} s)"]
        lines += [f"  {step.step}: {step.detail}" for step in self.steps]
        return "\n".join(lines + ([self.note] if self.note else []))

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([asdict(step) for step in self.steps])


@dataclass(frozen=True, eq=False)
class Attention:
    """What each sub-word looks at: ``weights`` float32 (layers, heads, n, n), rows sum to 1.

    ``weights[layer, head, i, j]`` is the share that token ``i`` takes from token ``j``;
    ``offsets`` are character spans in the text, (0, 0) for separators.
    """

    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    weights: np.ndarray
    stamp: Stamp

    def to_text(self) -> str:
        layers, heads, n, _ = self.weights.shape
        return f"{layers} layers of {heads} heads over {n} sub-words: {' '.join(self.tokens)}"

    def to_frame(self) -> pd.DataFrame:
        """One row for each layer, head and pair of sub-words."""
        import numpy as np
        import pandas as pd

        layer, head, row, column = (axis.ravel() for axis in np.indices(self.weights.shape))
        words = np.array(self.tokens)
        return pd.DataFrame({"layer": layer, "head": head, "token": words[row],
                             "looks_at": words[column], "weight": self.weights.ravel()})
