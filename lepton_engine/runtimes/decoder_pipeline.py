"""One OpenVINO GenAI pipeline, built for a mode; only the worker process imports this.

Its memory, Qwen 0.5B with int8 weights: 1,205 MB resident as OpenVINO leaves it, 716 MB
after `drop_mapped` (int4: 887 and 568): the processor's plugin packs the weights anew and
reads the mapped file no more, yet its pages stay resident.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_engine.runtimes.decoder_modes import LOOKUP, NGRAM

NO_TOKEN = 2**31 - 1
WEIGHTS_FILE = "openvino_model.bin"
_MADV_DONTNEED = 4
_MEMORY = re.compile(r"bad_alloc|alloc|out of memory|not enough memory", re.IGNORECASE)


@dataclass(frozen=True)
class Build:
    """How pipelines are built: the model, key-value blocks of 32 tokens, tokens in a step."""

    folder: str
    blocks: int
    chunk: int
    tokenizer: str = ""

    def pipeline(self, mode: str, structured: bool = False) -> Any:
        """A continuous-batching pipeline; ``structured`` ones can follow a JSON schema.

        For that GenAI needs the tokenizer, which takes about 100 MB.
        """
        import openvino_genai as genai

        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = self.blocks
        scheduler.max_num_batched_tokens = self.chunk
        scheduler.enable_prefix_caching = True
        properties = _compiled_with(Path(self.folder))
        if mode == LOOKUP:
            properties["prompt_lookup"] = True
        if structured:
            return genai.ContinuousBatchingPipeline(
                self.folder, genai.Tokenizer(self.tokenizer), scheduler, "CPU", **properties)
        return genai.ContinuousBatchingPipeline(self.folder, scheduler, "CPU", properties)

    def smaller(self) -> Build:
        """The same with half the key-value blocks and half the step."""
        return Build(self.folder, max(16, self.blocks // 2), max(32, self.chunk // 2),
                     self.tokenizer)


def _compiled_with(folder: Path) -> dict[str, Any]:
    """What the recipe's number format tells the runtime (compression.quantise writes it)."""
    path = folder / "compile.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def is_memory(error: BaseException) -> bool:
    """Whether an exception of the runtime says that memory ran out."""
    return isinstance(error, MemoryError) or bool(_MEMORY.search(str(error)))


def drop_mapped(folder: str) -> int:
    """Give the mapped weight file's pages back; returns the bytes. (Linux; elsewhere 0.)

    The mapping is read-only and stays: a page that is read again comes back from the file.
    """
    if not sys.platform.startswith("linux"):
        return 0
    path = str((Path(folder) / WEIGHTS_FILE).resolve())
    libc, dropped = ctypes.CDLL(None), 0
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, rights, *_ = line.split(maxsplit=2)
        if not line.endswith(path) or "w" in rights:
            continue
        start, end = (int(part, 16) for part in span.split("-"))
        if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start),
                        _MADV_DONTNEED) == 0:
            dropped += end - start
    return dropped


def generation_config(message: dict[str, Any], mode: str, width: int) -> Any:
    """GenAI's configuration of one request; ``width`` guesses where the mode is look-up."""
    import openvino_genai as genai

    config = genai.GenerationConfig()
    config.max_new_tokens = message["max_new_tokens"]
    # GenAI adds its end id to the stop ids and refuses the -1 that it has by default.
    stops = message["stop_ids"] or [NO_TOKEN]
    config.stop_token_ids = set(stops)
    config.eos_token_id = stops[0]
    config.do_sample = message["temperature"] > 0
    if config.do_sample:
        config.temperature = message["temperature"]
        config.top_p = message["top_p"]
        config.rng_seed = message["seed"]
    if mode == LOOKUP:
        config.num_assistant_tokens, config.max_ngram_size = width, NGRAM
    if message.get("schema"):
        structure = genai.StructuredOutputConfig()
        structure.json_schema = message["schema"]
        config.structured_output_config = structure
    return config
