"""``bank-intent``: 77 intents and a trustworthy "none of these".

Queries of other domains are trained as a 78th label whose row is dropped afterwards: what stays
is that the 77 logits are low for them, which the energy score tells (Liu et al. 2020,
Energy-based Out-of-distribution Detection; negatives as in Hendrycks et al. 2019, Deep Anomaly
Detection with Outlier Exposure).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lepton_engine.training import adapting, data, fitting, lora
from lepton_engine.training.heads import Head
from lepton_engine.training.making import (
    BANKING77,
    CLINC150,
    Prepared,
    Row,
    Trained,
    Trunk,
    calibrated,
    facts,
    first_head,
    prepare,
    targets,
)
from lepton_engine.training.sub_words import sub_words

KEPT_IN_SCOPE = 0.95
NEGATIVES = 1_000
SMOOTHING = 0.05
STRENGTH = 30.0
SCHEDULE = adapting.Schedule(epochs=12, batch=64, rate=2e-3, average=0.99,
                             shape=lora.Shape(16, 32, 0.0))


def make(folder: Path, trunk: Trunk, seed: int) -> Trained:
    """77 labels with CLINC150's queries of other domains as negatives."""
    ready = prepare(data.banking(folder), trunk, seed)
    other = data.out_of_scope(folder)
    schedule = replace(SCHEDULE, seed=seed)
    adapted = adapting.adapt(trunk.folder, _epochs(ready, other["train"], trunk, seed),
                             _start(ready, other["train"], trunk, seed), schedule, trunk.tell)
    embed = trunk.updated(adapted.updates, schedule.shape.scaling)
    count, parts = len(ready.names), ready.split
    head = Head(ready.names, trunk.name, adapted.weight[:count], adapted.bias[:count], 1.0, 0.0,
                energy=True)
    kept = embed(ready.some(parts.calibration))
    head = calibrated(head, kept, ready.truth[parts.calibration])
    head = replace(head, threshold=fitting.threshold_for_coverage(head.scores(kept),
                                                                  KEPT_IN_SCOPE))
    refused = {name: _refused(head, embed(texts))
               for name, texts in other.items() if name != "train"}
    return Trained(head, {
        **facts(head, ready, embed(ready.some(parts.held_out)), seed),
        "score": "energy, the logarithm of the sum of the exponentials of the 77 logits",
        "threshold_rule": f"keeps {KEPT_IN_SCOPE:.0%} of the in-scope calibration part",
        "refused_out_of_scope": refused,
    }, adapted.updates, schedule.shape.scaling, ready.labelled(parts.held_out))


def _refused(head: Head, vectors: np.ndarray) -> dict[str, float]:
    share = float((head.scores(vectors) < head.threshold).mean())
    return {"n": len(vectors), "refused": round(share, 4)}


def _start(ready: Prepared, negatives: Sequence[str], trunk: Trunk,
           seed: int) -> tuple[np.ndarray, np.ndarray]:
    train, count = ready.split.train, len(ready.names)
    some = trunk(_drawn(negatives, seed, 0))
    return first_head(np.concatenate([ready.vectors[train], some]),
                      np.concatenate([ready.truth[train], np.full(len(some), count)]), STRENGTH)


def _drawn(texts: Sequence[str], seed: int, epoch: int) -> list[str]:
    order = np.random.default_rng((seed, epoch)).permutation(len(texts))[:NEGATIVES]
    return [texts[i] for i in order]


def _epochs(ready: Prepared, negatives: Sequence[str], trunk: Trunk,
            seed: int) -> adapting.Epoch:
    train, count = ready.split.train, len(ready.names)
    rows = sub_words(trunk.folder, ready.some(train))

    def epoch(number: int) -> tuple[adapting.Rows, np.ndarray]:
        drawn = _drawn(negatives, seed, number)
        truth = [*ready.truth[train].tolist(), *[count] * len(drawn)]
        return [*rows, *sub_words(trunk.folder, drawn)], targets(truth, count + 1, SMOOTHING)

    return epoch


ROW = Row(
    make, (BANKING77, CLINC150), "Intent of an English message to a bank",
    (("Neighbouring intents are confused", "card_arrival and card_delivery_estimate"),
     ("A message with two wishes gets one label",
      "My card is lost and I also need a new PIN"),
     ("Refusal was learned from CLINC150's everyday requests; on texts unlike these and unlike "
      "a bank's it was not measured", "a page of a novel")))
