"""Verdicts for tests: only what a test names differs from a plain passed one."""

from __future__ import annotations

from typing import Any

from lepton_engine.compression.verdicts import Verdict


def verdict(name: str = "minilm-l6", recipe: str = "int8", **changes: Any) -> Verdict:
    facts: dict[str, Any] = {
        "name": name, "recipe": recipe, "variant": f"{name}/{recipe}@openvino:cpu",
        "metric": "weighted F1", "original": 0.87, "value": 0.868, "loss_points": 0.2,
        "low": -0.1, "high": 0.5, "n": 9543, "decision": "passed", "reason": "It loses little.",
        "latency_ms": 2.0, "original_latency_ms": 6.0, "texts_per_second": 900.0,
        "original_texts_per_second": 300.0, "size_bytes": 23_000_000,
        "original_size_bytes": 90_000_000, "memory_bytes": 60_000_000, "host": "2 cores",
        "versions": {"openvino": "2026"}, "date": "2026-11-23"}
    return Verdict(**{**facts, **changes})
