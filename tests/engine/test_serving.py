"""Which variant serves: profile, wish, the original in its place, and a device that is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_engine import device as devices
from lepton_engine import profiles, serving
from lepton_engine.compression.recipe import Recipe
from lepton_engine.compression.verdicts import Verdict, read_verdicts, write_verdicts
from lepton_engine.device import DeviceChoice, Probe
from lepton_engine.engine import Engine
from lepton_engine.errors import ModelUnavailableError, RuntimeFailure
from lepton_engine.loaders import Loaders
from lepton_engine.results import Embeddings
from lepton_engine.runtimes.base import RuntimeInfo
from lepton_engine.settings import Settings
from tests.engine.verdict_rows import verdict


@dataclass
class Encoder:
    """Gives zeros; raises while its device is gone."""

    info: RuntimeInfo
    gone: threading.Event
    memory_bytes: int = 5

    @property
    def variant(self) -> str:
        return self.info.variant

    def embed(self, texts: Sequence[str]) -> Embeddings:
        if self.info.device != "cpu" and self.gone.is_set():
            raise RuntimeError("CUDA error: device-side assert triggered")
        return Embeddings(np.zeros((len(texts), 3), np.float32), self.info.stamp(1.0),
                          tuple(texts))

    def close(self) -> None:
        if self.info.device != "cpu" and self.gone.is_set():
            raise RuntimeError("CUDA error")


class World:
    """What the fake loaders load, refuse and count."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        self.refused: set[str] = set()
        self.loads: list[str] = []


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """Models that load in no time, and only the verdicts that a test writes."""
    found = World()
    own = partial(read_verdicts, shipped=tmp_path / "none shipped")
    monkeypatch.setattr(serving, "read_verdicts", own)

    def load(self: Loaders, name: str, kind: str, tell: Any, recipe: Recipe = profiles.PLAIN,
             texts: Sequence[str] | None = None) -> Encoder:
        key = serving.key_of(name, recipe)
        found.loads.append(f"{key}@{self._choice.device}")
        if key in found.refused:
            raise ModelUnavailableError("It cannot be converted here.")
        info = RuntimeInfo(name, str(recipe), self._choice.runtimes[0], self._choice.device, "fp32")
        return Encoder(info, found.gone)

    monkeypatch.setattr(Loaders, "load", load)
    return found


def engine_with(home: Path, *rows: Verdict, device: str = "cpu") -> Engine:
    write_verdicts(rows, home / "verdicts")
    return Engine(device, settings=Settings(home=home, offline=True))


@pytest.fixture
def engine(tmp_path: Path, world: World) -> Iterator[Engine]:
    with engine_with(tmp_path, verdict(), verdict(recipe="int4", latency_ms=1.0, loss_points=3.0,
                                                  decision="refused")) as made:
        yield made


def variant(engine: Engine, **wish: Any) -> str:
    return engine.embed(["x"], **wish).stamp.variant.partition("@")[0]


def test_a_call_follows_the_profile_and_a_wish_overrules_it(engine: Engine) -> None:
    assert variant(engine) == "minilm-l6/int8"
    with profiles.using("fast"):
        assert variant(engine) == "minilm-l6/int4"
        assert variant(engine, recipe="original") == "minilm-l6/original"
        assert variant(engine, recipe=Recipe.parse("int8-weights")) == "minilm-l6/int8-weights"
    assert [m.key for m in engine.status().models] == [
        "minilm-l6/int8", "minilm-l6/int4", "minilm-l6", "minilm-l6/int8-weights"]


def test_another_devices_verdicts_do_not_hold(tmp_path: Path, world: World) -> None:
    elsewhere = verdict(variant="minilm-l6/int8@torch:cuda")
    with engine_with(tmp_path, elsewhere) as engine:
        assert variant(engine) == "minilm-l6/original"
        assert engine.verdicts("minilm-l6")[-1].variant.endswith("cuda")


def test_a_head_on_a_plain_trunk_runs_on_the_trunks_variant_and_a_merged_one_does_not(
        engine: Engine) -> None:
    assert str(engine.recipe_for("emotion")) == str(engine.recipe_for("minilm-l6")) == "int8"
    assert str(engine.recipe_for("emotion", "original")) == "original"
    assert str(engine.recipe_for("bank-intent")) == "original"  # nobody measured it


def test_an_unmeasured_decoder_runs_in_8_bits(engine: Engine) -> None:
    assert str(engine.recipe_for("smollm2-135m")) == "int8"
    assert str(engine.recipe_for("smollm2-135m", "original")) == "original"
    assert str(engine.recipe_for("films", "fast")) == "original"


