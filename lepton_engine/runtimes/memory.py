"""Memory that a loaded model holds without need, handed back to the system."""

from __future__ import annotations

import ctypes
import logging
import sys
from pathlib import Path

log = logging.getLogger(__name__)

_MAPS = Path("/proc/self/maps")
_DONT_NEED = 4  # MADV_DONTNEED of <sys/mman.h>


def trim() -> None:
    """Give back what the C allocator keeps after a load (a graph costs several MB)."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        except (OSError, AttributeError):
            log.debug("this C library cannot trim its heap")


def release_pages(path: Path) -> int:
    """Let go of the resident pages of a file that is mapped read-only; returns how many bytes
    of address space that concerned.

    OpenVINO maps a model's weights and then computes with copies in another precision and
    order; the mapped originals stay resident unused (90 of 135 MB of MiniLM). What is needed
    after all, rows of an embedding table, is read from the file again when it is touched.
    """
    if not _MAPS.is_file():
        return 0
    released = 0
    for start, size in _mapped(str(path.resolve())):
        library = ctypes.CDLL("libc.so.6", use_errno=True)
        done = library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _DONT_NEED)
        released += size if done == 0 else 0
    return released


def _mapped(path: str) -> list[tuple[int, int]]:
    """(start, bytes) of the mappings of ``path`` that nobody can have written to."""
    found: list[tuple[int, int]] = []
    for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.split(None, 5)
        if len(parts) == 6 and parts[5] == path and "w" not in parts[1]:
            start, end = (int(part, 16) for part in parts[0].split("-"))
            found.append((start, end - start))
    return found
