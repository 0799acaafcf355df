"""Callers who share an encoder: whose rows run together, in which order, and whose errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from lepton_engine.errors import InputError, RuntimeFailure
from lepton_engine.microbatch import Arrays, MicroBatcher, Row

OUTPUTS = ("sum",)


class Encoder:
    """Sums ids; stands still at ``gate`` and remembers the ids of every batch."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[list[int]]] = []
        self.fail: Callable[[np.ndarray], None] = lambda ids: None

    def run(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray,
            outputs: Sequence[str]) -> Arrays:
        self.batches.append([row[:n].tolist() for row, n in zip(ids, mask.sum(1), strict=True)])
        self.entered.release()
        assert self.gate.wait(20)
        self.fail(ids)
        return {name: (ids * mask).sum(1, keepdims=True) for name in outputs}


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def threads() -> object:
    with ThreadPoolExecutor(12) as pool:
        yield pool


def sums(batcher: MicroBatcher, texts: Sequence[Sequence[int]],
         outputs: Sequence[str] = OUTPUTS) -> list[int]:
    found: dict[int, int] = {}

    def take(index: int, arrays: Arrays) -> None:
        assert index not in found
        found[index] = int(arrays[outputs[0]][0])

    batcher.compute([Row(text, [0] * len(text)) for text in texts], outputs, take)
    return [found[index] for index in range(len(texts))]


def await_waiting(batcher: MicroBatcher, count: int) -> None:
    until = time.monotonic() + 20
    while batcher.waiting < count:
        assert time.monotonic() < until
        time.sleep(0.002)


def start(threads: ThreadPoolExecutor, batcher: MicroBatcher, encoder: Encoder,
          *callers: Sequence[Sequence[int]]) -> list[Future[list[int]]]:
    """A first caller whose batch stands at the gate, and ``callers`` behind it, one by one."""
    encoder.gate.clear()
    futures = [threads.submit(sums, batcher, [[1]])]
    assert encoder.entered.acquire(timeout=20)
    for count, texts in enumerate(callers, 1):
        futures.append(threads.submit(sums, batcher, texts))
        await_waiting(batcher, count)
    return futures


def test_an_idle_encoder_starts_at_once_with_what_is_there(encoder: Encoder) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=9)
    assert sums(batcher, [[5]]) == [5]
    assert sums(batcher, [[1, 2, 3], [4], [5, 6]]) == [6, 4, 11]
    assert encoder.batches == [[[5]], [[4], [5, 6], [1, 2, 3]]]


