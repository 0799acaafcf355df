"""The gate of a language model: the perplexity ratio, and McNemar's test on grounded questions.

The rule: a variant passes where its perplexity on held-out text is at most 1.02 times that of
the original, and where McNemar's exact test on at least 300 grounded questions does not show
a loss (p at least 0.05, or the variant is not worse). With some 360 questions an interval of
the difference is several points wide, so that the limits of 0.5 and 1.5 points, which classifiers
meet on 3,000 predictions and more, could decide nothing here; the interval is shown all the same.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lepton_engine.compression.decoder_perplexity import SOURCES, Window
from lepton_engine.compression.decoder_questions import Question
from lepton_engine.compression.decoder_rows import Facts
from lepton_engine.compression.decoder_speed import Speed
from lepton_engine.compression.gate import Difference, lost, mcnemar, paired_difference
from lepton_engine.compression.measure import host, versions
from lepton_engine.compression.verdicts import PASSED, REFUSED, UNDECIDABLE, Verdict

RATIO_LIMIT = 1.02
P_LIMIT = 0.05
LEAST_QUESTIONS = 300
RESAMPLES = 2_000
METRIC = "grounded accuracy"
RULE = (f"perplexity ratio at most {RATIO_LIMIT}, and McNemar's exact test on at least "
        f"{LEAST_QUESTIONS} grounded questions shows no loss (p >= {P_LIMIT} or not worse)")
_PACKAGES = ("openvino-genai", "openvino-tokenizers")


def perplexity_of(facts: Facts, language: str | None, windows: Sequence[Window]) -> float:
    """exp of the mean negative log-likelihood; of one language or of all; NaN without any."""
    rows = [facts.windows[w.number] for w in windows
            if w.number in facts.windows and language in (None, w.language)]
    predictions = sum(count for _, count in rows)
    return math.exp(sum(nll for nll, _ in rows) / predictions) if predictions else math.nan


def ratio_interval(original: Facts, variant: Facts, seed: int = 0) -> tuple[float, float]:
    """95 % of the perplexity ratio over resampled windows, both from the same windows."""
    shared = sorted(original.windows.keys() & variant.windows.keys())
    if not shared:
        return math.nan, math.nan
    before, after = (np.array([facts.windows[i][0] for i in shared])
                     for facts in (original, variant))
    counts = np.array([original.windows[i][1] for i in shared])
    picks = np.random.default_rng(seed).integers(0, len(shared), (RESAMPLES, len(shared)))
    ratios = np.exp((after - before)[picks].sum(axis=1) / counts[picks].sum(axis=1))
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def decide(ratio: float, p: float, difference: Difference, n: int) -> tuple[str, str]:
    """The decision and a sentence with every number that it rests on."""
    change = (f"Perplexity ratio {ratio:.4f} (limit {RATIO_LIMIT}); {METRIC} "
              f"{difference.value:.4f} against {difference.original:.4f} of the original: "
              f"{lost(difference.loss_points)} (95 % interval {difference.low:.2f} to "
              f"{difference.high:.2f}, McNemar p = {p:.3f}, n = {n:,})")
    if n < LEAST_QUESTIONS or math.isnan(ratio):
        why = (f"a verdict needs at least {LEAST_QUESTIONS} questions" if n < LEAST_QUESTIONS
               else "the perplexity was not measured; it needs the OpenVINO runtime")
        return UNDECIDABLE, f"{change}; {why}."
    if ratio > RATIO_LIMIT:
        return REFUSED, f"{change}; the ratio is above the limit."
    if p < P_LIMIT and difference.loss_points > 0:
        return REFUSED, f"{change}; the test shows a loss."
    return PASSED, f"{change}; the ratio is within the limit and the test does not show a loss."


def _right(facts: Facts, questions: Sequence[Question]) -> np.ndarray:
    return np.array([facts.answers[q.id].right for q in questions], dtype=np.int64)


def verdict(name: str, original: Facts, variant: Facts, questions: Sequence[Question],
            windows: Sequence[Window], speed: tuple[Speed, Speed] | None,
            published: Mapping[str, Any]) -> Verdict:
    """The record of one variant. ``speed``: the original's and its own, measured in turns."""
    asked = [q for q in questions if q.id in original.answers and q.id in variant.answers]
    before, after = _right(original, asked), _right(variant, asked)
    difference = paired_difference(before, after, np.ones_like(before), "accuracy")
    only = int((before > after).sum()), int((after > before).sum())
    p = mcnemar(*only)
    ratio = perplexity_of(variant, None, windows) / perplexity_of(original, None, windows)
    decision, reason = decide(ratio, p, difference, len(asked))
    first, own = speed or (None, None)
    detail = {
        "rule": RULE, "unit": "token", "mcnemar_p": p, "only_original": only[0],
        "only_variant": only[1], "perplexity": _perplexities(original, variant, windows),
        "accuracy": _accuracies(asked, before, after),
        "same_replies": sum(original.answers[q.id].reply == variant.answers[q.id].reply
                            for q in asked) / len(asked),
        "speed": {"original": asdict(first), "variant": asdict(own)} if first and own else None,
        "original_memory_bytes": original.memory_bytes, **published}
    return Verdict(
        name=name, recipe=variant.recipe, variant=variant.variant, metric=METRIC,
        original=difference.original, value=difference.value,
        loss_points=difference.loss_points, low=difference.low, high=difference.high,
        n=len(asked), decision=decision, reason=reason,
        latency_ms=1000 / own.free if own else math.nan,
        original_latency_ms=1000 / first.free if first else math.nan,
        texts_per_second=own.sixteen if own else math.nan,
        original_texts_per_second=first.sixteen if first else math.nan,
        size_bytes=variant.size_bytes, original_size_bytes=original.size_bytes,
        memory_bytes=variant.memory_bytes, host=host(),
        versions={**versions(), **{p: importlib.metadata.version(p) for p in _PACKAGES}},
        date=datetime.date.today().isoformat(), detail=detail)


def _perplexities(original: Facts, variant: Facts, windows: Sequence[Window]) -> dict[str, Any]:
    low, high = ratio_interval(original, variant)
    rows: dict[str, Any] = {}
    for label in (None, *dict.fromkeys(w.language for w in windows)):
        before, after = (perplexity_of(f, label, windows) for f in (original, variant))
        rows[label or "all"] = {"original": before, "variant": after, "ratio": after / before}
    rows["all"] |= {"low": low, "high": high,
                    "predictions": sum(count for _, count in variant.windows.values())}
    used = {w.language for w in windows}
    return {**rows, "text": {language: SOURCES[language] for language in sorted(used)}}


def _accuracies(asked: Sequence[Question], before: np.ndarray,
                after: np.ndarray) -> dict[str, Any]:
    """By language, and apart for what the passage does not hold."""
    groups = {"en": [q.language == "en" for q in asked], "zh": [q.language == "zh" for q in asked],
              "answerable": [bool(q.answers) for q in asked],
              "not in the passage": [not q.answers for q in asked]}
    return {label: {"n": sum(mask), "original": float(before[mask].mean()),
                    "variant": float(after[mask].mean())}
            for label, mask in groups.items() if any(mask)}
