"""What the tests of the Engine lab share: verdicts as the gate would have stored them."""

from __future__ import annotations

from typing import Any

from domains.engine_lab.outcome import Stage
from lepton_engine.compression.verdicts import Verdict

ORIGINAL_MS = 8.0


def verdict(recipe: str, loss: float, speed: float, decision: str, **other: Any) -> Verdict:
    """``loss`` in points with an interval of ±0.25; ``speed`` as a factor."""
    facts: dict[str, Any] = {
        "name": "finance-sentiment", "recipe": recipe, "metric": "weighted F1", "n": 9_543,
        "variant": f"finance-sentiment/{recipe}@openvino:cpu", "original": 0.87,
        "value": 0.87 - loss / 100, "loss_points": loss, "low": loss - 0.25, "high": loss + 0.25,
        "decision": decision, "reason": f"{loss} points lost.", "latency_ms": ORIGINAL_MS / speed,
        "original_latency_ms": ORIGINAL_MS, "texts_per_second": 100 * speed,
        "original_texts_per_second": 100.0, "size_bytes": 23_000_000, "memory_bytes": 40_000_000,
        "original_size_bytes": 90_000_000, "host": "2 cores, 16 GB", "versions": {},
        "date": "2026-11-23", "detail": {"about": "held-out tweets"}}
    return Verdict(**{**facts, **other})


GATE = (verdict("int8", 0.27, 2.9, "passed"), verdict("prune-weights:0.5", 0.1, 1.01, "passed"),
        verdict("prune-neurons:0.5", 1.9, 1.4, "refused"))


def outcomes(steps: Any) -> list[Any]:
    """The outcomes of a stream, without its stages."""
    return [step for step in steps if not isinstance(step, Stage)]
