"""Prompt look-up or plain batching: what each costs a step, and when to change over.

Look-up (Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding) guesses the next
tokens from the prompt's own text and checks all of them in one step. OpenVINO GenAI fixes it
when a pipeline is built and pads every step to the full number of guesses, so look-up makes
one grounded answer about twice as fast and a crowd slower. A worker therefore changes the
mode of its only pipeline. Each step adds the seconds lost by being in the wrong mode (and
takes off those gained); once the sum exceeds what a change costs, the worker changes over at
the next moment in which nobody waits: the ski-rental rule (Karlin et al. 1988), at most
twice as slow as knowing the future, and no thrashing. A crowd that comes at once is no
reason to change before it starts. Sixteen streams at once (Qwen 0.5B, two Zen 4 cores,
2026-11-23): look-up with one guess 153 tokens/s and a first token after 8.5 s (95th
percentile), plain batching 133 to 142 and 7.3 to 7.7 s, changing over as they come 112 to
116 and 10.4 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LOOKUP, PLAIN = "lookup", "plain"

# Guesses a request checks beside its own next token: an answer that copies, any other.
WIDE, NARROW = 6, 1
NGRAM = 3  # the longest run of tokens that is looked for in the text before it
# From so many at once the extra rows of wide guesses cost more than they save.
CROWD = 3
# A step's time over its token count is a straight line (weights are read once, arithmetic
# grows): this share of the fixed part for each token. Qwen 0.5B, two Zen 4 cores: 17 ms + 2.1.
SHARE_PER_TOKEN = 0.12
# What a step yields before anything was measured: tokens a grounded or another request.
FIRST_YIELD = {WIDE: 2.5, NARROW: 1.1}
LEARNING = 0.1
FIRST_CHANGE_S = 3.0


def step_cost(tokens: int) -> float:
    """What a step over ``tokens`` tokens costs, in units of its fixed part."""
    return 1.0 + SHARE_PER_TOKEN * tokens


def guesses(grounded: bool, running: int) -> int:
    """How many guesses a request checks at each step, in look-up mode."""
    return WIDE if grounded and running < CROWD else NARROW


@dataclass
class Policy:
    """The seconds lost in the present mode, and what look-up was measured to yield."""

    mode: str = LOOKUP
    regret_s: float = 0.0
    change_s: float = FIRST_CHANGE_S
    gains: dict[int, float] = field(default_factory=lambda: dict(FIRST_YIELD))

    def stepped(self, seconds: float, widths: Sequence[int], emitted: Sequence[int]) -> None:
        """Count one decoding step.

        Args:
            seconds: what it took.
            widths: each running request's number of guesses (what they would be in plain mode).
            emitted: the tokens that each request got, in the same order.
        """
        if not widths:
            return
        rows = len(widths)
        dearer = step_cost(rows + sum(widths)) / step_cost(rows)
        if self.mode == LOOKUP:
            for width, tokens in zip(widths, emitted, strict=True):
                self.gains[width] += LEARNING * (tokens - self.gains[width])
            lost = seconds * (1.0 - sum(emitted) / rows / dearer)
        else:
            gain = sum(self.gains[width] for width in widths) / rows
            lost = seconds * (1.0 - dearer / gain)
        # Past gains buy no patience: what counts is the work of now.
        self.regret_s = min(max(0.0, self.regret_s + lost), 2.0 * self.change_s)

    def wants_change(self) -> bool:
        """Whether the other mode has become worth a rebuild; asked when nobody waits."""
        return self.regret_s > self.change_s

    @property
    def other(self) -> str:
        return PLAIN if self.mode == LOOKUP else LOOKUP

    def changed(self, mode: str, seconds: float) -> None:
        """The pipeline is now in ``mode``; building it took ``seconds``."""
        self.mode, self.regret_s, self.change_s = mode, 0.0, seconds
