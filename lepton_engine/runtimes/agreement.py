"""Is greedy text still greedy? Replies of a runtime beside those of a plain pipeline.

Batching and look-up change the order of sums, and bf16 keeps eight bits: two candidates of
nearly the same logit may change places, after which the texts part for good. What can be
asked of a runtime is therefore: the same text, or a first differing token that was among the
best two of the plain model at that place, with logits that lie close together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# At logits of 16 to 32 one bf16 step is 0.125. Qwen 0.5B int8, eight at once: at most 0.12.
GAP_LIMIT = 0.5

Logits = Callable[[Sequence[int]], "np.ndarray"]
"""float32 (vocabulary,) after ids; must come from the same weights."""


@dataclass(frozen=True)
class Difference:
    """Where reply number ``reply`` parts from its reference. ``rank`` 2 is the second best."""

    reply: int
    place: int
    rank: int
    gap: float


@dataclass(frozen=True)
class Agreement:
    """How many replies are identical, and how far the others are from a tie."""

    replies: int
    differences: tuple[Difference, ...]

    @property
    def identical_share(self) -> float:
        return 1.0 - len(self.differences) / self.replies

    @property
    def is_greedy(self) -> bool:
        """Whether every difference lies among the best two, within the limit."""
        return all(d.rank <= 2 and d.gap <= GAP_LIMIT for d in self.differences)

    def to_text(self) -> str:
        text = (f"{self.replies - len(self.differences)} of {self.replies} replies are identical "
                f"({self.identical_share:.0%}).")
        if self.differences:
            text += (f" First differing token: rank at most "
                     f"{max(d.rank for d in self.differences)}, logit gap at most "
                     f"{max(d.gap for d in self.differences):.2g} (limit {GAP_LIMIT:g}).")
        return text


def greedy_agreement(prompts: Sequence[Sequence[int]], reference: Sequence[Sequence[int]],
                     replies: Sequence[Sequence[int]], logits: Logits) -> Agreement:
    """Compare ``replies`` with the ``reference`` replies to the same prompts."""
    found = []
    rows = zip(prompts, reference, replies, strict=True)
    for number, (prompt, plain, reply) in enumerate(rows):
        place = _first_difference(plain, reply)
        if place is not None:
            after = logits([*prompt, *plain[:place]])
            found.append(_difference(number, place, plain, reply, after))
    return Agreement(len(prompts), tuple(found))


def _first_difference(plain: Sequence[int], reply: Sequence[int]) -> int | None:
    place = next((i for i, (a, b) in enumerate(zip(plain, reply, strict=False)) if a != b), None)
    if place is None and len(plain) != len(reply):
        return min(len(plain), len(reply))  # one of them ended there
    return place


def _difference(number: int, place: int, plain: Sequence[int], reply: Sequence[int],
                after: np.ndarray) -> Difference:
    """``after``: the logits at the place. A reply that ended counts by its runner-up."""
    order = after.argsort()[::-1]
    tokens = [ids[place] for ids in (plain, reply) if place < len(ids)]
    ranks = [1 + int((after > after[token]).sum()) for token in tokens]
    worst = min(float(after[token]) for token in tokens)
    if len(tokens) < 2:
        worst = min(worst, float(after[order[1]]))
    return Difference(number, place, max(ranks), float(after[order[0]]) - worst)


def model_logits(folder: Path) -> Logits:
    """The logits of a converted decoder (`decoder_export`), run plainly by OpenVINO."""
    import numpy as np
    import openvino as ov

    request: Any = ov.Core().compile_model(folder / "openvino_model.xml",
                                           "CPU").create_infer_request()

    def run(ids: Sequence[int]) -> np.ndarray:
        request.reset_state()
        count = len(ids)
        request.infer({
            "input_ids": np.array([ids], dtype=np.int64),
            "attention_mask": np.ones((1, count), dtype=np.int64),
            "position_ids": np.arange(count, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32)})
        logits: np.ndarray = request.get_tensor("logits").data[0, -1].astype(np.float32)
        return logits

    return run


def plain_replies(folder: Path, prompts: Sequence[Sequence[int]], stop_ids: Sequence[int],
                  max_new_tokens: int) -> list[list[int]]:
    """Greedy replies of a pipeline without look-up, one prompt after the other."""
    import numpy as np
    import openvino as ov

    from lepton_engine.runtimes.decoder_modes import PLAIN
    from lepton_engine.runtimes.decoder_pipeline import Build, generation_config

    pipeline = Build(str(folder), blocks=128, chunk=256).pipeline(PLAIN)
    replies = []
    for number, ids in enumerate(prompts):
        message = {"max_new_tokens": max_new_tokens, "stop_ids": list(stop_ids),
                   "temperature": 0.0}
        tensor = ov.Tensor(np.array([ids], dtype=np.int64))
        handle = pipeline.add_request(number, tensor, generation_config(message, PLAIN, 0))
        reply: list[int] = []
        while pipeline.has_non_finished_requests():
            pipeline.step()
            while handle.can_read():
                for output in handle.read().values():
                    reply.extend(output.generated_ids)
        replies.append(reply)
    return replies
