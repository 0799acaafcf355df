"""The pool: variants by key, unloading, and what a stopped or failed load leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lepton_engine.catalog.progress import StoppedError
from lepton_engine.errors import BusyError, ModelUnavailableError, UnknownNameError
from lepton_engine.pool import Pool
from lepton_engine.status import EngineStatus, LoadState
from lepton_engine.telling import Tell


@dataclass
class Part:
    memory_bytes: int = 10
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def keys(pool: Pool) -> dict[str, str]:
    return {s.key: s.state for s in pool.states()}


def test_variants_of_one_model_stand_side_by_side() -> None:
    pool = Pool(100)
    pool.expect({"a": "a", "a/int8": "a"})
    with pool.use("a/int8", lambda tell: Part(4), "a"):
        states = {s.key: s for s in pool.states()}
    assert (states["a"].state, states["a/int8"].state) == ("waiting", "ready")
    assert (states["a/int8"].name, states["a/int8"].memory_bytes) == ("a", 4)


def test_the_best_variant_speaks_for_its_model() -> None:
    status = EngineStatus("cpu", "fp32", "", (
        LoadState("a", "failed", key="a/int4"), LoadState("a", "ready", key="a/int8"),
        LoadState("a", "loading"), LoadState("b", "unloaded")))
    assert status.state_of("a").key == "a/int8"
    assert status.state_of("a/int4").state == "failed"
    assert status.state_of("b").state == "unloaded"
    assert status.state_of("c").state == "waiting"


def test_unloading_frees_what_nobody_uses() -> None:
    pool, part = Pool(100), Part(7)
    with pool.use("a/int8", lambda tell: part, "a"), pytest.raises(BusyError, match="is computing"):
        pool.unload("a/int8")
    assert pool.unload("a/int8") == 7
    assert part.closed
    assert keys(pool) == {"a/int8": "unloaded"}
    assert pool.unload("a/int8") == 0
    with pytest.raises(UnknownNameError, match="no loaded variant called “a/int4”"):
        pool.unload("a/int4")
    with pool.use("a/int8", lambda tell: Part(), "a"):
        assert keys(pool) == {"a/int8": "ready"}


def test_the_oldest_goes_when_room_is_needed_and_is_not_waited_for() -> None:
    pool, first = Pool(15), Part()
    with pool.use("a", lambda tell: first):
        pass
    with pool.use("b", lambda tell: Part()):
        pass
    assert first.closed
    assert keys(pool) == {"a": "unloaded", "b": "ready"}


def test_a_stopped_load_is_no_failure() -> None:
    pool = Pool(100)

    def stopped(tell: Tell) -> Part:
        raise StoppedError("a")

    with pytest.raises(StoppedError), pool.use("a", stopped):
        pass
    assert keys(pool) == {"a": "unloaded"}
    with pool.use("a", lambda tell: Part()):
        assert keys(pool) == {"a": "ready"}


def test_a_failed_load_is_kept_until_it_is_forgotten() -> None:
    pool, tries = Pool(100), []

    def broken(tell: Tell) -> Part:
        tries.append(1)
        raise ValueError("/home/someone")

    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match="a/int8 could not be loaded") as failed, \
                pool.use("a/int8", broken, "a"):
            pass
    assert len(tries) == 1
    assert "/home" not in str(failed.value)
    pool.forget("a/int8")
    assert keys(pool) == {}


def test_a_released_variant_leaves_no_trace_but_stays_for_others() -> None:
    pool, part = Pool(100), Part()
    with pool.use("a/int8", lambda tell: part, "a"):
        pool.release("a/int8")
        assert not part.closed
    pool.release("a/int8")
    assert part.closed
    assert keys(pool) == {}
