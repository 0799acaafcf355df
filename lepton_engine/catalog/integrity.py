"""sha256 of files, guarded copies, and manifests that are written last."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from lepton_engine.errors import DigestError

_BLOCK = 1 << 20
MANIFEST_VERSION = 1


def sha256_of(path: Path) -> str:
    """The sha256 of a file, read as a stream."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_stream(source: IO[bytes], target: IO[bytes], limit: int,
                on_block: Callable[[int], None]) -> int:
    """Copy at most ``limit`` bytes; one byte more raises DigestError (a zip bomb's guard).

    ``on_block(n)`` is called after each block and may raise to stop.
    """
    copied = 0
    while block := source.read(min(_BLOCK, limit - copied + 1)):
        copied += len(block)
        if copied > limit:
            raise DigestError("it gives more bytes than the catalogue states")
        target.write(block)
        on_block(len(block))
    return copied


class VerifiedFiles:
    """Which files this process has already hashed in full, by everything that a change moves.

    Inode, size, mtime and ctime together: a file that is written to in any ordinary way is
    hashed again. Safe to use from threads.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[tuple[int, ...], str]] = {}
        self._lock = threading.Lock()

    @staticmethod
    def _mark(path: Path) -> tuple[int, ...]:
        stat = path.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

    def digest(self, path: Path, *, again: bool = False) -> str:
        """The sha256 of a file, computed at most once a process unless it changed."""
        mark, key = self._mark(path), str(path)
        with self._lock:
            known = self._seen.get(key)
        if known is not None and known[0] == mark and not again:
            return known[1]
        digest = sha256_of(path)
        with self._lock:
            self._seen[key] = (mark, digest)
        return digest

    def move(self, source: Path, target: Path) -> None:
        """Rename a file within a file system; what is known of its bytes goes with it."""
        with self._lock:
            known = self._seen.pop(str(source), None)
        os.replace(source, target)
        if known is not None:
            mark = self._mark(target)
            if mark[:3] == known[0][:3]:  # a rename moves only the ctime
                with self._lock:
                    self._seen[str(target)] = (mark, known[1])


VERIFIED = VerifiedFiles()


def write_manifest(path: Path, folder: Path, digests: Mapping[str, str],
                   facts: Mapping[str, str]) -> None:
    """Write, as the very last step, what ``folder`` holds: size, mtime and sha256 by name."""
    files = {}
    for name, digest in sorted(digests.items()):
        stat = (folder / name).stat()
        files[name] = {"sha256": digest, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    text = json.dumps({"version": MANIFEST_VERSION, "facts": dict(facts), "files": files}, indent=1)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def read_manifest(path: Path) -> dict[str, dict[str, object]] | None:
    """The files of a manifest by name, or None when there is none that can be trusted."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != MANIFEST_VERSION:
            return None
        files = {str(n): {"sha256": str(f["sha256"]), "size": int(f["size"]),
                          "mtime_ns": int(f["mtime_ns"])} for n, f in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return files


def unchanged(folder: Path, files: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether every file of a manifest is there with the size and mtime it states."""
    for name, row in files.items():
        try:
            stat = (folder / name).stat()
        except OSError:
            return False
        if stat.st_size != row["size"] or stat.st_mtime_ns != row["mtime_ns"]:
            return False
    return True
