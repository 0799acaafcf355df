"""The protocols that every runtime keeps, and the small records that pass through them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from lepton_engine.results import Stamp

if TYPE_CHECKING:
    import numpy as np


#: Outputs with a length axis, which padding is cut from.
TOKEN_OUTPUTS = frozenset({"last_hidden_state", "mlm_logits"})
#: Outputs that a text has one of, however it is padded.
TEXT_OUTPUTS = frozenset({"logits", "nsp_logits", "sentence_embedding", "mean_vector"})


@dataclass(frozen=True)
class RuntimeInfo:
    """What serves a variant. ``note`` says why when it is not the first choice."""

    model: str
    recipe: str
    runtime: str
    device: str
    precision: str
    note: str = ""

    @property
    def variant(self) -> str:
        return f"{self.model}/{self.recipe}@{self.runtime}:{self.device}"

    def with_note(self, note: str) -> RuntimeInfo:
        return replace(self, note="; ".join(n for n in (self.note, note) if n))

    def stamp(self, latency_ms: float, **measured: object) -> Stamp:
        """A stamp of this variant with what was measured."""
        return Stamp(variant=self.variant, device=self.device, precision=self.precision,
                     latency_ms=latency_ms, note=self.note, **measured)  # type: ignore[arg-type]


class EncoderRuntime(Protocol):
    """Runs an encoder (with or without heads) on padded batches; safe to call from threads."""

    info: RuntimeInfo
    memory_bytes: int
    vocabulary_size: int

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray,
            token_type_ids: np.ndarray | None = None) -> Mapping[str, np.ndarray]:
        """int64 (batch, length) in; float32 arrays out by name.

        ``last_hidden_state`` (batch, length, hidden) for a bare encoder, ``logits``
        (batch, labels) for a classifier or cross-encoder, ``mlm_logits`` and
        ``nsp_logits`` where the checkpoint has those heads.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class GenerateOptions:
    """How to generate. ``temperature`` 0 is greedy; ``stop_ids`` end the text unseen.

    ``grounded`` is a hint: the reply is expected to copy from its prompt. ``schema`` is a
    JSON schema as text that the reply must follow.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    stop_ids: tuple[int, ...] = ()
    timeout_s: float = 60.0
    grounded: bool = False
    schema: str = ""


@dataclass(frozen=True)
class TokenChunk:
    """Ids as they come. The last has ``finish_reason`` stop, length, deadline or cancelled."""

    ids: tuple[int, ...]
    finish_reason: str = ""
    queue_wait_ms: float = 0.0


class DecoderRuntime(Protocol):
    """Generates from prompt ids; several callers may stream at once."""

    info: RuntimeInfo
    context_length: int

    @property
    def memory_bytes(self) -> int: ...

    def stream(self, prompt_ids: Sequence[int], options: GenerateOptions) -> Iterator[TokenChunk]:
        """Yield ids as they are produced; closing the iterator stops the production."""
        ...

    def produced(self) -> int:
        """How many tokens this runtime has produced since it started (tests count it)."""
        ...

    def close(self) -> None: ...
