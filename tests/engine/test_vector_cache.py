"""Vectors of repeated texts: what is computed, what is at hand, the bound and the switch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lepton_engine import LeptonModel
from lepton_engine.vector_cache import (
    MOST_TEXTS_KEPT,
    OVERHEAD_BYTES,
    VectorCache,
    caches_off,
    caches_on,
    text_key,
)
from tests.engine.tiny_models import Load


class Counting:
    """Counts the rows that a model's runtime computes."""

    def __init__(self, model: LeptonModel, monkeypatch: pytest.MonkeyPatch) -> None:
        assert model._session is not None
        self.rows = 0
        self.cache = model._session.cache
        self.cache.clear()
        runtime = model._session.runtime
        real = runtime.run

        def run(ids: np.ndarray, *rest: object) -> object:
            self.rows += len(ids)
            return real(ids, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(runtime, "run", run)


def test_a_text_that_came_before_is_not_computed_again(load: Load,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    model = load()
    counting = Counting(model, monkeypatch)
    first = model.embed(["the bank", "my card", "the bank"])
    assert counting.rows == 2
    assert first.stamp.note == "1 of 3 vectors were at hand from before"
    again = model.embed(["hello", "the bank"])
    assert counting.rows == 3
    np.testing.assert_array_equal(again.vectors[1], first.vectors[0])
    np.testing.assert_array_equal(first.vectors[0], first.vectors[2])
    assert np.abs(first.vectors[0] - first.vectors[1]).max() > 0.01
    last = model.embed(["my card"])
    assert counting.rows == 3
    assert last.stamp.tokens == 0
    assert last.stamp.variant == model.variant


def test_off_means_that_every_text_is_computed(load: Load,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    model = load()
    counting = Counting(model, monkeypatch)
    kept = model.embed(["the bank"]).vectors
    with caches_off():
        assert not caches_on()
        computed = model.embed(["the bank", "the bank", "a film"])
        assert counting.rows == 4
        assert computed.stamp.note == ""
    assert caches_on()
    np.testing.assert_allclose(computed.vectors[:1], kept, atol=1e-6)
    model.embed(["a film"])
    assert counting.rows == 5, "what is computed with caches off must not be kept"


def test_the_switch_is_of_one_thread() -> None:
    with ThreadPoolExecutor(1) as other, caches_off():
        assert other.submit(caches_on).result()
        assert not caches_on()


def test_a_cut_text_says_so_every_time(load: Load) -> None:
    model = load()
    for _ in range(2):
        assert model.embed(["reset my card " * 40]).stamp.note == \
            "the text was cut at 48 sub-words"


def test_an_index_does_not_push_out_what_is_asked_for(load: Load,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    model = load()
    counting = Counting(model, monkeypatch)
    model.embed(["the bank"])
    model.embed([f"film {n}" for n in range(MOST_TEXTS_KEPT + 1)])
    assert counting.cache.state.entries == 1


def test_the_oldest_goes_when_the_bound_is_reached() -> None:
    size = 8 * 4 + OVERHEAD_BYTES
    cache = VectorCache(limit_bytes=3 * size)
    for name in "abc":
        cache.put(name.encode(), np.full(8, ord(name)))
    assert cache.get(b"a") is not None
    cache.put(b"d", np.zeros(8))
    assert cache.get(b"b") is None
    assert [cache.get(key) is not None for key in (b"a", b"c", b"d")] == [True] * 3
    state = cache.state
    assert (state.entries, state.bytes, state.limit_bytes) == (3, 3 * size, 3 * size)
    assert (state.hits, state.misses) == (4, 1)
    cache.put(b"a", np.ones(8))
    assert cache.state.bytes == 3 * size, "a replaced vector is counted once"
    cache.put(b"e", np.zeros(2000))
    assert cache.get(b"e") is None
    assert cache.state.entries == 3, "what never fits must not empty the cache"


def test_what_is_kept_is_a_copy_that_nobody_writes_to() -> None:
    cache, batch = VectorCache(), np.zeros((64, 8), dtype=np.float32)
    cache.put(b"a", batch[3])
    batch[:] = 7
    kept = cache.get(b"a")
    assert kept is not None
    assert kept.base is None
    assert not kept.any()
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_keys_tell_variants_and_texts_apart() -> None:
    keys = {text_key(variant, text) for variant in ("a/original", "a/int8", "")
            for text in ("x", "y", "\0x", "\ud800")}
    assert len(keys) == 12


def test_many_threads_keep_the_bound() -> None:
    cache = VectorCache(limit_bytes=20 * (16 + OVERHEAD_BYTES))

    def work(seed: int) -> None:
        for n in range(300):
            key = bytes([(seed * 7 + n) % 60])
            cache.put(key, np.full(4, key[0]))
            found = cache.get(key)
            assert found is None or found[0] == key[0]

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    state = cache.state
    assert state.entries == 20
    assert state.bytes == state.limit_bytes
