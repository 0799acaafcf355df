"""Perplexity against plain transformers, resumable rows, and the gate of a language model."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from lepton_engine.catalog import Store, catalogue
from lepton_engine.chat import ChatTokenizer
from lepton_engine.compression import decoder_measure
from lepton_engine.compression.decoder_gate import decide, perplexity_of, ratio_interval
from lepton_engine.compression.decoder_measure import Bench, ask, measure_decoder, opener
from lepton_engine.compression.decoder_perplexity import Window, held_out, perplexity, windows
from lepton_engine.compression.decoder_questions import load_questions
from lepton_engine.compression.decoder_rows import Answer, Facts, Rows
from lepton_engine.compression.gate import Difference
from lepton_engine.compression.measure import Doing
from lepton_engine.compression.verdicts import Verdict
from lepton_engine.device import DeviceChoice
from lepton_engine.errors import DeadlineError, InputError, RuntimeFailure
from lepton_engine.runtimes import decoders
from lepton_engine.runtimes.base import GenerateOptions, TokenChunk
from lepton_engine.runtimes.openvino_decoder import OpenVINODecoder
from lepton_engine.settings import Settings
from tests.engine import tiny_decoder

CPU = DeviceChoice("cpu", "fp32", "a test", ("openvino", "torch"))
QUESTIONS = load_questions()
FEW = (*QUESTIONS[:3], *QUESTIONS[-3:])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder.build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(Settings(home=tmp_path_factory.mktemp("home"), offline=True))


@pytest.fixture(scope="module")
def opened(source: Path, store: Store) -> Iterator[SimpleNamespace]:
    spec = catalogue().resolve(str(source))
    decoder, tokenizer = decoders.load_decoder(spec, store, CPU, runtime="openvino",
                                               recipe="original")
    assert isinstance(decoder, OpenVINODecoder)
    yield SimpleNamespace(decoder=decoder, tokenizer=tokenizer)
    decoder.close()


def plain_nll(source: Path, ids: list[int]) -> float:
    import torch
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].double()
    return float(torch.nn.functional.cross_entropy(
        logits, torch.tensor(ids[1:]), reduction="sum"))


def test_perplexity_is_that_of_plain_transformers(source: Path,
                                                  opened: SimpleNamespace) -> None:
    text = "the quick brown fox jumps over the lazy dog and a new card is sent. " * 30
    parts = windows({"en": text}, opened.tokenizer, counts={"en": 2}, size=150)
    found = list(perplexity(decoder_measure.folder_of(opened), parts))
    assert [row.predictions for row in found] == [149, 149]  # more than one chunk each
    for row, part in zip(found, parts, strict=True):
        # OpenVINO may compute in bf16; a lost token, a shift or a stale cache costs far more.
        assert row.nll == pytest.approx(plain_nll(source, list(part.ids)), rel=0.02)


def test_windows_do_not_overlap_and_short_texts_are_refused(opened: SimpleNamespace) -> None:
    text = "a bank card was lost " * 40
    tokenizer: ChatTokenizer = opened.tokenizer
    parts = windows({"en": text}, tokenizer, counts={"en": 3}, size=20)
    joined = [i for part in parts for i in part.ids]
    assert joined == tokenizer.encode_plain(text)[:60]
    with pytest.raises(InputError, match="held-out text"):
        windows({"en": "short"}, tokenizer, counts={"en": 3}, size=20)


def test_a_broken_model_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="perplexity"):
        list(perplexity(tmp_path, [Window(0, "en", (1, 2, 3))]))


def test_the_chinese_text_is_the_projects_and_long_enough() -> None:
    text = held_out(None, ["zh"])["zh"]  # type: ignore[arg-type]
    assert len(text) > 20_000
    assert text == held_out(None, ["zh"])["zh"]  # type: ignore[arg-type]


# Rows -------------------------------------------------------------------------------------


def test_rows_survive_a_torn_line(tmp_path: Path) -> None:
    rows = Rows.of(tmp_path, "some/model", "a")
    rows.add("answer", "v1", id="q1", reply="好", right=True, tokens=2)
    rows.add("window", "v1", window=3, nll=1.5, predictions=10)
    with rows.path.open("a") as file:
        file.write('{"kind": "answer", "variant": "v1", "id": "q2", "re')
    again = Rows.of(tmp_path, "some/model", "a")
    assert again.answers("v1") == {"q1": Answer("q1", "好", True, 2)}
    assert again.windows("v1") == {3: (1.5, 10)}
    assert again.answers("v2") == {}
    assert Rows.of(tmp_path, "some/model", "b").answers("v1") == {}
    assert Rows.of(tmp_path, "some/model", "a", resume=False).answers("v1") == {}


def test_a_row_after_a_torn_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"kind": "wind')
    Rows(path).add("window", "v", window=0, nll=1.0, predictions=5)
    assert Rows(path).windows("v") == {0: (1.0, 5)}


@pytest.fixture
def bench(source: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Bench:
    spec = catalogue().resolve(str(source))
    parts = {"en": "the quick brown fox and a new card " * 60}
    monkeypatch.setattr(Bench, "texts", lambda self: parts)
    monkeypatch.setattr(decoder_measure, "windows",
                        lambda texts, tok: windows(texts, tok, counts={"en": 2}, size=40))
    real = opener(spec, store, "openvino")
    return Bench(spec, store, real, tuple(
        q for q in FEW if len(q.passage) < 330))


def finished(work: Generator[Doing, None, Verdict]) -> Verdict:
    """What the work returns when it is run to its end."""
    found: list[Verdict] = []

    def run() -> Iterator[Doing]:
        found.append((yield from work))

    assert all(isinstance(doing, Doing) for doing in run())
    return found[0]


def test_measuring_stops_and_goes_on(bench: Bench) -> None:
    assert len(bench.questions) >= 3
    first = measure_decoder(bench, "int8", timing=False)
    for doing in first:
        if "perplexity" in doing.what:
            break
    first.close()
    before = bench.rows().path.read_text(encoding="utf-8").splitlines()
    assert sum('"answer"' in line for line in before) == len(bench.questions)
    finished(measure_decoder(bench, "int8", timing=False))
    after = [json.loads(line) for line in
             bench.rows().path.read_text(encoding="utf-8").splitlines()]
    asked = [(r["variant"], r["id"]) for r in after if r["kind"] == "answer"]
    assert len(asked) == len(set(asked)) == 2 * len(bench.questions)
    assert sorted(r["window"] for r in after if r["kind"] == "window") == [0, 0, 1, 1]


def test_the_verdict_of_the_original_loses_nothing(bench: Bench) -> None:
    found = finished(measure_decoder(bench, "original", timing=False))
    assert found.loss_points == 0
    assert found.detail["perplexity"]["all"]["ratio"] == 1
    assert found.detail["published_bytes"] > 0
    assert found.decision == "undecidable"  # a handful of questions is no proof
    assert found.n == len(bench.questions)
    assert type(found).from_dict(json.loads(json.dumps(found.to_dict()))).n == found.n


class Fixed:
    """A decoder whose stream is given."""

    def __init__(self, *chunks: TokenChunk) -> None:
        self._chunks = chunks

    def stream(self, ids: Sequence[int], options: GenerateOptions) -> Iterator[TokenChunk]:
        yield from self._chunks


def test_a_reply_is_one_line(opened: SimpleNamespace) -> None:
    ids = tuple(opened.tokenizer.encode_plain("\n35 minutes\nand more"))
    decoder = Fixed(TokenChunk(ids), TokenChunk((), "length"))
    found = ask(SimpleNamespace(decoder=decoder, tokenizer=opened.tokenizer), QUESTIONS[0])
    assert (found.reply, found.right) == ("35 minutes", True)


def test_a_reply_cut_by_the_clock_is_no_answer(opened: SimpleNamespace) -> None:
    ids = tuple(opened.tokenizer.encode_plain("35"))
    decoder = Fixed(TokenChunk(ids), TokenChunk((), "deadline"))
    with pytest.raises(DeadlineError, match="kept"):
        ask(SimpleNamespace(decoder=decoder, tokenizer=opened.tokenizer), QUESTIONS[0])


# The gate ---------------------------------------------------------------------------------


def facts(nll: list[float]) -> Facts:
    return Facts("r", "v", "k", 1, 1, {}, {i: (value, 10) for i, value in enumerate(nll)})


def test_perplexity_and_its_ratio() -> None:
    parts = [Window(0, "en", (1,) * 11), Window(1, "zh", (1,) * 11)]
    one, other = facts([10.0, 30.0]), facts([10.2, 30.2])
    assert perplexity_of(one, None, parts) == pytest.approx(math.exp(2))
    assert perplexity_of(one, "zh", parts) == pytest.approx(math.exp(3))
    assert ratio_interval(one, other) == pytest.approx((math.exp(0.02), math.exp(0.02)))
    assert math.isnan(perplexity_of(facts([]), None, parts))


@pytest.mark.parametrize(("ratio", "p", "loss", "n", "decision"), [
    (1.01, 0.4, 1.1, 320, "passed"),
    (1.021, 0.9, 0.0, 320, "refused"),
    (1.01, 0.01, 3.0, 320, "refused"),
    (1.01, 0.01, -3.0, 320, "passed"),
    (1.01, 0.4, 1.1, 299, "undecidable"),
    (math.nan, 0.4, 1.1, 320, "undecidable"),
])
def test_decide(ratio: float, p: float, loss: float, n: int, decision: str) -> None:
    found, reason = decide(ratio, p, Difference(0.8, 0.8 - loss / 100, loss, -1.0, 4.0), n)
    assert found == decision
    assert f"n = {n}" in reason
