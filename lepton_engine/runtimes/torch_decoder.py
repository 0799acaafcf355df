"""A decoder in torch: the reference, and the path of GPU, TPU and Apple silicon.

On CUDA each token is a replay of one compiled graph over key and value tensors of a fixed
size (`torch.compile`, CUDA graphs); elsewhere the cache grows and nothing is compiled.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.errors import InputError, RuntimeFailure
from lepton_engine.runtimes.base import GenerateOptions, RuntimeInfo, TokenChunk
from lepton_engine.runtimes.decoder_queue import Places
from lepton_engine.runtimes.decoder_weights import load_causal_lm

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

MAX_WAITING = 32
STATIC_LENGTH = 3_328  # the prompt's budget and the longest reply
PROMPT_CHUNK = 256  # a cancelled or late prompt ends after so many tokens


class TorchDecoder:
    """The `DecoderRuntime` over a transformers module, one stream at a time.

    ``static``: keys and values of a fixed size. Default: where graphs are replayed (CUDA).
    """

    def __init__(self, model: PreTrainedModel, info: RuntimeInfo, context_length: int,
                 static: bool | None = None) -> None:
        self.info = info
        self.context_length = context_length
        self._model: Any = model
        self._places = Places(1, MAX_WAITING)
        self._produced = 0
        cuda = info.device == "cuda"
        self._static = cuda if static is None else static
        self._cache: Any = None
        self._one: Callable[..., Any] = model
        if cuda:
            import torch

            self._one = torch.compile(model, mode="reduce-overhead", fullgraph=True)

    @classmethod
    def load(cls, folder: Path, info: RuntimeInfo, context_length: int) -> TorchDecoder:
        """The weights of ``folder`` in the precision and the number format of ``info``."""
        model: Any = load_causal_lm(folder, info.precision)
        if info.recipe != "original":
            from lepton_engine.runtimes.torch_weights import quantize_linears

            left = quantize_linears(model, info.recipe)
            if left:
                info = info.with_note(f"{len(left)} layers do not divide into groups and "
                                      "keep their precision")
        return cls(model.to(info.device), info, context_length)

    @property
    def memory_bytes(self) -> int:
        if self._model is None:
            return 0
        from lepton_engine.runtimes.torch_weights import stored_bytes

        return stored_bytes(self._model)

    def produced(self) -> int:
        return self._produced

    def waiting(self) -> int:
        return self._places.waiting

    def stream(self, prompt_ids: Sequence[int], options: GenerateOptions) -> Iterator[TokenChunk]:
        if options.schema:
            raise InputError("The torch runtime holds no reply to a JSON schema; the openvino "
                             "runtime on a CPU does. Ask without `schema`.")
        deadline = time.monotonic() + options.timeout_s
        with self._places.taken(options.timeout_s) as waited_ms:
            if self._model is None:
                raise RuntimeFailure("This model was unloaded. Load it again to use it.")
            yield from self._stream(prompt_ids, options, deadline, waited_ms)

    def _stream(self, prompt_ids: Sequence[int], options: GenerateOptions, deadline: float,
                waited_ms: float) -> Iterator[TokenChunk]:
        import torch

        generator = torch.Generator().manual_seed(options.seed)
        cache = self._fresh_cache(len(prompt_ids) + options.max_new_tokens)
        logits = None
        for start in range(0, len(prompt_ids), PROMPT_CHUNK):
            if time.monotonic() > deadline:
                yield TokenChunk((), "deadline", waited_ms)
                return
            logits = self._forward(prompt_ids[start:start + PROMPT_CHUNK], cache, start,
                                   self._model)
        for count in range(options.max_new_tokens):
            assert logits is not None
            token = _choose(logits, options, generator)
            self._produced += 1
            if token in options.stop_ids:
                yield TokenChunk((), "stop", waited_ms)
                return
            yield TokenChunk((token,), "", waited_ms)
            if time.monotonic() > deadline:
                yield TokenChunk((), "deadline", waited_ms)
                return
            if count + 1 < options.max_new_tokens:
                logits = self._forward([token], cache, len(prompt_ids) + count, self._one)
        yield TokenChunk((), "length", waited_ms)

    def _forward(self, ids: Sequence[int], cache: Any, start: int,
                 run: Callable[..., Any]) -> torch.Tensor:
        """Logits (vocabulary,) after ``ids``, the first of which stands at ``start``."""
        import torch

        device = self._model.device
        arguments = {"input_ids": torch.tensor([list(ids)], device=device),
                     "position_ids": torch.arange(start, start + len(ids), device=device)[None],
                     "past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
        # inference_mode must not stay on while the consumer of this generator works
        for attempt in (1, 2):
            try:
                with torch.inference_mode():
                    logits: torch.Tensor = run(**arguments).logits[0, -1].float().cpu()
                return logits
            except torch.OutOfMemoryError:
                gc.collect()
                if device.type == "cuda":
                    torch.cuda.empty_cache()
                if attempt == 1 and cache.get_seq_length() == start:
                    continue
                raise RuntimeFailure("The device's memory is full. Please try again with a "
                                     "shorter text, or unload another model.") from None
        raise AssertionError("two attempts return or raise")

    def _fresh_cache(self, tokens: int) -> Any:
        """An empty cache; the fixed one is made once and emptied (graphs know its address)."""
        from transformers import DynamicCache, StaticCache

        if not self._static:
            return DynamicCache(config=self._model.config)
        length = min(STATIC_LENGTH, self.context_length)
        if tokens > length:
            raise InputError(f"Prompt and reply have {tokens:,} tokens; this runtime holds "
                             f"{length:,}. Please shorten the text.")
        if self._cache is None:
            self._cache = StaticCache(config=self._model.config, max_cache_len=length)
        import torch

        with torch.inference_mode():  # its tensors were made there
            self._cache.reset()
        return self._cache

    def close(self) -> None:
        self._model = self._cache = None
        self._one = _unloaded


def _unloaded(**_: Any) -> Any:
    raise RuntimeFailure("This model was unloaded. Load it again to use it.")


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
