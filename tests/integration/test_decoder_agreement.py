"""Qwen through the worker: grounded replies alone are those of plain greedy, batches near."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from lepton_engine.catalog import Store, catalogue
from lepton_engine.chat import ChatTokenizer
from lepton_engine.device import choose_device
from lepton_engine.generation import ChatOptions, stream_reply
from lepton_engine.runtimes import decoders
from lepton_engine.runtimes.agreement import greedy_agreement, model_logits, plain_replies
from lepton_engine.runtimes.base import GenerateOptions
from lepton_engine.runtimes.openvino_decoder import OpenVINODecoder
from lepton_engine.settings import Settings

pytestmark = pytest.mark.integration

TEXT = ("Answer with a sentence copied from the text.\n\nText: The library opens at nine on "
        "weekdays and closes at six. On Saturdays it opens at eleven and closes at four. It is "
        "closed on public holidays and on the first Monday of each month. A card is free for "
        "people who live in the town; others pay twelve euros a year. Books may be kept for four "
        "weeks and renewed twice, unless someone waits for them. A lost book costs its price and "
        "three euros.")
QUESTIONS = ("When does the library open on Saturdays?", "What does a card cost?",
             "How long may books be kept?", "What does a lost book cost?")
FREE = ("Write a story about a lighthouse.", "Explain how a bicycle stays upright.",
        "Write an email about a broken heater.", "Name three rivers and say where they are.",
        "What makes bread rise?", "Describe a walk in the rain.", "Why is the sky blue?",
        "Give advice on learning to swim.")
TOKENS = 40


@pytest.fixture(scope="module")
def qwen() -> Iterator[tuple[OpenVINODecoder, ChatTokenizer]]:
    store = Store(Settings.from_env())
    decoder, tokenizer = decoders.load_decoder(
        catalogue().resolve("qwen-0.5b"), store, choose_device("cpu"), runtime="openvino")
    assert isinstance(decoder, OpenVINODecoder)
    yield decoder, tokenizer
    decoder.close()


def reply_of(decoder: OpenVINODecoder, stops: tuple[int, ...], prompt: list[int],
             grounded: bool) -> list[int]:
    options = GenerateOptions(max_new_tokens=TOKENS, stop_ids=stops, grounded=grounded)
    return [i for chunk in decoder.stream(prompt, options) for i in chunk.ids]


def test_greedy_is_greedy(qwen: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    decoder, tokenizer = qwen
    stops = tokenizer.stop_ids
    grounded = [tokenizer.encode_messages([{"role": "system", "content": TEXT},
                                           {"role": "user", "content": q}]) for q in QUESTIONS]
    free = [tokenizer.encode_messages([{"role": "user", "content": q}]) for q in FREE]
    folder = decoder.folder
    expected = plain_replies(folder, [*grounded, *free], stops, TOKENS)
    logits = model_logits(folder)

    assert decoder.mode == "lookup"
    alone = [reply_of(decoder, stops, prompt, True) for prompt in grounded]
    one = greedy_agreement(grounded, expected[:4], alone, logits)
    print("grounded, alone, look-up:", one.to_text())
    assert one.identical_share == 1

    together: dict[int, list[int]] = {}

    def run(number: int) -> None:
        together[number] = reply_of(decoder, stops, free[number], False)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(free))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    many = greedy_agreement(free, expected[4:], [together[n] for n in range(len(free))], logits)
    print(f"free, {len(free)} at once, {decoder.mode}:", many.to_text())
    assert many.is_greedy, many.differences


def test_a_reply_follows_its_schema(qwen: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30},
                                               "country": {"type": "string", "maxLength": 30}},
              "required": ["city", "country"], "additionalProperties": False}
    asked = [{"role": "user", "content": "Name a capital in Europe as JSON."}]
    chunks = stream_reply(*qwen, asked, ChatOptions(max_new_tokens=80, schema=schema))
    said = json.loads("".join(chunk.text for chunk in chunks))
    assert set(said) == {"city", "country"}
