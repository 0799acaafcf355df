"""The reference runtime of encoders: transformers' own modules under torch, on any device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lepton_engine.errors import ModelUnavailableError, RuntimeFailure
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.runtimes.checkpoint import Checkpoint, Head, Signature
from lepton_engine.runtimes.pooling import HIDDEN, MEAN_VECTOR, mean_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class EncoderModule(torch.nn.Module):
    """A module whose forward gives the arrays of ``signature.outputs`` as a tuple."""

    signature: Signature


class NamedOutputs(EncoderModule):
    """A transformers encoder with or without heads, as a plain tuple of tensors."""

    def __init__(self, module: torch.nn.Module, head: Head, signature: Signature) -> None:
        super().__init__()
        self.module = module
        self.fields = tuple(head.fields)
        self.signature = signature

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor,
                token_type_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        out = self.module(input_ids=input_ids, attention_mask=attention_mask, return_dict=True,
                          output_hidden_states="hidden_states" in self.fields, **extra)
        return tuple(out[field][-1] if field == "hidden_states" else out[field]
                     for field in self.fields)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """transformers writes bars and reports of absent weights; absent ones are handled here."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def open_module(checkpoint: Checkpoint) -> NamedOutputs:
    """The checkpoint in fp32 with those heads of which every weight is in the files.

    Raises:
        ModelUnavailableError: the files lack weights of the encoder itself.
    """
    import transformers

    for head in checkpoint.candidates():
        with _quiet():
            module, info = getattr(transformers, head.auto_class).from_pretrained(
                checkpoint.folder, local_files_only=True, use_safetensors=True,
                trust_remote_code=False, output_loading_info=True, dtype=torch.float32)
        # A bare encoder's pooler stands behind last_hidden_state, which alone is used.
        missing = [name for name in info["missing_keys"]
                   if not (head.auto_class == "AutoModel" and name.startswith("pooler."))]
        if not missing and not info.get("mismatched_keys"):
            return NamedOutputs(module.eval(), head, _signature(checkpoint, module, head))
    raise ModelUnavailableError("The model's files lack some of the weights that its "
                                "configuration asks for. Fetch the model again.")


def _signature(checkpoint: Checkpoint, module: Any, head: Head) -> Signature:
    config = module.config
    outputs = tuple(head.fields.values())
    positions = int(getattr(config, "max_position_embeddings", 0) or 0)
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        positions -= 2  # these count positions from the padding id on
    return Signature(
        outputs=outputs,
        labels=checkpoint.labels if "logits" in outputs else (),
        type_ids=int(getattr(config, "type_vocab_size", 0) or 0) > 1,
        vocabulary_size=int(config.vocab_size),
        max_positions=max(positions, 0),
    )


class TorchEncoder:
    """``EncoderRuntime`` over an :class:`EncoderModule`; inference mode, no shared state.

    ``gives_mean``: the output ``mean_vector`` may be asked for.
    """

    def __init__(self, module: EncoderModule, info: RuntimeInfo) -> None:
        self.info = info
        self.signature = module.signature
        self.vocabulary_size = module.signature.vocabulary_size
        self.gives_mean = HIDDEN in self.signature.outputs
        self._device = _torch_device(info.device)
        self._module: EncoderModule | None = module.to(self._device, DTYPES[info.precision]).eval()
        tensors = [*module.parameters(), *module.buffers()]
        self.memory_bytes = sum(t.numel() * t.element_size() for t in tensors)

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray,
            token_type_ids: np.ndarray | None = None,
            outputs: Sequence[str] | None = None) -> Mapping[str, np.ndarray]:
        """See ``EncoderRuntime.run``; ``outputs`` limits what is copied out."""
        module = self._module
        if module is None:
            raise RuntimeFailure("The model was closed. Load it again.")
        arrays = [input_ids, attention_mask]
        if self.signature.type_ids:
            arrays.append(np.zeros_like(input_ids) if token_type_ids is None else token_type_ids)
        wanted = self.signature.outputs if outputs is None else outputs
        try:
            with torch.inference_mode():
                given = [torch.from_numpy(np.ascontiguousarray(a)).to(self._device)
                         for a in arrays]
                named = dict(zip(self.signature.outputs, module(*given), strict=True))
                if MEAN_VECTOR in wanted:
                    named[MEAN_VECTOR] = mean_of(named[HIDDEN], given[1])
                return {name: named[name].float().cpu().numpy() for name in wanted}
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()  # so that the half that is tried next has room
            raise RuntimeFailure("The device's memory did not suffice for this batch. Try again "
                                 "with fewer or shorter texts.") from error

    def close(self) -> None:
        self._module = None


def _torch_device(device: str) -> Any:
    if device == "xla":
        import torch_xla.core.xla_model as xla

        return xla.xla_device()
    return torch.device(device)
