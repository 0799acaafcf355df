"""A decoder in torch: the reference, and the path of GPU, TPU and Apple silicon."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.errors import BusyError
from lepton_engine.runtimes.base import GenerateOptions, RuntimeInfo, TokenChunk
from lepton_engine.runtimes.decoder_weights import load_causal_lm

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class TorchDecoder:
    """The `DecoderRuntime` over a transformers module, one stream at a time."""

    def __init__(self, model: PreTrainedModel, info: RuntimeInfo, context_length: int) -> None:
        self.info = info
        self.context_length = context_length
        self._model: Any = model
        self._busy = threading.Lock()
        self._produced = 0

    @classmethod
    def load(cls, folder: Path, info: RuntimeInfo, context_length: int) -> TorchDecoder:
        model: Any = load_causal_lm(folder, info.precision)
        return cls(model.to(info.device), info, context_length)

    @property
    def memory_bytes(self) -> int:
        if self._model is None:
            return 0
        return sum(p.numel() * p.element_size() for p in self._model.parameters())

    def produced(self) -> int:
        return self._produced

    def waiting(self) -> int:
        return 0

    def stream(self, prompt_ids: Sequence[int], options: GenerateOptions) -> Iterator[TokenChunk]:
        start = time.monotonic()
        if not self._busy.acquire(timeout=options.timeout_s):
            raise BusyError("The language model was busy for the whole time allowed. "
                            "Please try again in a minute.")
        try:
            waited_ms = (time.monotonic() - start) * 1000
            yield from self._stream(prompt_ids, options, start + options.timeout_s, waited_ms)
        finally:
            self._busy.release()

    def _stream(self, prompt_ids: Sequence[int], options: GenerateOptions, deadline: float,
                waited_ms: float) -> Iterator[TokenChunk]:
        import torch

        generator = torch.Generator().manual_seed(options.seed)
        ids = torch.tensor([list(prompt_ids)], device=self._model.device)
        cache = None
        for _ in range(options.max_new_tokens):
            # inference_mode must not stay on while the consumer of this generator works
            with torch.inference_mode():
                out = self._model(input_ids=ids, past_key_values=cache, use_cache=True,
                                  logits_to_keep=1)
                cache = out.past_key_values
                token = _choose(out.logits[0, -1].float().cpu(), options, generator)
            self._produced += 1
            if token in options.stop_ids:
                yield TokenChunk((), "stop", waited_ms)
                return
            yield TokenChunk((token,), "", waited_ms)
            if time.monotonic() > deadline:
                yield TokenChunk((), "deadline", waited_ms)
                return
            ids = torch.tensor([[token]], device=self._model.device)
        yield TokenChunk((), "length", waited_ms)

    def close(self) -> None:
        self._model = None


def _choose(logits: torch.Tensor, options: GenerateOptions, generator: torch.Generator) -> int:
    """Greedy, or nucleus sampling (Holtzman et al. 2020) from logits of (vocabulary,)."""
    import torch

    if options.temperature <= 0:
        return int(logits.argmax())
    probabilities = torch.softmax(logits / options.temperature, dim=-1)
    ordered, index = probabilities.sort(descending=True)
    keep = ordered.cumsum(0) - ordered < options.top_p
    ordered = ordered * keep
    return int(index[torch.multinomial(ordered, 1, generator=generator)])
