"""Encoders that are timed: from texts to vectors of length 1, tokenising included.

Each class has ``vectors(texts)``; the rest is the same for all. ``max_length`` is that of
the model (256 sub-words), and no text of the benchmark is longer.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.timed import Timed, converted_by

BATCH = 32
MAX_LENGTH = 256


class Encoder(Timed, ABC):
    """What the benchmark calls. ``order``: batches of 32 ``as they come`` or ``by length``."""

    @abstractmethod
    def vectors(self, texts: list[str]) -> np.ndarray:
        """float32 (texts, 384), each of length 1."""

    def one_by_one(self, texts: list[str]) -> list[float]:
        """Milliseconds of each text, given alone."""
        times = []
        for text in texts:
            start = time.perf_counter()
            self.vectors([text])
            times.append((time.perf_counter() - start) * 1000)
        return times

    def together(self, texts: str, out: str) -> float:
        """Seconds for all texts of a JSON file; their vectors go into the file ``out``."""
        given = json.loads(Path(texts).read_text(encoding="utf-8"))
        start = time.perf_counter()
        found = self.vectors(given)
        seconds = time.perf_counter() - start
        np.save(out, found)
        return seconds


def pooled(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean over each text's own tokens, of length 1."""
    weights = mask[:, :, None].astype(np.float32)
    means = (hidden * weights).sum(1) / weights.sum(1)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


class Lepton(Encoder):
    """This project, through the same call that a program makes."""

    packages = ("openvino", "tokenizers")

    def __init__(self, recipe: str) -> None:
        from benchmarks.store import WatchedStore
        from lepton_engine import LeptonModel
        from lepton_engine.settings import Settings

        named = {} if recipe == "original" else {"recipe": recipe}
        self._store = WatchedStore(Settings.from_env())
        self._model = LeptonModel.load_pretrained_model("minilm-l6", store=self._store, **named)

    def variant(self) -> str:
        return self._model.variant

    def folder(self) -> str:
        return converted_by(self._store, self.variant())

    def vectors(self, texts: list[str]) -> np.ndarray:
        from lepton_engine.vector_cache import caches_off

        with caches_off():
            return self._model.embed(texts).vectors


class Transformers(Encoder):
    """transformers in fp32, batches of 32 as they come: what everything is compared with."""

    packages = ("transformers", "torch")

    def __init__(self, folder: str) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def vectors(self, texts: list[str]) -> np.ndarray:
        parts = []
        with self._torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                batch = self._tokenizer(texts[start:start + BATCH], padding=True, truncation=True,
                                        max_length=MAX_LENGTH, return_tensors="pt")
                hidden = self._model(**batch).last_hidden_state
                parts.append(pooled(hidden.numpy(), batch["attention_mask"].numpy()))
        return np.concatenate(parts)


class Tokenized(Encoder):
    """A runtime called directly, with the model's tokenizer by the ``tokenizers`` library."""

    def __init__(self, folder: str, order: str) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_LENGTH)
        self._tokenizer.no_padding()
        self._by_length = order == "by length"

    def vectors(self, texts: list[str]) -> np.ndarray:
        rows = [found.ids for found in self._tokenizer.encode_batch_fast(texts)]
        order = list(range(len(rows)))
        if self._by_length:
            order.sort(key=lambda index: len(rows[index]))
        out = np.empty((len(rows), 384), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            batch = order[start:start + BATCH]
            ids, mask = filled([rows[index] for index in batch])
            out[batch] = pooled(self.hidden(ids, mask), mask)
        return out

    @abstractmethod
    def hidden(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """float32 (rows, length, 384) of int64 ids and mask."""


def filled(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """ids and mask, int64 (rows, longest), padded with 0."""
    width = max(len(row) for row in rows)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, :len(row)] = row
        mask[index, :len(row)] = 1
    return ids, mask


class OpenVino(Tokenized):
    """OpenVINO on the very IR that Lepton runs, with OpenVINO's own defaults for latency."""

    packages = ("openvino", "tokenizers")

    def __init__(self, folder: str, ir: str, order: str) -> None:
        import openvino as ov

        super().__init__(folder, order)
        compiled = ov.Core().compile_model(ir, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
        self._types = any("token_type_ids" in port.get_names() for port in compiled.inputs)
        self._precision = str(compiled.get_property("INFERENCE_PRECISION_HINT"))
        self._request = compiled.create_infer_request()

    def variant(self) -> str:
        return self._precision

    def hidden(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        given = {"input_ids": ids, "attention_mask": mask}
        if self._types:
            given["token_type_ids"] = np.zeros_like(ids)
        self._request.infer(given, share_inputs=True)
        return self._request.get_tensor("last_hidden_state").data


class OnnxRuntime(Tokenized):
    """ONNX Runtime with its own defaults."""

    packages = ("onnxruntime", "tokenizers")

    def __init__(self, folder: str, onnx: str, order: str) -> None:
        import onnxruntime

        super().__init__(folder, order)
        self._session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
        self._names = {port.name for port in self._session.get_inputs()}

    def hidden(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        kept = {name: array for name, array in given.items() if name in self._names}
        return self._session.run(["last_hidden_state"], kept)[0]


class SentenceTransformers(Encoder):
    """sentence-transformers' ``encode``, which sorts by length itself."""

    packages = ("sentence-transformers", "transformers", "torch", "optimum", "optimum-onnx",
                "optimum-intel", "onnxruntime", "openvino")

    def __init__(self, folder: str, backend: str, file_name: str = "") -> None:
        from sentence_transformers import SentenceTransformer

        named = {"file_name": file_name} if file_name else {}
        self._model = SentenceTransformer(folder, backend=backend, device="cpu",
                                          model_kwargs=named, local_files_only=True)

    def vectors(self, texts: list[str]) -> np.ndarray:
        return self._model.encode(texts, batch_size=BATCH, show_progress_bar=False,
                                  normalize_embeddings=True)
