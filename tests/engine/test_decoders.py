"""Both decoder runtimes on a tiny model: same text, stops, limits, cancels, deaths."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_engine.catalog import Store, catalogue
from lepton_engine.chat import ChatTokenizer
from lepton_engine.device import DeviceChoice
from lepton_engine.errors import BusyError, DeadlineError, ModelUnavailableError, RuntimeFailure
from lepton_engine.generation import ChatOptions, stream_reply
from lepton_engine.runtimes import decoder_process, decoders, openvino_decoder
from lepton_engine.runtimes.base import DecoderRuntime, GenerateOptions
from lepton_engine.runtimes.decoder_queue import Places
from lepton_engine.runtimes.openvino_decoder import OpenVINODecoder
from lepton_engine.settings import Settings
from lepton_engine.telling import silent
from tests.engine import tiny_decoder

CPU = DeviceChoice("cpu", "fp32", "a test", ("openvino", "torch"))
MESSAGES = [{"role": "user", "content": "the quick brown fox"}]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder.build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(Settings(home=tmp_path_factory.mktemp("home"), offline=True))


def load(source: Path, store: Store, runtime: str,
         recipe: str | None = None) -> tuple[DecoderRuntime, ChatTokenizer]:
    spec = catalogue().resolve(str(source))
    return decoders.load_decoder(spec, store, CPU, runtime=runtime, recipe=recipe)


@pytest.fixture(scope="module")
def worker(source: Path, store: Store) -> Iterator[tuple[OpenVINODecoder, ChatTokenizer]]:
    decoder, tokenizer = load(source, store, "openvino", "original")
    assert isinstance(decoder, OpenVINODecoder)
    yield decoder, tokenizer
    decoder.close()


def ids_of(decoder: DecoderRuntime, prompt: list[int], count: int = 24) -> list[int]:
    options = GenerateOptions(max_new_tokens=count)
    return [i for chunk in decoder.stream(prompt, options) for i in chunk.ids]


def plain_transformers(source: Path, prompt: list[int], count: int) -> list[int]:
    import torch
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(count):  # no cache at all: the plainest form there is
            best = model(input_ids=ids).logits[0, -1].argmax()
            ids = torch.cat([ids, best[None, None]], dim=1)
    return ids[0, len(prompt):].tolist()


def test_both_runtimes_give_the_ids_of_plain_transformers(
        source: Path, store: Store, worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    decoder, tokenizer = worker
    prompt = tokenizer.encode_messages(MESSAGES)
    expected = plain_transformers(source, prompt, 24)
    reference, _ = load(source, store, "torch")
    assert ids_of(reference, prompt) == expected
    # OpenVINO computes in bf16 where it can, so a near tie may fall the other way later on.
    assert ids_of(decoder, prompt, 8) == expected[:8]
    assert len(set(expected)) > 4  # a model that repeats one token would prove nothing


def test_int8_is_the_default_and_openvino_serves_the_cpu(source: Path, store: Store) -> None:
    decoder, tokenizer = decoders.load_decoder(catalogue().resolve(str(source)), store, CPU)
    try:
        chunks = list(stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(max_new_tokens=12)))
        stamp = chunks[-1].stamp
        assert stamp is not None
        assert stamp.variant.endswith("/int8@openvino:cpu")
        assert stamp.runtime == "openvino"
        assert stamp.note == ""
        assert stamp.tokens == 12
        assert chunks[-1].finish_reason == "length"
    finally:
        decoder.close()


def test_conversion_is_done_once(source: Path, store: Store,
                                 monkeypatch: pytest.MonkeyPatch,
                                 worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(decoders, "_convert", fail)
    decoder, _ = load(source, store, "openvino", "original")
    decoder.close()


@pytest.mark.parametrize(("recipe", "named"), [
    ("original", None), ("int8", None), ("int4", None), ("int8-weights", "int8-weights=2"),
    ("prune-neurons:0.5+int8", "prune-neurons=2,int8=1"),
])
def test_a_key_names_the_versions_of_steps_and_keeps_that_of_first_formats(
        source: Path, recipe: str, named: str | None) -> None:
    spec = catalogue().resolve(str(source))
    key = decoders.Wanted(spec, recipe, None, 512, silent).key()
    other = decoders.Wanted(spec, recipe, ["a text of one's own"] * 8, 512, silent).key()
    assert (key["format"], key.get("methods")) == ("1", named)
    assert (other == key) is not recipe.startswith("prune")


def test_texts_of_ones_own_reach_the_conversion(source: Path, monkeypatch: pytest.MonkeyPatch,
                                                tmp_path: Path) -> None:
    read: list[str] = []

    def child(module: str, *arguments: str, tell: object) -> None:
        read.extend(json.loads(Path(arguments[-1]).read_text("utf-8")))

    monkeypatch.setattr(decoders, "run_child", child)
    decoders._convert(source, tmp_path, "prune-neurons:0.5", ["one", "两"], silent)
    assert read == ["one", "两"]


def test_a_worker_that_does_not_start_is_closed(
        source: Path, store: Store, monkeypatch: pytest.MonkeyPatch,
        worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    closed: list[OpenVINODecoder] = []
    close = OpenVINODecoder.close

    def fail(self: OpenVINODecoder) -> None:
        raise RuntimeFailure("It does not start.")

    def seen(self: OpenVINODecoder) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(OpenVINODecoder, "wait_ready", fail)
    monkeypatch.setattr(OpenVINODecoder, "close", seen)
    with pytest.raises(RuntimeFailure, match="does not start"):
        load(source, store, "openvino", "original")
    assert len(closed) == 1


def test_a_decoder_says_where_its_weights_are(
        worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    decoder, _ = worker
    assert 0 < decoder.weights_bytes < sum(p.stat().st_size for p in decoder.folder.iterdir())


def test_a_failing_conversion_falls_back_to_torch_and_says_so(
        source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(decoders, "_convert", fail)
    store = Store(Settings(home=tmp_path, offline=True))
    decoder, _ = decoders.load_decoder(catalogue().resolve(str(source)), store, CPU)
    assert decoder.info.runtime == "torch"
    assert "openvino could not run this model (RuntimeError)" in decoder.info.note
    with pytest.raises(ModelUnavailableError, match="openvino could not run"):
        decoders.load_decoder(catalogue().resolve(str(source)), store, CPU, runtime="openvino")


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_closing_the_stream_stops_the_production(
        source: Path, store: Store, runtime: str) -> None:
    decoder, tokenizer = load(source, store, runtime, "original")
    try:
        stream = stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(max_new_tokens=256))
        next(stream)
        stream.close()
        time.sleep(0.5)  # what was under way when the stream closed arrives
        before = decoder.produced()
        time.sleep(0.5)
        assert decoder.produced() == before
        assert before < 256
    finally:
        decoder.close()


def test_a_deadline_ends_with_what_there_is_or_a_sentence(
        worker: tuple[OpenVINODecoder, ChatTokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, tokenizer = worker
    send = decoder_process.Process.send

    def lost(self: decoder_process.Process, **message: object) -> None:
        if message["op"] != "add":
            send(self, **message)

    monkeypatch.setattr(decoder_process.Process, "send", lost)
    with pytest.raises(DeadlineError, match=r"no answer within 0\.3 s"):
        list(stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(timeout_s=0.3)))


def test_sixteen_callers_share_the_batch_and_get_their_own_text(
        worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    decoder, tokenizer = worker
    texts = [f"card {n} and the fox {n * 7}" for n in range(16)]
    prompts = [tokenizer.encode_messages([{"role": "user", "content": t}]) for t in texts]
    alone = [ids_of(decoder, p, 4) for p in prompts]
    together: dict[int, list[int]] = {}

    def run(number: int) -> None:
        together[number] = ids_of(decoder, prompts[number], 4)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same = sum(together[n][:2] == alone[n][:2] for n in range(16))
    assert len({tuple(a) for a in alone}) > 8
    assert same >= 14, "batching may move a near tie, not mix up the callers"


def test_the_same_seed_gives_the_same_sample_and_another_does_not(
        source: Path, store: Store) -> None:
    decoder, tokenizer = load(source, store, "torch")

    def sample(seed: int) -> str:
        options = ChatOptions(max_new_tokens=16, temperature=1.5, seed=seed)
        return "".join(c.text for c in stream_reply(decoder, tokenizer, MESSAGES, options))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_a_killed_worker_is_restarted_and_its_callers_get_a_sentence(
        worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    decoder, tokenizer = worker
    stream = stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(max_new_tokens=256))
    next(stream)
    first = decoder.worker_pid
    os.kill(first, signal.SIGKILL)
    with pytest.raises(RuntimeFailure, match="a new one is being started"):
        list(stream)
    reply = list(stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(max_new_tokens=4)))
    assert reply[-1].finish_reason == "length"
    assert decoder.worker_pid not in (0, first)


def test_a_full_queue_answers_at_once_with_the_wait(
        worker: tuple[OpenVINODecoder, ChatTokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, tokenizer = worker
    places = Places(1, 0)
    monkeypatch.setattr(decoder, "_places", places)
    with (places.taken(1), pytest.raises(BusyError, match=r"in about \d+ second")):
        list(stream_reply(decoder, tokenizer, MESSAGES, ChatOptions()))
    assert list(stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(max_new_tokens=2)))


def test_a_reply_follows_its_schema_and_the_others_go_on(
        worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    decoder, tokenizer = worker
    before = ids_of(decoder, tokenizer.encode_messages(MESSAGES), 4)
    for answer in (["a bank card", "the fox"], [7, 42]):
        options = ChatOptions(max_new_tokens=40, schema={"enum": answer})
        chunks = list(stream_reply(decoder, tokenizer, MESSAGES, options))
        assert json.loads("".join(c.text for c in chunks)) in answer
        assert chunks[-1].finish_reason == "stop"
    assert ids_of(decoder, tokenizer.encode_messages(MESSAGES), 4) == before


def test_closed_streams_free_their_places(worker: tuple[OpenVINODecoder, ChatTokenizer]) -> None:
    decoder, tokenizer = worker
    for _ in range(2 * openvino_decoder.MAX_STREAMS):
        stream = stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(max_new_tokens=256))
        next(stream)
        stream.close()  # type: ignore[attr-defined]
    chunks = list(stream_reply(decoder, tokenizer, MESSAGES, ChatOptions(max_new_tokens=4)))
    assert chunks[-1].stamp is not None
    assert chunks[-1].stamp.queue_wait_ms < 1_000


def test_a_model_that_names_its_own_code_is_refused(tmp_path: Path, store: Store) -> None:
    folder = tiny_decoder.build(tmp_path)
    config = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(
        config.replace("{", '{"auto_map": {"AutoModel": "evil.Model"},', 1), encoding="utf-8")
    with pytest.raises(ModelUnavailableError, match="auto_map"):
        load(folder, store, "torch")
