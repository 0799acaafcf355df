"""The model hub as a source: one file at a pinned revision, or an uncatalogued repository."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from lepton_engine.catalog.children import run_child
from lepton_engine.catalog.outside import SIDE_FILES, WEIGHTS
from lepton_engine.errors import InputError, SourceError, UnsafeModelError

RepositoryDownloader = Callable[
    [str, str, Path, Callable[[int], None], threading.Event | None], tuple[Path, str]]

_ENVIRONMENT = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_XET": "1"}

_ONE_FILE = """
import sys
from huggingface_hub import hf_hub_download
repository, revision, name, folder = sys.argv[1:]
hf_hub_download(repository, name, revision=revision, local_dir=folder)
"""

_REPOSITORY = """
import json, sys
from huggingface_hub import HfApi, snapshot_download
repository, revision, wanted, endings, folder = sys.argv[1:]
endings = tuple(json.loads(endings))
info = HfApi().model_info(repository, revision=revision)
names = [s.rfilename for s in info.siblings or ()]
json.dump({"commit": info.sha, "names": names}, open(folder + "/listing.json", "w"))
weights = [n for n in names if n.endswith(".safetensors") and "/" not in n]
ggufs = [wanted] if wanted else [n for n in names if n.endswith(".gguf")]
chosen = ggufs if wanted or not weights else weights
if chosen and (weights and not wanted or len(chosen) == 1):
    side = [n for n in names if n.endswith(endings) and "/" not in n]
    snapshot_download(repository, revision=info.sha, allow_patterns=chosen + side,
                      local_dir=folder + "/model")
"""


def hub_download(repository: str, revision: str, name: str, folder: Path,
                 on_bytes: Callable[[int], None], cancel: threading.Event | None) -> Path:
    """One file of a repository at a pinned commit, into ``folder``; unverified.

    Raises SourceError with the reason, StoppedError or DiskFullError.
    """
    run_child(["-c", _ONE_FILE, repository, revision, name, str(folder)], watch=folder,
              what=repository, on_bytes=on_bytes, cancel=cancel, environment=_ENVIRONMENT)
    path = folder / name
    if not path.is_file():
        raise SourceError("the hub gave no such file")
    return path


def hub_repository(name: str, revision: str, folder: Path, on_bytes: Callable[[int], None],
                   cancel: threading.Event | None) -> tuple[Path, str]:
    """The safe files of an uncatalogued repository: (folder, the commit it stood at).

    ``name`` is ``org/name`` or ``org/name/file.gguf``. Only safetensors or one GGUF, and the
    small text files beside them, are asked for; a repository without them raises
    UnsafeModelError, one with several GGUF files InputError that lists them.
    """
    organisation, short, *rest = name.split("/")
    run_child(["-c", _REPOSITORY, f"{organisation}/{short}", revision, "".join(rest),
               json.dumps(list(SIDE_FILES)), str(folder)], watch=folder, what=name,
              on_bytes=on_bytes, cancel=cancel, environment=_ENVIRONMENT)
    listing = json.loads((folder / "listing.json").read_text(encoding="utf-8"))
    model = folder / "model"
    if not model.is_dir():
        ggufs = [n for n in listing["names"] if n.endswith(".gguf")]
        if ggufs:
            raise InputError(f"{name} holds several GGUF files. Name one of them, such as "
                             f"{organisation}/{short}/{ggufs[0]}.")
        raise UnsafeModelError(f"{name} holds neither safetensors nor GGUF weights "
                               f"({', '.join(WEIGHTS)}), and other formats may run code. "
                               "Use a converted copy of the model.")
    shutil.rmtree(model / ".cache", ignore_errors=True)
    return model, str(listing["commit"])
