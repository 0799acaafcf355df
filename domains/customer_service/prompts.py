"""What the language model is told. The words stand in assets/texts/customer_service.toml.

The system message and the worked example never change within a language, so that their
cached prefix serves every conversation; facts and question come last. The engine encodes
all of it as plain text, so neither a customer nor an article can open a turn of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from domains.customer_service.conversation import Exchange
from domains.shared.texts import Texts

MAX_QUESTION = 700  # characters; a longer question is cut in the prompt, not in the search
MAX_EARLIER = 160


def messages(say: Texts, language: str, question: str, facts: Sequence[str],
             earlier: Sequence[Exchange]) -> list[dict[str, str]]:
    """The messages of one grounded question, oldest first."""
    rows = [
        {"role": "system", "content": say(language, "prompt.system")},
        {"role": "user", "content": say(language, "prompt.example_question")},
        {"role": "assistant", "content": say(language, "prompt.example_answer")},
    ]
    for exchange in earlier:
        rows.append({"role": "user", "content": _short(exchange.message, MAX_EARLIER)})
        rows.append({"role": "assistant", "content": _short(exchange.text, MAX_EARLIER)})
    rows.append({"role": "user", "content": say(
        language, "prompt.question", facts="\n".join(f"- {fact}" for fact in facts),
        question=_short(" ".join(question.split()), MAX_QUESTION))})
    return rows


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit - 1] + "…"