def test_the_original_serves_where_the_profiles_variant_cannot(
        engine: Engine, world: World) -> None:
    world.refused.add("minilm-l6/int8")
    for _ in range(2):
        result = engine.embed(["x"])
        assert result.stamp.variant.startswith("minilm-l6/original@")
        assert "int8 of minilm-l6 could not be made or loaded here" in result.stamp.note
    assert world.loads == ["minilm-l6/int8@cpu", "minilm-l6@cpu"]
    status = engine.status()
    assert "so the original serves." in status.notes[0]
    assert {m.state for m in status.models} == {"ready"}


def test_a_wished_variant_that_cannot_be_had_is_an_error(engine: Engine, world: World) -> None:
    world.refused.add("minilm-l6/int8")
    with pytest.raises(ModelUnavailableError, match="cannot be converted"):
        engine.embed(["x"], recipe="int8")
    assert engine.status().models == ()  # one caller's wish is no news for everybody


def test_nothing_is_blamed_on_a_variant_whose_original_fails_too(
        engine: Engine, world: World) -> None:
    world.refused |= {"minilm-l6/int8", "minilm-l6"}
    with pytest.raises(ModelUnavailableError):
        engine.embed(["x"])
    assert engine.status().notes == ()


def test_loading_again_after_a_failure_gives_the_variant_another_chance(
        engine: Engine, world: World) -> None:
    world.refused.add("minilm-l6/int8")
    assert engine.load("minilm-l6") == "minilm-l6"
    world.refused.clear()
    assert engine.load("minilm-l6") == "minilm-l6/int8"
    assert engine.status().notes == ()
    assert engine.unload("minilm-l6/int8") == 5


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """A fake CUDA device that is there until ``world.gone`` is set."""

    def trial() -> None:
        if world.gone.is_set():
            raise RuntimeError("CUDA error: no device")

    monkeypatch.setitem(devices.PROBES, "cuda", lambda: Probe("bf16", "a fake GPU"))
    monkeypatch.setitem(devices.TRIALS, "cuda", trial)


def test_a_lost_device_moves_the_work_to_the_processor(
        gpu: None, tmp_path: Path, world: World) -> None:
    with engine_with(tmp_path, device="cuda") as engine:
        assert engine.embed(["x"]).stamp.device == "cuda"
        world.gone.set()
        assert engine.embed(["x"]).stamp.device == "cpu"
        status = engine.status()
        assert status.device == "cpu"
        assert "because the CUDA GPU stopped answering" in status.reason
        assert engine.device.runtimes[0] == "torch"  # no conversion stands before the answer
        assert world.loads == ["minilm-l6@cuda", "minilm-l6@cpu"]


def test_an_error_on_a_device_that_still_computes_moves_nothing(
        gpu: None, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(devices.TRIALS, "cuda", lambda: None)
    with engine_with(tmp_path, device="cuda") as engine:
        engine.embed(["x"])
        world.gone.set()
        with pytest.raises(RuntimeError, match="CUDA error"):
            engine.embed(["x"])
        assert engine.status().device == "cuda"


def test_a_device_that_hangs_is_lost(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(devices, "ANSWER_SECONDS", 0.05)
    monkeypatch.setitem(devices.TRIALS, "cuda", lambda: ended.wait(20))
    try:
        assert devices.lost(DeviceChoice("cuda", "bf16", ""))
    finally:
        ended.set()
    assert not devices.lost(DeviceChoice("cpu", "fp32", ""))


def test_callers_at_the_same_time_move_once(gpu: None, tmp_path: Path, world: World) -> None:
    with engine_with(tmp_path, device="cuda") as engine:
        engine.embed(["x"])
        world.gone.set()
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(engine.embed(["x"]).stamp.device))
                   for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert found == ["cpu"] * 6
        assert world.loads.count("minilm-l6@cpu") == 1


def test_a_stream_that_has_begun_ends_with_a_sentence(
        gpu: None, tmp_path: Path, world: World) -> None:
    def work(loaded: Encoder) -> Iterator[Embeddings]:
        yield loaded.embed(["a"])
        if loaded.info.device == "cuda":
            world.gone.set()
        yield loaded.embed(["b"])

    with engine_with(tmp_path, device="cuda") as engine:
        parts = engine._serving.stream("minilm-l6", serving.Wish(), (), work)
        assert next(parts).stamp.device == "cuda"
        with pytest.raises(RuntimeFailure, match="Ask again: the processor goes on"):
            next(parts)
        again = engine._serving.stream("minilm-l6", serving.Wish(), (), work)
        assert [part.stamp.device for part in again] == ["cpu", "cpu"]


def test_an_original_that_only_an_index_needed_is_let_go(engine: Engine, world: World) -> None:
    def build() -> None:
        engine.embed(["x"], recipe="original")

    engine.preload(["minilm-l6"], then=[build])
    for thread in threading.enumerate():
        if thread.name == "lepton-preload":
            thread.join(20)
    assert {m.key: m.state for m in engine.status().models} == {
        "minilm-l6/int8": "ready", "minilm-l6": "unloaded"}
