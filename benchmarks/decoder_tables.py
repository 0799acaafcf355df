"""The tables of the language models."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.decoder_rounds import Measured, Rounds
from benchmarks.report import Table, percentile, spread
from lepton_engine.text import three

LEPTON = "Lepton {}"
GENAI = "OpenVINO GenAI itself, the IR of Lepton {}"
LLAMA = "llama.cpp, the GGUF"
LLAMA_SERVER = "llama.cpp's server, the GGUF"
RATIO_NOTE = ("One stream: the median over the prompts of both speeds on the same prompt. "
              "Streams: the two sums.")
ONE_NOTE = ("Median over the prompts (lowest to highest), greedy, prompts in turn. Writing: "
            "tokens after the first, a second of the time after the first. Whole answer: all "
            "tokens, a second of the time from the question to the end, reading included. "
            "llama.cpp is the wheel of xllamacpp as its index has it, built for {kernels}.")
MANY_NOTE = ("{streams} streams, {own} prompt tokens each after a shared system prompt, {new} new "
             "tokens. Sum: all new tokens over the time from the first question to the last "
             "token, reading included.")
SAME_NOTE = ("Beside a plain pipeline on the same weights (no look-up, no batch), which answers "
             "one prompt after the other; up to {tokens} tokens. Where a reply first has another "
             "token, the plain model's own logits say how near a tie was; one step of bf16 is "
             "0.125 at logits of 16 to 32.")


def tables(rounds: Rounds, recipes: Sequence[str]) -> tuple[tuple[Table, ...], dict[str, Any]]:
    """The tables and the numbers behind them."""
    found = rounds.measured
    kernels = next((m.variant for n, m in found.items() if "llama.cpp" in n), "nothing here")
    made = [_one(rounds, found, kernels), _many(rounds, found), _ratios(found, recipes),
            _agreement(rounds, found)]
    if rounds.failed:
        made.append(Table("Not available here", ("contender", "why"),
                          tuple(rounds.failed.items())))
    return tuple(made), {name: asdict(m) for name, m in rounds.measured.items()}


def _one(rounds: Rounds, found: dict[str, Measured], kernels: str) -> Table:
    rows = []
    for name, measured in found.items():
        if "free" not in measured.whole:
            continue
        rows.append((
            name, *(spread(there(measured.writing, kind)) for kind in ("free", "grounded")),
            spread(measured.whole.get("grounded", [])),
            spread(measured.first_s.get("grounded", [])), three(measured.memory_mb)))
    plan = rounds.plan
    return Table(
        "qwen-0.5b, one stream",
        ("contender", f"free text, {plan.free_tokens} tokens, n = {plan.free}: writing, tokens/s",
         f"grounded, n = {plan.grounded}: writing, tokens/s", "grounded: whole answer, tokens/s",
         "grounded: first token, s", "resident memory, MB"),
        tuple(rows), ONE_NOTE.format(kernels=kernels))


def _many(rounds: Rounds, found: dict[str, Measured]) -> Table:
    rows = []
    for name, measured in found.items():
        if not measured.sums:
            continue
        cells = [name]
        for kind in ("at once", "one each second"):
            first = measured.first_s.get(kind, [])
            cells += [three(measured.sums.get(kind)),
                      three(statistics.median(first) if first else None),
                      three(percentile(first, 0.95) if first else None)]
        rows.append(tuple(cells))
    plan = rounds.plan
    return Table(
        f"qwen-0.5b, {plan.streams} streams",
        ("contender", "at once: sum, tokens/s", "first token p50, s", "p95, s",
         "one each second: sum, tokens/s", "first token p50, s", "p95, s"), tuple(rows),
        MANY_NOTE.format(streams=plan.streams, own=plan.own_tokens, new=plan.stream_tokens))


def _agreement(rounds: Rounds, found: dict[str, Measured]) -> Table:
    rows = []
    for name, measured in found.items():
        for kind, said in measured.agreement.items():
            rows.append((f"{name}, {kind}", str(said["replies"]), f"{said['identical']:.0%}",
                         str(max(said["ranks"], default=1)),
                         three(max(said["gaps"], default=0.0))))
    return Table("qwen-0.5b, is greedy text the same text?",
                 ("replies", "n", "identical", "rank of the first other token, at most",
                  "its logit below the best, at most"), tuple(rows),
                 SAME_NOTE.format(tokens=rounds.plan.same_tokens))


def there(speeds: Mapping[str, Sequence[float | None]], kind: str) -> list[float]:
    """The speeds of a kind that exist."""
    return [speed for speed in speeds.get(kind, ()) if speed is not None]


def paired(mine: Sequence[float | None], other: Sequence[float | None]) -> float | None:
    """The median of mine / other over the prompts that both have a speed for."""
    found = [m / o for m, o in zip(mine, other, strict=True) if m is not None and o is not None]
    return statistics.median(found) if found else None


def _ratios(found: dict[str, Measured], recipes: Sequence[str]) -> Table:
    rows = []
    for recipe in recipes:
        for other in (GENAI.format(recipe), LLAMA):
            mine = found.get(LEPTON.format(recipe))
            peer = found.get(other)
            if mine is None or peer is None or not peer.whole or not mine.whole:
                continue
            speeds = [paired(getattr(mine, field).get(kind, ()), getattr(peer, field).get(kind, ()))
                      for field, kind in (("writing", "free"), ("writing", "grounded"),
                                          ("whole", "grounded"))]
            rows.append((f"{LEPTON.format(recipe)} / {other}", *map(three, speeds), "-"))
        mine, server = found.get(LEPTON.format(recipe)), found.get(LLAMA_SERVER)
        if mine and server and "at once" in mine.sums and "at once" in server.sums:
            ratio = three(mine.sums["at once"] / server.sums["at once"])
            rows.append((f"{LEPTON.format(recipe)} / {LLAMA_SERVER}", "-", "-", "-", ratio))
    return Table("qwen-0.5b, Lepton over its peers",
                 ("pair", "free text: writing", "grounded: writing", "grounded: whole answer",
                  "streams at once: sum"), tuple(rows), RATIO_NOTE)
