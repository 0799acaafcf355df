"""Universal Sentence Encoder, multilingual, version 3: a convolutional encoder, in torch.

Architecture after Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic
Retrieval" (arXiv:1907.04307), the convolutional variant; the arrays come from ``weights.npz``.
The embedding table stays in bytes (66 MB instead of 262): only the rows of a batch are
turned into floating point.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from lepton_engine.errors import ModelUnavailableError
from lepton_engine.runtimes.checkpoint import Signature
from lepton_engine.runtimes.torch_encoder import EncoderModule

#: Width of each convolution's window, and how many places of it lie before the token.
WINDOWS: Mapping[int, int] = {2: 0, 3: 1, 5: 2}
OUTPUTS = ("sentence_embedding", "last_hidden_state")


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))


class ConvolutionBranch(torch.nn.Module):
    """Two residual convolutions over windows of ``width`` tokens."""

    kernel1: torch.Tensor
    kernel2: torch.Tensor
    bias1: torch.Tensor
    bias2: torch.Tensor

    def __init__(self, width: int, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.padding = (WINDOWS[width], width - 1 - WINDOWS[width])
        for layer in ("1", "2"):
            flat = _tensor(weights[f"w{layer}_{width}"])  # (width * channels in, channels out)
            kernel = flat.reshape(width, -1, flat.shape[1]).permute(2, 1, 0).contiguous()
            self.register_buffer(f"kernel{layer}", kernel)
            self.register_buffer(f"bias{layer}", _tensor(weights[f"b{layer}_{width}"]))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """``x`` (batch, channels, length), ``mask`` (batch, 1, length) of ones and zeros."""
        for kernel, bias in ((self.kernel1, self.bias1), (self.kernel2, self.bias2)):
            # What stands in the padding must be zero, or it would enter its neighbours' windows.
            window = functional.pad(x * mask, self.padding)
            x = x + torch.relu(functional.conv1d(window, kernel, bias))
        return x


class MultilingualSentenceEncoder(EncoderModule):
    """ids and mask (batch, length) -> sentence vectors (batch, 512) of length 1, and vectors of
    the tokens (batch, length, 512) before they are summed."""

    table: torch.Tensor
    scale: torch.Tensor
    low: torch.Tensor
    projection: torch.Tensor
    projection_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor
    d0: torch.Tensor
    d1: torch.Tensor
    d2: torch.Tensor
    d3: torch.Tensor
    p1: torch.Tensor
    p3: torch.Tensor

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.chunks = sum(1 for name in weights if name[0] == "q" and name[1:].isdigit())
        rows, width = weights["q1"].shape
        table = np.empty((rows, self.chunks, width), dtype=np.uint8)
        for chunk in range(self.chunks):  # id = row * chunks + chunk
            table[:, chunk] = weights[f"q{chunk + 1}"]
        self.register_buffer("table", torch.from_numpy(table.reshape(-1, width)))
        self.register_buffer("scale", _tensor(weights["scale"]).unsqueeze(1))
        self.register_buffer("low", _tensor(weights["lo"]).unsqueeze(1))
        self._store("projection", [weights[f"proj{n}"] for n in WINDOWS], axis=1)
        for ours, theirs in (("projection_bias", "proj_b"), ("inner_gain", "ln_g"),
                             ("inner_bias", "ln_b")):
            self._store(ours, [weights[f"{theirs}{n}"] for n in WINDOWS])
        self.branches = torch.nn.ModuleList(ConvolutionBranch(n, weights) for n in WINDOWS)
        for ours, theirs in (("outer_gain", "ln_g"), ("outer_bias", "ln_b"), ("output", "cnn_W"),
                             ("output_bias", "cnn_b"), *((n, n) for n in
                                                         ("d0", "d1", "d2", "d3", "p1", "p3"))):
            self._store(ours, [weights[theirs]])
        self.epsilon = float(weights["eps"])
        self.signature = Signature(OUTPUTS, vocabulary_size=rows * self.chunks)

    def _store(self, name: str, arrays: list[np.ndarray], axis: int = 0) -> None:
        self.register_buffer(name, _tensor(np.concatenate(arrays, axis=axis)))

    def _normalised(self, x: torch.Tensor, which: str) -> torch.Tensor:
        gain, bias = getattr(self, f"{which}_gain"), getattr(self, f"{which}_bias")
        return functional.layer_norm(x, (x.shape[-1],), gain, bias, self.epsilon)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor,
                ) -> tuple[torch.Tensor, torch.Tensor]:
        chunk = torch.remainder(input_ids, self.chunks)
        embedded = functional.embedding(input_ids, self.table).to(self.scale.dtype)
        embedded = (embedded * functional.embedding(chunk, self.scale)
                    + functional.embedding(chunk, self.low))
        mask = attention_mask.to(embedded.dtype).unsqueeze(2)
        inner = self._normalised(embedded @ self.projection + self.projection_bias, "inner")
        parts = inner.transpose(1, 2).chunk(len(self.branches), dim=1)
        convolved = [branch(part, mask.transpose(1, 2)).transpose(1, 2)
                     for branch, part in zip(self.branches, parts, strict=True)]
        features = self._normalised(torch.cat([embedded, *convolved], dim=2), "outer")
        tokens = features @ self.output + self.output_bias
        pooled = (tokens * mask).sum(1) / torch.sqrt(mask.sum(1))
        return self._deep_average(pooled), tokens

    def _deep_average(self, pooled: torch.Tensor) -> torch.Tensor:
        """The feed-forward head: two blocks, each with a projection past its inner layer."""
        first = torch.relu(torch.relu(pooled @ self.d0) @ self.d1 + pooled @ self.p1)
        second = torch.tanh(torch.relu(first @ self.d2) @ self.d3 + first @ self.p3)
        return functional.normalize(second, dim=1)


def open_multilingual(folder: Path) -> MultilingualSentenceEncoder:
    """Read ``weights.npz`` (arrays only; nothing is unpickled).

    Raises:
        ModelUnavailableError: the file is not there or not this model's.
    """
    try:
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            return MultilingualSentenceEncoder({name: arrays[name] for name in arrays.files})
    except (OSError, KeyError, ValueError) as error:
        raise ModelUnavailableError("The multilingual encoder's weights.npz cannot be read. "
                                    "Fetch the model again.") from error
