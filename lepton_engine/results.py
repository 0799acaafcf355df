"""What the engine hands back: frozen results, each with the stamp of what it cost.

Units stand in the field names. ``to_text`` is for people, ``to_frame`` for tables
(pandas is imported only there), ``to_dict`` for JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

# Results like the others; they stand in files of their own.
from lepton_engine.lab_results import Attention as Attention
from lepton_engine.lab_results import Compressed as Compressed
from lepton_engine.status import EngineStatus as EngineStatus
from lepton_engine.status import LoadState as LoadState

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Stamp:
    """What an answer cost and which variant gave it.

    ``variant`` is written ``minilm-l6/original@openvino:cpu``; ``note`` holds the reason
    when a fallback served; ``parts`` are the stamps of the steps an answer was made of.
    """

    variant: str
    device: str
    precision: str
    latency_ms: float
    tokens: int = 0
    tokens_per_second: float | None = None
    first_token_ms: float | None = None
    queue_wait_ms: float = 0.0
    note: str = ""
    parts: tuple[Stamp, ...] = ()

    @property
    def runtime(self) -> str:
        """``openvino`` of ``minilm-l6/original@openvino:cpu``; empty for a combined stamp."""
        return self.variant.partition("@")[2].partition(":")[0]

    @classmethod
    def combined(cls, parts: Sequence[Stamp], latency_ms: float) -> Stamp:
        """One stamp over the steps of an answer; ``latency_ms`` is the wall time of all."""
        flat = tuple(p for part in parts for p in (part.parts or (part,)))
        names = list(dict.fromkeys(p.variant for p in flat))
        speeds = [p.tokens_per_second for p in flat if p.tokens_per_second]
        return cls(
            variant=" + ".join(names),
            device=", ".join(dict.fromkeys(p.device for p in flat)),
            precision=", ".join(dict.fromkeys(p.precision for p in flat)),
            latency_ms=latency_ms,
            tokens=sum(p.tokens for p in flat),
            tokens_per_second=speeds[-1] if speeds else None,
            first_token_ms=next((p.first_token_ms for p in flat if p.first_token_ms), None),
            queue_wait_ms=sum(p.queue_wait_ms for p in flat),
            note="; ".join(dict.fromkeys(p.note for p in flat if p.note)),
            parts=flat,
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        speed = f", {self.tokens_per_second:.3g} tokens/s" if self.tokens_per_second else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.variant}: {self.latency_ms:.3g} ms{speed}{note}"


Item = TypeVar("Item")


@dataclass(frozen=True)
class ResultList(Sequence[Item], Generic[Item]):
    """Results of many texts in input order, with one stamp for all."""

    items: tuple[Item, ...]
    stamp: Stamp

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def to_text(self) -> str:
        return "\n".join(item.to_text() for item in self.items)  # type: ignore[attr-defined]

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([item.to_row() for item in self.items])  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """``vectors``: float32 (n_texts, dimension), each of length 1."""

    vectors: np.ndarray
    stamp: Stamp
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    def to_text(self) -> str:
        return f"{self.vectors.shape[0]} vectors of {self.vectors.shape[1]} dimensions"

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.vectors, index=list(self.texts) or None)


@dataclass(frozen=True)
class Classification:
    """One text's label. ``probabilities`` sums to 1; ``confidence`` is that of ``label``.

    ``accepted`` is False where the adapter's threshold says that none of its labels fits;
    ``score`` is the value that was compared with it (higher is more certain).
    """

    label: str
    confidence: float
    probabilities: Mapping[str, float]
    stamp: Stamp
    accepted: bool = True
    score: float | None = None

    def to_text(self) -> str:
        return f"{self.label} ({self.confidence:.3g})"

    def to_row(self) -> dict[str, Any]:
        return {"label": self.label, "confidence": self.confidence, "accepted": self.accepted,
                **{f"p_{name}": p for name, p in self.probabilities.items()}}

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([self.to_row()])


@dataclass(frozen=True)
class Ranking:
    """``order``: indices of the passages, best first; ``scores``: by passage index.

    Scores are the reranker's logits through the logistic function, 0..1.
    """

    order: tuple[int, ...]
    scores: tuple[float, ...]
    stamp: Stamp

    def to_text(self) -> str:
        return ", ".join(f"{i} ({self.scores[i]:.3g})" for i in self.order)

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        rows = [{"passage": i, "score": self.scores[i]} for i in self.order]
        return pd.DataFrame(rows, columns=["passage", "score"])


@dataclass(frozen=True)
class Entity:
    """A named entity: ``start``/``end`` are character offsets; ``label`` is spaCy's (ORG, ...)."""

    text: str
    label: str
    start: int
    end: int


@dataclass(frozen=True)
class ChatChunk:
    """One piece of a stream. The last one has ``finish_reason`` and ``stamp``."""

    text: str
    finish_reason: str = ""
    stamp: Stamp | None = None
    dropped_turns: int = 0


@dataclass(frozen=True)
class ChatReply:
    """A whole reply. ``finish_reason``: stop, length, deadline or cancelled.

    ``dropped_turns`` is how many older messages did not fit the model's context budget.
    """

    text: str
    stamp: Stamp
    finish_reason: str
    dropped_turns: int = 0

    def to_text(self) -> str:
        return self.text

    def to_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([{"text": self.text, "finish_reason": self.finish_reason}])


@dataclass(frozen=True)
class Evidence:
    """What an answer rests on: ``quote`` is ``passage[start:end]``; ``score`` is 0..1."""

    source: str
    title: str
    address: str
    quote: str
    score: float
    passage: str = ""
    start: int = 0
    end: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def noted(result: Any, note: str) -> Any:
    """The same result with ``note`` in its stamp (and in its items' stamps)."""
    if not note:
        return result
    changes: dict[str, Any] = {}
    stamp = getattr(result, "stamp", None)
    if stamp is not None:
        said = "; ".join(dict.fromkeys(n for n in (stamp.note, note) if n))
        changes["stamp"] = replace(stamp, note=said)
    if isinstance(result, ResultList):
        changes["items"] = tuple(noted(item, note) if hasattr(item, "stamp") else item
                                 for item in result.items)
    return replace(result, **changes) if changes else result
