"""Batches of texts: their arrays, their limits, and how little they pad."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_engine.batching import MAX_PADDED_TOKENS, MAX_TEXTS, joined, plan


def test_a_batch_is_ids_mask_and_types() -> None:
    ids, mask, types = joined([[5, 6, 7], [8], [0, 9]], [[0, 1, 1], [0], [1, 1]], 3)
    assert ids.tolist() == [[5, 6, 7], [8, 3, 3], [0, 9, 3]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert types.tolist() == [[0, 1, 1], [0, 0, 0], [1, 1, 0]]
    assert {a.dtype for a in (ids, mask, types)} == {np.dtype(np.int64)}


def test_many_texts_are_padded_little() -> None:
    lengths = np.random.default_rng(0).integers(7, 160, size=2000).tolist()
    batches = plan(lengths)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padded < 1.02 * sum(lengths)
    # As they come, 32 at a time, a third of what is computed is padding or more.
    as_they_come = sum(32 * max(lengths[n:n + 32]) for n in range(0, 2000, 32))
    assert as_they_come > 1.5 * padded


@pytest.mark.parametrize(("length", "count"), [(1, MAX_TEXTS), (8, MAX_TEXTS), (32, 32), (256, 4),
                                               (600, 1), (5000, 1)])
def test_short_texts_fill_a_batch_and_long_ones_stand_alone(length: int, count: int) -> None:
    first, *_ = plan([length] * (2 * MAX_TEXTS))
    assert len(first) == count
    assert count == 1 or count * length <= MAX_PADDED_TOKENS


def test_no_texts_are_no_batches() -> None:
    assert plan([]) == []
