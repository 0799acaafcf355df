"""What the processes do that fetch the toy model at the same time."""

from __future__ import annotations

import os
import tempfile
import time
from multiprocessing.queues import Queue
from pathlib import Path

from lepton_engine.catalog import Store
from lepton_engine.catalog.specs import Wheel
from lepton_engine.settings import Settings
from tests.engine.fake_wheels import Index, Toy


class SlowIndex(Index):
    """An index that takes its time and leaves a note for every request."""

    def __init__(self, folder: Path, home: Path, pause: float) -> None:
        super().__init__(folder)
        self.before = self._note
        self._home, self._pause = home, pause

    def _note(self, wheel: Wheel) -> None:
        (self._home.parent / "requests").mkdir(exist_ok=True)
        (self._home.parent / "requests" / f"{wheel.sha256}-{os.getpid()}").touch()
        time.sleep(self._pause)


def fetch_in_child(home: Path, folder: Path, answers: Queue[str], pause: float) -> None:
    toy = Toy.__new__(Toy)  # the wheels are written once, by the parent
    toy.__dict__.update(_facts(folder))
    try:
        path = Store(Settings(home=home), download=SlowIndex(folder, home, pause)).fetch(toy.spec)
        size = (path / "sub" / "model.safetensors").stat().st_size
        answers.put(f"ok {size}")
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")


def _facts(folder: Path) -> dict[str, object]:
    """Toy's rows, computed in a scratch folder: the same bytes give the same digests."""
    with tempfile.TemporaryDirectory() as scratch:
        toy = Toy(Path(scratch))
    on_disk = {p.name for p in folder.glob("*.whl")}
    assert on_disk, "the parent wrote the wheels"
    return vars(toy)
