"""One company of a headline is asked about: its name and the others' names are replaced.

The replaced text is what the sentiment adapter was trained on, so it reads roles and not
names, and an unknown company is read like a known one (entity masking as in Zhang et al. 2017,
Position-aware Attention and Supervised Data Improve Slot Filling).
"""

from __future__ import annotations

from collections.abc import Sequence

TARGET, OTHER = "this company", "another company"
Span = tuple[int, int]


def marked(text: str, own: Sequence[Span], others: Sequence[Span]) -> str:
    """``text`` with its ``own`` spans as "this company" and the ``others`` as another.

    Spans are (start, end) in characters; of overlapping ones the first and longest counts.
    """
    spans = sorted([(s, e, TARGET) for s, e in own] + [(s, e, OTHER) for s, e in others],
                   key=lambda span: (span[0], -span[1]))
    parts: list[str] = []
    at = 0
    for start, end, words in spans:
        if start < at or end <= start:
            continue
        parts += [text[at:start], words]
        at = end
    return "".join([*parts, text[at:]])
