"""Section “Tokenizer lens”: one text by several tokenizers, aligned by characters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from domains.base import Decision
from domains.engine_lab.outcome import LensOutcome
from domains.shared.texts import Texts
from lepton_engine.encoding import Tokens, plain_text
from lepton_engine.errors import LimitError
from lepton_engine.results import Stamp

SAY = Texts("engine_lab")
MAX_CHARACTERS = 1_000
Span = tuple[int, int]
Open = Callable[[str], Any]


def names_for(text: str) -> tuple[str, str, str]:
    """Words by spaCy, WordPiece and BPE. spaCy's Chinese cuts Latin words into letters, so it
    serves only where most letters are Chinese."""
    letters = [c for c in text if c.isalpha()]
    chinese = sum("\u3400" <= c <= "\u9fff" for c in letters)
    return ("spacy-zh" if chinese * 2 > len(letters) else "spacy-xx-large", "minilm-l6",
            "qwen-0.5b")


def cut(text: str, open_tokenizer: Open, lang: str) -> LensOutcome:
    """Raises InputError for an empty text, LimitError past 1,000 characters."""
    started = time.perf_counter()
    text = plain_text(text)
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"The lens takes at most {MAX_CHARACTERS:,} characters; these are "
                         f"{len(text):,}. Shorten the text.")
    rows: list[dict[str, Any]] = []
    for name in names_for(text):
        tokens: Tokens = open_tokenizer(name).tokenize(text)
        rows.append({"name": name, "served_by": tokens.served_by, "tokens": [
            (raw, start, end) for raw, (start, end)
            in zip(tokens.words, tokens.offsets, strict=True)]})
    counts = " · ".join(f"{row['name']} {len(row['tokens'])}" for row in rows)
    stamp = Stamp(" + ".join(row["name"] for row in rows), "cpu", "none",
                  (time.perf_counter() - started) * 1000)
    return LensOutcome(
        decision=Decision.ANSWERED, reason=SAY(lang, "lens.counts", counts=counts), stamp=stamp,
        text=text, rows=tuple(rows), blocks=tuple(blocks(text, [
            [(start, end) for _, start, end in row["tokens"]] for row in rows])))


def blocks(text: str, rows: Iterable[Sequence[Span]]) -> list[Span]:
    """The text in consecutive spans whose borders lie inside no token; together all of it.

    Spans grow while a token of any tokenizer reaches over their end. What no token covers
    (white space) is a span of its own.
    """
    reach = sorted((start, end) for row in rows for start, end in row if end > start)
    found: list[list[int]] = []
    for start, end in reach:
        if found and start < found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([start, end])
    whole: list[Span] = []
    at = 0
    for start, end in found:
        if start > at:
            whole.append((at, start))
        whole.append((start, end))
        at = end
    if at < len(text):
        whole.append((at, len(text)))
    return whole
