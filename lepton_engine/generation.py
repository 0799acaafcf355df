"""A stream of text from a decoder runtime: limits, stops, timing. The blocking call loops it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lepton_engine.chat import MAX_NEW_TOKENS, MAX_SECONDS, PROMPT_BUDGET, ChatTokenizer, Message
from lepton_engine.errors import DeadlineError, InputError, LimitError
from lepton_engine.results import ChatChunk, Stamp
from lepton_engine.runtimes.base import DecoderRuntime, GenerateOptions
from lepton_engine.structured import schema_text

# A prompt of so many tokens holds a text that its answer may copy from (a bare question
# with a template has 30 to 60, a passage of a knowledge base 80 to 250).
GROUNDED_TOKENS = 160


@dataclass(frozen=True)
class ChatOptions:
    """What a caller may choose. ``stop`` are texts that end the reply and are not shown.

    ``schema`` is a JSON schema that the reply must follow. ``grounded`` says whether the
    reply is expected to copy from the messages; None lets the prompt's length decide.
    """

    max_new_tokens: int = MAX_NEW_TOKENS
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    timeout_s: float = MAX_SECONDS
    schema: Mapping[str, Any] | None = None
    grounded: bool | None = None

    def __post_init__(self) -> None:
        if self.schema is not None:
            schema_text(self.schema)
        for name, value, low, high in (
            ("max_new_tokens", self.max_new_tokens, 1, MAX_NEW_TOKENS),
            ("temperature", self.temperature, 0.0, 2.0),
            ("timeout_s", self.timeout_s, 0.1, MAX_SECONDS),
            ("seed", self.seed, 0, 2**32 - 1),
        ):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InputError(f"`{name}` must be a number.")
            if not (math.isfinite(value) and low <= value <= high):
                raise LimitError(f"`{name}` must lie between {low:g} and {high:g}.")
        if not isinstance(self.max_new_tokens, int) or not isinstance(self.seed, int):
            raise InputError("`max_new_tokens` and `seed` must be whole numbers.")
        if isinstance(self.stop, str) or not all(isinstance(s, str) and s for s in self.stop):
            raise InputError("`stop` must be a list of texts that are not empty.")


class StopTexts:
    """Cuts a stream at the first stop text; holds back what might begin one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.hit = False

    def add(self, piece: str) -> str:
        """The text that is safe to show after ``piece``."""
        if self.hit:
            return ""
        text = self._held + piece
        places = [text.find(s) for s in self._stops if s in text]
        if places:
            self.hit, self._held = True, ""
            return text[: min(places)]
        keep = max((self._overlap(text, s) for s in self._stops), default=0)
        self._held = text[len(text) - keep:]
        return text[: len(text) - keep]

    @staticmethod
    def _overlap(text: str, stop: str) -> int:
        """The length of the longest end of ``text`` that begins ``stop``."""
        longest = min(len(text), len(stop) - 1)
        return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)

    def rest(self) -> str:
        """What was held back when the stream ended by itself."""
        held, self._held = self._held, ""
        return held


class Clock:
    """Times one reply: the first token, and the speed after it."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._first: float | None = None
        self._last = self._start
        self.tokens = 0
        self._after_first = 0

    def count(self, tokens: int) -> None:
        if not tokens:
            return
        self._last = time.perf_counter()
        if self._first is None:
            self._first = self._last
        else:
            self._after_first += tokens
        self.tokens += tokens

    def stamp(self, decoder: DecoderRuntime, waited_ms: float) -> Stamp:
        first = self._first
        seconds = self._last - first if first is not None else 0.0
        return decoder.info.stamp(
            (time.perf_counter() - self._start) * 1000,
            tokens=self.tokens,
            tokens_per_second=self._after_first / seconds if seconds > 0 else None,
            first_token_ms=(first - self._start) * 1000 if first is not None else None,
            queue_wait_ms=waited_ms,
        )


def runtime_options(options: ChatOptions, tokenizer: ChatTokenizer,
                    prompt_tokens: int) -> GenerateOptions:
    """What the runtime is told of a caller's wishes."""
    grounded = options.grounded
    if grounded is None:
        grounded = prompt_tokens >= GROUNDED_TOKENS and options.temperature == 0
    return GenerateOptions(
        max_new_tokens=options.max_new_tokens, temperature=options.temperature,
        seed=options.seed, stop_ids=tokenizer.stop_ids, timeout_s=options.timeout_s,
        grounded=grounded,
        schema="" if options.schema is None else schema_text(options.schema))


def stream_reply(decoder: DecoderRuntime, tokenizer: ChatTokenizer,
                 messages: Sequence[Message], options: ChatOptions) -> Iterator[ChatChunk]:
    """Text as it is made; the last chunk has the finish reason and the stamp.

    Closing the iterator closes the runtime's stream, which stops the production of tokens.

    Raises:
        DeadlineError: the time passed before the first token.
    """
    clock = Clock()
    budget = min(PROMPT_BUDGET, decoder.context_length - options.max_new_tokens)
    prompt = tokenizer.fit(messages, budget)
    decoding, stops = tokenizer.decoder(), StopTexts(options.stop)
    stream = decoder.stream(prompt.ids, runtime_options(options, tokenizer, len(prompt.ids)))
    reason, waited_ms = "", 0.0
    try:
        for chunk in stream:
            waited_ms, reason = chunk.queue_wait_ms, chunk.finish_reason
            clock.count(len(chunk.ids))
            text = stops.add(decoding.add([i for i in chunk.ids if i not in tokenizer.stop_ids]))
            if text:
                yield ChatChunk(text, dropped_turns=prompt.dropped_turns)
            if stops.hit:
                reason = "stop"
                break
    finally:
        stream.close()  # type: ignore[attr-defined]
    if reason == "deadline" and not clock.tokens:
        raise DeadlineError(f"The language model gave no answer within {options.timeout_s:g} s. "
                            "Please try again with a shorter text.")
    yield ChatChunk(stops.rest(), reason, clock.stamp(decoder, waited_ms), prompt.dropped_turns)
