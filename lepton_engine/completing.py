"""``predict`` of a decoder: the text goes on, greedily, without a chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lepton_engine.errors import DeadlineError, InputError, LimitError
from lepton_engine.generation import Clock
from lepton_engine.inputs import Item, read_inputs
from lepton_engine.predictions import Completion
from lepton_engine.results import ResultList, Stamp
from lepton_engine.runtimes.base import GenerateOptions
from lepton_engine.subwords import vocabulary_digest

if TYPE_CHECKING:
    from lepton_engine.chat import ChatTokenizer
    from lepton_engine.runtimes.base import DecoderRuntime

DEFAULT_NEW_TOKENS = 32
MAX_NEW_TOKENS = 256


@dataclass(frozen=True, eq=False)
class Completer:
    """A decoder with its tokenizer; what a caller writes is text, never a role."""

    decoder: DecoderRuntime
    tokenizer: ChatTokenizer

    def predict(self, inputs: object, attention_mask: object = None,
                max_new_tokens: int = DEFAULT_NEW_TOKENS) -> Completion | ResultList[Completion]:
        """Go on with a text, with each of several texts, or after prompt ids."""
        if not 1 <= max_new_tokens <= MAX_NEW_TOKENS:
            raise LimitError(f"max_new_tokens must lie between 1 and {MAX_NEW_TOKENS}.")
        vocabulary = self.tokenizer.tokenizer
        items, single = read_inputs(
            inputs, attention_mask, vocabulary=vocabulary_digest(vocabulary.get_vocab()),
            vocabulary_size=vocabulary.get_vocab_size(),
            max_length=self.decoder.context_length - max_new_tokens)
        done = [self._complete(item, max_new_tokens) for item in items]
        if single:
            return done[0]
        total = sum(item.stamp.latency_ms for item in done)
        return ResultList(tuple(done), Stamp.combined([item.stamp for item in done], total))

    def _prompt(self, item: Item, max_new_tokens: int) -> Sequence[int]:
        if item.second is not None:
            raise InputError("This model continues one text; a pair of texts has no meaning here.")
        ids = item.ids or tuple(self.tokenizer.encode_plain(item.text))
        room = self.decoder.context_length - max_new_tokens
        if len(ids) > room:
            raise LimitError(f"The text is {len(ids):,} sub-words long; this model reads at most "
                             f"{room:,} before it writes {max_new_tokens}. Shorten the text.")
        return ids

    def _complete(self, item: Item, max_new_tokens: int) -> Completion:
        options = GenerateOptions(max_new_tokens=max_new_tokens,
                                  stop_ids=self.tokenizer.stop_ids)
        clock, decoding = Clock(), self.tokenizer.decoder()
        text, reason, waited_ms = "", "", 0.0
        for chunk in self.decoder.stream(self._prompt(item, max_new_tokens), options):
            clock.count(len(chunk.ids))
            reason, waited_ms = chunk.finish_reason, chunk.queue_wait_ms
            text += decoding.add([i for i in chunk.ids if i not in self.tokenizer.stop_ids])
        if reason == "deadline" and not clock.tokens:
            raise DeadlineError("The language model gave nothing within its time limit. "
                                "Try again with a shorter text.")
        return Completion(text, clock.stamp(self.decoder, waited_ms), reason, item.text)
