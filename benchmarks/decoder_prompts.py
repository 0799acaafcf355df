"""Prompts as ids: free text, grounded questions with their passages, and streams of one length.

The grounded questions are those of the language model's gate; here they are put as the
application puts them, answered in whole sentences of the passage.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.store import model_folder
from benchmarks.texts import TextSource
from lepton_engine.catalog import Store, catalogue
from lepton_engine.chat import ChatTokenizer
from lepton_engine.compression.decoder_questions import load_questions
from lepton_engine.runtimes.decoders import decoder_tokenizer_folder
from lepton_engine.settings import Settings

GROUNDED = ("Answer the question with the sentences of the passages that answer it, word for "
            "word, and nothing else.")
OTHERS = 2
SHARED = ("You are the assistant of a film library. You read the beginning of an entry and "
          "continue it in plain English, in the same tone and tense, in whole sentences. Add "
          "nothing that contradicts what the entry says, use no lists and no headings, and do "
          "not repeat what is already there. If the entry ends in the middle of a sentence, "
          "finish that sentence first.")
SUBJECTS = ("a lighthouse keeper and a storm", "two sisters who open a bakery",
            "a clock that runs backwards", "a letter that arrives forty years late",
            "the last ferry of the season", "a gardener on the moon")


@dataclass(frozen=True)
class Prompts:
    """Makes prompts; ``stops`` are the ids that end a turn."""

    tokenizer: ChatTokenizer
    source: TextSource
    seed: int

    @classmethod
    def load(cls, model: str, seed: int) -> Prompts:
        store = Store(Settings.from_env())
        spec = catalogue().resolve(model)
        tokenizer = ChatTokenizer.load(decoder_tokenizer_folder(spec, store))
        return cls(tokenizer, TextSource.of_films(model_folder("films"), seed), seed)

    @property
    def stops(self) -> list[int]:
        return list(self.tokenizer.stop_ids)

    def free(self, count: int) -> list[list[int]]:
        """Stories: nothing in the prompt to copy."""
        return [self._ids([("user", f"Write a story of two pages about {subject}.")])
                for subject in SUBJECTS[:count]]

    def grounded(self, count: int) -> list[list[int]]:
        """English questions with three passages, as retrieval would give them: one answers the
        question. As far as there are enough, no passage is asked about twice."""
        chance = random.Random(self.seed)
        known = [q for q in load_questions() if q.language == "en" and q.answers]
        chance.shuffle(known)
        passages = sorted({q.passage for q in known})
        first = {question.passage: question for question in reversed(known)}
        fresh = [q for q in known if first[q.passage] is q]
        chosen = [*fresh, *(q for q in known if first[q.passage] is not q)][:count]
        return [self._question(q.question, q.passage, passages, chance) for q in chosen]

    def _question(self, question: str, own: str, passages: Sequence[str],
                  chance: random.Random) -> list[int]:
        shown = [own, *chance.sample([p for p in passages if p != own], OTHERS)]
        chance.shuffle(shown)
        numbered = "\n".join(f"[{n}] {passage}" for n, passage in enumerate(shown, 1))
        return self._ids([("system", GROUNDED),
                          ("user", f"Passages:\n{numbered}\n\nQuestion: {question}")])

    def streams(self, count: int, own_tokens: int) -> list[list[int]]:
        """Prompts with ``own_tokens`` ids of their own after the shared system prompt."""
        return [self._ids([("system", SHARED), ("user", self._of_length(own_tokens))])
                for _ in range(count)]

    def _of_length(self, tokens: int) -> str:
        text = self.source.take(1, 100, 100)[0]
        while len(ids := self.tokenizer.encode_plain(text)) < tokens:
            text += " " + self.source.take(1, 40, 40)[0]
        return str(self.tokenizer.tokenizer.decode(ids[:tokens]))

    def _ids(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        return self.tokenizer.encode_messages(
            [{"role": role, "content": content} for role, content in messages])