def test_who_waits_shares_the_next_batch(encoder: Encoder, threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    futures = start(threads, batcher, encoder, [[2, 3]], [[4, 5]], [[6, 7], [8, 9]])
    encoder.gate.set()
    assert [f.result(20) for f in futures] == [[1], [5], [9], [13, 17]]
    assert encoder.batches == [[[1]], [[2, 3], [4, 5], [6, 7], [8, 9]]]
    assert batcher.waiting == 0


def test_rows_that_would_be_mostly_padding_run_apart(encoder: Encoder,
                                                     threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    futures = start(threads, batcher, encoder, [[2]], [[3] * 40], [[4]])
    encoder.gate.set()
    assert [f.result(20) for f in futures] == [[1], [2], [120], [4]]
    assert encoder.batches[1:] == [[[2], [4]], [[3] * 40]]


def test_a_single_text_does_not_wait_for_thousands(encoder: Encoder,
                                                   threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0, max_texts=4)
    futures = start(threads, batcher, encoder, [[3] * 8 for _ in range(40)], [[7]])
    encoder.gate.set()
    assert [f.result(20) for f in futures] == [[1], [24] * 40, [7]]
    assert [[7]] in encoder.batches[1:4]
    assert len(encoder.batches) == 12


def test_limits_hold_for_joint_batches(encoder: Encoder, threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0, max_texts=64, max_tokens=12)
    futures = start(threads, batcher, encoder, *([[2, n]] for n in range(10)))
    encoder.gate.set()
    assert [f.result(20) for f in futures[1:]] == [[2 + n] for n in range(10)]
    assert [len(batch) for batch in encoder.batches] == [1, 6, 4]


def test_other_outputs_are_another_batch(encoder: Encoder, threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    futures = start(threads, batcher, encoder, [[2]])
    other = threads.submit(sums, batcher, [[3]], ("other",))
    await_waiting(batcher, 2)
    encoder.gate.set()
    assert [f.result(20) for f in (*futures, other)] == [[1], [2], [3]]
    assert encoder.batches == [[[1]], [[2]], [[3]]]


def refuse(bad: int, error: type[Exception]) -> Callable[[np.ndarray], None]:
    def fail(ids: np.ndarray) -> None:
        if bad in ids:
            raise error("no")

    return fail


@pytest.mark.parametrize("error", [RuntimeFailure, RuntimeError, MemoryError, ValueError])
def test_an_error_stays_with_its_caller(encoder: Encoder, threads: ThreadPoolExecutor,
                                        error: type[Exception]) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    encoder.fail = refuse(13, error)
    futures = start(threads, batcher, encoder, [[2, 3]], [[13, 3]], [[4, 5], [6, 7]])
    encoder.gate.set()
    assert [futures[n].result(20) for n in (0, 1, 3)] == [[1], [5], [9, 13]]
    expected = ValueError if error is ValueError else RuntimeFailure
    with pytest.raises(expected):
        futures[2].result(20)
    assert sums(batcher, [[8]]) == [8], "the next call works"


@pytest.mark.parametrize("error", [RuntimeFailure, RuntimeError, MemoryError])
def test_too_large_a_batch_is_halved_once(encoder: Encoder, error: type[Exception]) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)

    def fail(ids: np.ndarray) -> None:
        if len(ids) > limit:
            raise error("no room")

    encoder.fail = fail
    limit = 3
    assert sums(batcher, [[n] for n in range(1, 7)]) == [1, 2, 3, 4, 5, 6]
    assert [len(batch) for batch in encoder.batches] == [6, 3, 3]
    limit = 1
    with pytest.raises(RuntimeFailure) as caught:
        sums(batcher, [[n] for n in range(1, 7)])
    if error is not RuntimeFailure:
        assert "fewer or shorter texts" in str(caught.value)
    assert [len(batch) for batch in encoder.batches[3:]] == [6, 3]


def test_what_is_no_lack_of_memory_is_not_tried_again(encoder: Encoder) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    encoder.fail = refuse(2, ValueError)
    with pytest.raises(ValueError, match="no"):
        sums(batcher, [[1], [2]])
    assert len(encoder.batches) == 1


def test_an_error_while_taking_results_is_the_callers_own(encoder: Encoder,
                                                          threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    futures = start(threads, batcher, encoder, [[2]])

    def broken(index: int, arrays: Arrays) -> None:
        raise InputError("no gap in the text")

    failing = threads.submit(batcher.compute, [Row([3], [0])], OUTPUTS, broken)
    await_waiting(batcher, 2)
    encoder.gate.set()
    assert [f.result(20) for f in futures] == [[1], [2]]
    with pytest.raises(InputError, match="no gap"):
        failing.result(20)


def test_closing_answers_those_who_wait_and_lets_the_running_one_end(
        encoder: Encoder, threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    futures = start(threads, batcher, encoder, [[2]], [[3]])
    batcher.close()
    for future in futures[1:]:
        with pytest.raises(RuntimeFailure, match="closed while this waited"):
            future.result(20)
    encoder.gate.set()
    assert futures[0].result(20) == [1]
    with pytest.raises(RuntimeFailure, match="closed"):
        sums(batcher, [[4]])


def test_an_interrupted_caller_leaves_the_others_rows_to_be_done(
        encoder: Encoder, threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0)
    interrupts = iter([False, True, False])

    def fail(ids: np.ndarray) -> None:
        if next(interrupts):
            raise KeyboardInterrupt

    encoder.fail = fail
    futures = start(threads, batcher, encoder, [[2]], [[3]])
    encoder.gate.set()
    outcomes = [future.exception(20) for future in futures]
    assert [type(outcome) for outcome in outcomes].count(KeyboardInterrupt) == 1
    done = [f.result() for f, outcome in zip(futures, outcomes, strict=True) if outcome is None]
    assert done[0] == [1]
    assert done[1] in ([2], [3])


def test_many_threads_get_their_own_results(encoder: Encoder,
                                            threads: ThreadPoolExecutor) -> None:
    batcher = MicroBatcher(encoder.run, pad_id=0, max_texts=5, max_tokens=40)
    random = np.random.default_rng(2)
    calls = [[random.integers(1, 99, size=n).tolist() for n in random.integers(1, 12, size=m)]
             for m in random.integers(1, 9, size=60)]
    results = list(threads.map(lambda call: sums(batcher, call), calls))
    assert results == [[sum(text) for text in call] for call in calls]
    assert sum(map(len, encoder.batches)) == sum(map(len, calls)), "no row runs twice"
