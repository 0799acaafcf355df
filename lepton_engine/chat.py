"""From messages to prompt ids and from ids to text: templates, budgets, decoding.

What a person typed (and every passage put beside it) is encoded as plain text: the
template's own pieces alone may hold special tokens. So a message that contains
``<|im_end|>`` is a message about those characters; it cannot open a turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.errors import InputError, LimitError
from lepton_engine.text import clean

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_MESSAGE_CHARACTERS = 4_000
MAX_SYSTEM_CHARACTERS = 12_000
MAX_TURNS = 50
MAX_NEW_TOKENS = 256
MAX_SECONDS = 60.0
PROMPT_BUDGET = 3_072
END_TOKENS = ("<|im_end|>", "<|endoftext|>", "</s>")
ROLES = ("system", "user", "assistant")

Message = Mapping[str, str]


def check_messages(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages with cleaned text, or a sentence about what is wrong with them.

    A turn is a user message; at most 50 of them, each of at most 4,000 characters.

    Raises:
        InputError, LimitError.
    """
    if isinstance(messages, (str, bytes)) or not isinstance(messages, Sequence):
        raise InputError("`messages` must be a list of {role, content}, not a text.")
    checked = [_check_message(message) for message in messages]
    if not checked or checked[-1]["role"] != "user":
        raise InputError("A conversation must end with a message of the user.")
    if any(m["role"] == "system" for m in checked[1:]):
        raise InputError("Only the first message may be the system's.")
    turns = sum(m["role"] == "user" for m in checked)
    if turns > MAX_TURNS:
        raise LimitError(f"A conversation has at most {MAX_TURNS} turns; this one has {turns}. "
                         "Please start a new one.")
    return checked


def _check_message(message: Message) -> dict[str, str]:
    if not isinstance(message, Mapping) or message.get("role") not in ROLES:
        raise InputError("Each message needs a role (system, user or assistant) and content.")
    content = message.get("content")
    if not isinstance(content, str):
        raise InputError("A message's content must be a text.")
    content = clean(content)
    if message["role"] == "user" and not content.strip():
        raise InputError("The message is empty. Please write something.")
    limit = MAX_SYSTEM_CHARACTERS if message["role"] == "system" else MAX_MESSAGE_CHARACTERS
    if len(content) > limit:
        raise LimitError(f"A message has at most {limit:,} characters; this one has "
                         f"{len(content):,}. Please shorten it.")
    return {"role": message["role"], "content": content}


@dataclass(frozen=True)
class Prompt:
    """Ids ready for a decoder, and how many older messages did not fit."""

    ids: tuple[int, ...]
    dropped_turns: int


class ChatTokenizer:
    """A decoder's tokenizer with its chat template."""

    def __init__(self, tokenizer_json: str, facts: Mapping[str, Any]) -> None:
        from tokenizers import Tokenizer

        self.tokenizer: Tokenizer = Tokenizer.from_str(tokenizer_json)
        # A second tokenizer that knows no added token at all: for it "<|im_end|>" is ten
        # characters. (The library's switch covers only tokens that are flagged special.)
        bare = json.loads(tokenizer_json)
        self._special_ids = frozenset(t["id"] for t in bare["added_tokens"])
        bare["added_tokens"], bare["post_processor"] = [], None
        self._plain: Tokenizer = Tokenizer.from_str(json.dumps(bare))
        self.eos_token = str(facts.get("eos_token") or "")
        self._bos_token = str(facts.get("bos_token") or "")
        self.context_length = int(facts["context_length"])
        self._template = _compile(facts["template"])

    @classmethod
    def load(cls, folder: Path) -> ChatTokenizer:
        """From ``tokenizer.json`` and ``chat.json``."""
        return cls((folder / "tokenizer.json").read_text(encoding="utf-8"),
                   json.loads((folder / "chat.json").read_text(encoding="utf-8")))

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end a turn: the model's end token and the added tokens that close one."""
        ids = {self.tokenizer.token_to_id(t) for t in (self.eos_token, *END_TOKENS)}
        return tuple(sorted(i for i in ids if i is not None and i in self._special_ids))

    def encode_plain(self, text: str) -> list[int]:
        """Ids of a text in which nothing is special."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def encode_messages(self, messages: Sequence[Message]) -> list[int]:
        """Prompt ids of the messages and the opening of the assistant's turn."""
        # Contents are rendered as marks from a private-use area, then encoded on their own.
        marks = [f"\ue000{index}\ue001" for index in range(len(messages))]
        shown = [{"role": m["role"], "content": mark}
                 for m, mark in zip(messages, marks, strict=True)]
        rendered = self._template.render(messages=shown, add_generation_prompt=True,
                                         bos_token=self._bos_token, eos_token=self.eos_token)
        ids: list[int] = []
        for number, piece in enumerate(re.split("\ue000(\\d+)\ue001", rendered)):
            if number % 2:
                ids += self.encode_plain(messages[int(piece)]["content"])
            elif piece:
                ids += self.tokenizer.encode(piece, add_special_tokens=False).ids
        return ids

    def fit(self, messages: Sequence[Message], budget: int) -> Prompt:
        """The prompt within ``budget`` tokens: the oldest turns after the system's go first.

        Raises:
            LimitError: the last message alone is too long.
        """
        head = [m for m in messages[:1] if m["role"] == "system"]
        rest = list(messages[len(head):])
        dropped = 0
        while True:
            ids = self.encode_messages([*head, *rest])
            if len(ids) <= budget:
                return Prompt(tuple(ids), dropped)
            if len(rest) <= 1:
                raise LimitError(f"The message is {len(ids):,} tokens long for this model; its "
                                 f"window here is {budget:,}. Please shorten it.")
            # A turn is dropped whole: an answer without its question misleads.
            step = next((i for i, m in enumerate(rest[1:], 1) if m["role"] == "user"), 1)
            rest = rest[step:]
            dropped += step

    def decoder(self) -> Decoding:
        return Decoding(self.tokenizer)


def _compile(template: str) -> Any:
    """The checkpoint's template in jinja2's sandbox: it may format, not act."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise InputError("This model's template does not take such a conversation.")

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    return environment.from_string(template)


class Decoding:
    """Ids to text piece by piece; a character that is not whole yet is held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        from tokenizers.decoders import DecodeStream

        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def add(self, ids: Sequence[int]) -> str:
        return "".join(self._stream.step(self._tokenizer, i) or "" for i in ids)
