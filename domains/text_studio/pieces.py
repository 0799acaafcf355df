"""Cuts a long text into pieces at sentence ends, within what one answer of the model holds."""

from __future__ import annotations

from dataclasses import dataclass

from lepton_engine.sentences import Span, split

# Characters of one piece by task and language. A translation must fit into 256 new tokens:
# about 4 characters a token in English, 1.5 in Chinese, with room for what grows. A
# summary's output is short, so its pieces are bounded by how well a small model attends.
PIECE_CHARACTERS = {
    ("summarize", "en"): 2_400, ("summarize", "zh"): 1_000,
    ("translate", "en"): 480, ("translate", "zh"): 160,
}


@dataclass(frozen=True)
class Piece:
    """``text`` is ``source[start:end]``; ``sentences`` are offsets in the source."""

    start: int
    end: int
    text: str
    sentences: tuple[Span, ...]
    new_paragraph: bool = False


def cut(text: str, task: str, language: str) -> list[Piece]:
    """Pieces in order that hold every sentence of the text exactly once.

    A sentence longer than a piece is a piece of its own (it is split at commas or, without
    any, at the limit): nothing is dropped.
    """
    limit = PIECE_CHARACTERS[task, language]
    spans = [part for span in split(text) for part in _short(span, limit)]
    groups: list[list[Span]] = []
    for span in spans:
        last = groups[-1] if groups else None
        breaks = task == "translate" and last is not None and _paragraph(text, last[-1], span)
        if last is None or breaks or span.end - last[0].start > limit:
            groups.append([span])
        else:
            last.append(span)
    return [_piece(text, group, previous)
            for group, previous in zip(groups, [None, *groups], strict=False)]


def halves(text: str, piece: Piece) -> list[Piece]:
    """The piece as two, at the sentence end nearest its middle; itself if it has one only."""
    if len(piece.sentences) < 2:
        return [piece]
    middle = (piece.start + piece.end) / 2
    at = min(range(1, len(piece.sentences)),
             key=lambda i: abs(piece.sentences[i].start - middle))
    first, second = list(piece.sentences[:at]), list(piece.sentences[at:])
    left = _piece(text, first, None)
    return [Piece(left.start, left.end, left.text, left.sentences, piece.new_paragraph),
            _piece(text, second, first)]


def _piece(text: str, group: list[Span], previous: list[Span] | None) -> Piece:
    start, end = group[0].start, group[-1].end
    fresh = previous is not None and _paragraph(text, previous[-1], group[0])
    return Piece(start, end, text[start:end], tuple(group), fresh)


def _paragraph(text: str, before: Span, after: Span) -> bool:
    return "\n" in text[before.end:after.start]


def _short(span: Span, limit: int) -> list[Span]:
    """A sentence in parts of at most ``limit`` characters, cut after commas and spaces."""
    parts: list[Span] = []
    start, text = 0, span.text
    while len(text) - start > limit:
        window = text[start:start + limit]
        at = max(window.rfind(mark) + 1 for mark in (",", "，", "；", ";", "、"))
        at = at if at > limit // 3 else window.rfind(" ") + 1
        at = at if at > 0 else limit
        parts.append(Span(span.start + start, span.start + start + at, text[start:start + at]))
        start += at
    parts.append(Span(span.start + start, span.end, text[start:]))
    return parts
