"""Tokens a second of two variants of a decoder, in one run and in turns.

Three things are timed: free text in one stream, text about a passage in one stream (where
prompt look-up may help), and 16 streams at once. All greedy, each prompt once per variant;
the first token of a stream belongs to the reading of the prompt and is not counted in the
speed of one stream, but is in the sum of 16.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from lepton_engine.chat import ChatTokenizer, Message
from lepton_engine.compression.decoder_questions import USER, load_questions
from lepton_engine.compression.measure import Doing
from lepton_engine.generation import ChatOptions, stream_reply
from lepton_engine.results import Stamp
from lepton_engine.runtimes.base import DecoderRuntime

NEW_TOKENS = 96
STREAMS = 16
PASSAGES = 8
FREE = (
    "Describe a quiet harbour town in the morning.",
    "Explain to a child why the sky is blue.",
    "Write a short letter to a neighbour about a borrowed ladder.",
    "What should one think of before buying a used bicycle?",
    "Tell a story about a lighthouse keeper and a storm.",
    "Describe how bread is made, step by step.",
    "请介绍一下如何泡一杯好茶。",
    "请写一段关于秋天的文字。",
    "List what to pack for three days in the mountains.",
    "How does a refrigerator keep food cold?",
    "Give advice to somebody who starts a new job.",
    "Describe a market on a Saturday.",
    "What makes a good library?",
    "请说明为什么要每天运动。",
    "Write a short speech for the opening of a bridge.",
    "Explain how a bill is shared fairly among friends.",
)
_TELL = {"en": "Tell in full sentences everything that the passage says.",
         "zh": "请用完整的句子说出短文里的全部内容。"}


class Opened(Protocol):
    """A decoder that is loaded: an engine's `LoadedDecoder`."""

    @property
    def decoder(self) -> DecoderRuntime: ...

    @property
    def tokenizer(self) -> ChatTokenizer: ...


@dataclass(frozen=True)
class Speed:
    """Medians over the prompts; tokens a second, milliseconds to the first token."""

    free: float
    grounded: float
    first_token_ms: float
    sixteen: float


def speeds(original: Opened, variant: Opened) -> Generator[Doing, None, tuple[Speed, Speed]]:
    """Of the original and of the variant, which may be the same."""
    pair = (original,) if variant is original else (original, variant)
    for opened in pair:  # the first calls of a shape are slower
        _run(opened, _free(FREE[-1]), 8)
    single: dict[bool, list[list[Stamp]]] = {False: [[] for _ in pair], True: [[] for _ in pair]}
    prompts = [(False, _free(text)) for text in FREE[:PASSAGES]]
    prompts += [(True, messages) for messages in _grounded()]
    for number, (grounded, messages) in enumerate(prompts):
        yield Doing("timing one stream", number / len(prompts))
        for index in _order(number, len(pair)):
            single[grounded][index].append(_run(pair[index], messages, NEW_TOKENS))
    together = [0.0 for _ in pair]
    for index in range(len(pair)):
        yield Doing("timing 16 streams", index / len(pair))
        together[index] = _sixteen(pair[index])
    found = [_speed(single[False][i], single[True][i], together[i]) for i in range(len(pair))]
    return found[0], found[-1]


def _order(number: int, count: int) -> range:
    return range(count) if number % 2 == 0 else range(count - 1, -1, -1)


def _speed(free: list[Stamp], grounded: list[Stamp], sixteen: float) -> Speed:
    return Speed(
        free=median(_known(s.tokens_per_second for s in free)),
        grounded=median(_known(s.tokens_per_second for s in grounded)),
        first_token_ms=median(_known(s.first_token_ms for s in grounded)),
        sixteen=sixteen)


def _known(values: Iterator[float | None]) -> list[float]:
    return [value for value in values if value is not None] or [float("nan")]


def _free(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _grounded() -> list[list[dict[str, str]]]:
    passages = list(dict.fromkeys((q.language, q.passage) for q in load_questions()))
    chosen = passages[:: len(passages) // PASSAGES][:PASSAGES]
    return [_free(USER[language].format(passage=passage, question=_TELL[language]))
            for language, passage in chosen]


def _run(opened: Opened, messages: list[dict[str, str]], tokens: int) -> Stamp:
    stream: list[Message] = list(messages)
    last = list(stream_reply(opened.decoder, opened.tokenizer, stream,
                             ChatOptions(max_new_tokens=tokens)))[-1]
    assert last.stamp is not None  # the last chunk has one
    return last.stamp


def _sixteen(opened: Opened) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(STREAMS) as pool:
        stamps = list(pool.map(lambda text: _run(opened, _free(text), NEW_TOKENS), FREE))
    return sum(stamp.tokens or 0 for stamp in stamps) / (time.perf_counter() - start)
