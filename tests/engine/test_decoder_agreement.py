"""The comparison of greedy replies: what counts as the same, and how far a tie may go."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from lepton_engine.catalog import Store, catalogue
from lepton_engine.compression.quantise import COMPILE
from lepton_engine.device import DeviceChoice
from lepton_engine.runtimes import decoders
from lepton_engine.runtimes.agreement import (
    Difference,
    greedy_agreement,
    model_logits,
    plain_replies,
)
from lepton_engine.runtimes.base import GenerateOptions
from lepton_engine.runtimes.openvino_decoder import OpenVINODecoder
from lepton_engine.settings import Settings
from tests.engine import tiny_decoder

#: Candidates of random weights lie so close that three tie in bf16; in fp32 nothing ties.
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
PROMPTS = [[1], [2], [3], [4]]
PLAIN = [[5, 6, 7], [5, 6, 7], [5, 6], [5, 6, 7]]


def logits(ids: Sequence[int]) -> np.ndarray:
    """Best is 6, then 8 at 0.5 below, then 9 at 3 below."""
    row = np.zeros(10, dtype=np.float32)
    row[[6, 8, 9]] = [10, 9.5, 7]
    return row


def test_identical_replies_have_no_difference() -> None:
    found = greedy_agreement(PROMPTS, PLAIN, PLAIN, logits)
    assert found.identical_share == 1
    assert found.is_greedy
    assert found.to_text() == "4 of 4 replies are identical (100%)."


def test_a_near_tie_passes_and_the_share_is_said() -> None:
    found = greedy_agreement(PROMPTS, PLAIN, [PLAIN[0], [5, 8, 1], *PLAIN[2:]], logits)
    assert found.differences == (Difference(1, 1, 2, 0.5),)
    assert found.is_greedy
    assert "3 of 4 replies are identical (75%)" in found.to_text()
    assert "gap at most 0.5" in found.to_text()


def test_the_third_best_token_is_no_tie() -> None:
    found = greedy_agreement(PROMPTS, PLAIN, [[5, 9, 7], *PLAIN[1:]], logits)
    assert found.differences == (Difference(0, 1, 3, 3.0),)
    assert not found.is_greedy


def test_a_reply_that_ends_early_differs_there() -> None:
    found = greedy_agreement(PROMPTS, PLAIN, [PLAIN[0], PLAIN[1], [5], PLAIN[3]], logits)
    assert [d.place for d in found.differences] == [1]


def run_all(decoder: OpenVINODecoder, prompts: list[list[int]]) -> list[list[int]]:
    replies: dict[int, list[int]] = {}

    def one(number: int) -> None:
        options = GenerateOptions(max_new_tokens=12, grounded=number % 2 == 0)
        stream = decoder.stream(prompts[number], options)
        replies[number] = [i for chunk in stream for i in chunk.ids]

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [replies[n] for n in range(len(prompts))]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> OpenVINODecoder:
    source = tiny_decoder.build(tmp_path_factory.mktemp("tiny"))
    store = Store(Settings(home=tmp_path_factory.mktemp("home"), offline=True))
    choice = DeviceChoice("cpu", "fp32", "a test", ("openvino",))
    made, _ = decoders.load_decoder(catalogue().resolve(str(source)), store, choice,
                                    recipe="original")
    assert isinstance(made, OpenVINODecoder)
    made.close()
    (made.folder / COMPILE).write_text(json.dumps(EXACT), encoding="utf-8")
    exact = OpenVINODecoder(made.folder, made.info, made.context_length)
    exact.wait_ready()
    return exact


def test_look_up_and_batch_of_the_worker_change_nothing(decoder: OpenVINODecoder) -> None:
    try:
        folder = decoder.folder
        generator = np.random.default_rng(0)
        prompts = [generator.integers(3, 250, 40).tolist() for _ in range(12)]
        plain = plain_replies(folder, prompts, (), 12)
        reference = model_logits(folder)
        assert decoder.mode == "lookup"
        together = greedy_agreement(prompts, plain, run_all(decoder, prompts), reference)
        assert decoder.mode == "lookup", "a crowd is no reason to build anew"
        print(together.to_text())
        assert together.identical_share == 1, together.differences
    finally:
        decoder.close()
