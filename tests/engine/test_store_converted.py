"""Converted models: built once, checked when opened, never half-trusted."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from lepton_engine.catalog import Progress, Store
from lepton_engine.errors import DiskFullError
from lepton_engine.settings import Settings

KEY = {"model": "minilm-l6", "recipe": "int8", "runtime": "openvino", "weights": "ab" * 32,
       "openvino": "2026.1"}


class Builder:
    def __init__(self) -> None:
        self.built = 0

    def __call__(self, folder: Path) -> None:
        self.built += 1
        (folder / "model.xml").write_text("<net/>")
        (folder / "deep").mkdir()
        (folder / "deep" / "model.bin").write_bytes(bytes(1000))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Settings(home=tmp_path / "home"))


def test_it_is_built_once(store: Store) -> None:
    build, reports = Builder(), list[Progress]()
    folder = store.converted(KEY, build, reports.append)
    assert folder.name.startswith("minilm-l6-int8-openvino-")
    assert {p.stage for p in reports} == {"convert"}
    assert store.converted(dict(reversed(KEY.items())), build) == folder
    assert Store(store.settings).converted(KEY, build) == folder
    assert build.built == 1


@pytest.mark.parametrize("part", sorted(KEY))
def test_every_part_of_the_key_counts(store: Store, part: str) -> None:
    build = Builder()
    one = store.converted(KEY, build)
    assert store.converted({**KEY, part: KEY[part] + "x"}, build) != one
    assert build.built == 2


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest"])
def test_a_damaged_one_is_built_again(store: Store, damage: str) -> None:
    build = Builder()
    folder = store.converted(KEY, build)
    path = folder / "deep" / "model.bin"
    if damage == "flip":
        path.write_bytes(b"\1" + bytes(999))
    elif damage == "truncate":
        path.write_bytes(bytes(10))
    elif damage == "remove":
        path.unlink()
    else:
        folder.with_name(f"{folder.name}.json").unlink()
    assert (store.converted(KEY, build) / "deep" / "model.bin").read_bytes() == bytes(1000)
    assert build.built == 2


def test_a_conversion_that_fails_leaves_nothing(store: Store) -> None:
    def broken(folder: Path) -> None:
        (folder / "half.xml").write_text("<net>")
        raise RuntimeError("no such operation")

    with pytest.raises(RuntimeError, match="no such operation"):
        store.converted(KEY, broken)
    assert list((store.home / "converted").iterdir()) == []
    with pytest.raises(ValueError, match="no file"):
        store.converted(KEY, lambda folder: None)
    build = Builder()
    store.converted(KEY, build)
    assert build.built == 1


def test_what_a_dead_process_left_is_not_trusted(store: Store) -> None:
    build = Builder()
    folder = store.converted(KEY, build)
    manifest = folder.with_name(f"{folder.name}.json")
    manifest.unlink()
    leftover = folder.with_name(f".{folder.name}.building")
    leftover.mkdir()
    (leftover / "half").write_text("half")
    store.converted(KEY, build)
    assert build.built == 2
    assert not leftover.exists()
    assert not (folder / "half").exists()


def test_a_full_disk_is_a_sentence(store: Store) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFullError, match="Free some room"):
        store.converted(KEY, full)


def test_threads_build_once(store: Store) -> None:
    build = Builder()

    def slow(folder: Path) -> None:
        time.sleep(0.1)
        build(folder)

    threads = [threading.Thread(target=store.converted, args=(KEY, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert build.built == 1


def _convert_in_child(home: Path, answers: Queue[int]) -> None:
    built: list[int] = []

    def build(folder: Path) -> None:
        built.append(os.getpid())
        time.sleep(0.5)
        (folder / "model.xml").write_text("<net/>")

    folder = Store(Settings(home=home)).converted(KEY, build)
    assert (folder / "model.xml").read_text() == "<net/>"
    answers.put(len(built))


def test_two_processes_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers: Queue[int] = context.Queue()
    processes = [context.Process(target=_convert_in_child, args=(tmp_path, answers))
                 for _ in range(2)]
    for process in processes:
        process.start()
    assert sorted(answers.get(timeout=60) for _ in processes) == [0, 1]
    for process in processes:
        process.join(20)
