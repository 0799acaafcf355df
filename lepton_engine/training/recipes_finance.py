"""``finance-sentiment``: three labels for a headline, and for each company in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lepton_engine.training import adapting, data, fitting, lora
from lepton_engine.training.finance_examples import Written, altered, filled, tickers
from lepton_engine.training.heads import Head
from lepton_engine.training.making import (
    OWN,
    TFNS,
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

ACCEPTED_ERROR = 0.08
SMOOTHING = 0.05
STRENGTH = 3.0
#: How often each frame is filled in one epoch, at most.
FILLINGS = 8
SCHEDULE = adapting.Schedule(epochs=5, batch=64, rate=1.5e-3, average=0.99,
                             shape=lora.Shape(16, 32, 0.0))


def make(folder: Path, trunk: Trunk, seed: int) -> Trained:
    """Tweets, and texts of this project; refuses where more than 8 % would be wrong."""
    ready = prepare(data.financial_news(folder), trunk, seed)
    train, parts = ready.split.train, ready.split
    schedule = replace(SCHEDULE, seed=seed)
    adapted = adapting.adapt(
        trunk.folder, _epochs(ready, Written.read(), trunk, seed),
        first_head(ready.vectors[train], ready.truth[train], STRENGTH), schedule, trunk.tell)
    embed = trunk.updated(adapted.updates, schedule.shape.scaling)
    head = Head(ready.names, trunk.name, adapted.weight, adapted.bias, 1.0, 0.0)
    kept, truth = embed(ready.some(parts.calibration)), ready.truth[parts.calibration]
    head = calibrated(head, kept, truth)
    right = head.probabilities(kept).argmax(axis=1) == truth
    head = replace(head, threshold=fitting.threshold_for_error(head.scores(kept), right,
                                                               ACCEPTED_ERROR))
    return Trained(head, {
        **facts(head, ready, embed(ready.some(parts.held_out)), seed),
        "score": "highest probability",
        "threshold_rule": f"at most {ACCEPTED_ERROR:.0%} of the accepted labels are wrong on the "
                          "calibration part",
    }, adapted.updates, schedule.shape.scaling, ready.labelled(parts.held_out))


def _epochs(ready: Prepared, written: Written, trunk: Trunk, seed: int) -> adapting.Epoch:
    own = ready.labelled(ready.split.train)
    tags = tickers(own.texts)

    def epoch(number: int) -> tuple[adapting.Rows, np.ndarray]:
        draw = np.random.default_rng((seed, number))
        pairs = [(altered(text, tags, draw), label)
                 for text, label in zip(own.texts, own.labels, strict=True)]
        pairs += [*written.texts, *written.companies]
        tries = (filled(frame, written.names, draw) for frame in written.frames
                 for _ in range(FILLINGS))
        pairs += [pair for pair in tries if pair]
        return sub_words(trunk.folder, [text for text, _ in pairs]), targets(
            _numbers(ready.names, pairs), len(ready.names), SMOOTHING)

    return epoch


def _numbers(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[int]:
    return [names.index(label) for _, label in pairs]


ROW = Row(
    make, (TFNS, OWN), "Sentiment of an English financial headline, or of one company in it",
    (("A headline about several companies has one label for the whole; asked company by company "
      "it has one for each, right for all of them less often than for one",
      "Ford gains while Rivian loses its largest order"),
     ("Long sentences with several figures are read by their words more than by the figures",
      "EPS of $1.20 against $1.35 a year ago, on sales of $4.1bn against $3.9bn")))
