"""The titles offered while a page is built, before any data is loaded.

``python -m domains.recommendation.choices`` writes them anew from the film data (a test
holds the file against the data).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).resolve().parents[2] / "assets" / "films" / "titles.txt"


@lru_cache(maxsize=1)
def offered() -> tuple[str, ...]:
    """Labels such as ``Vertigo (1958)`` of all recommendable films, by title."""
    return tuple(_FILE.read_text(encoding="utf-8").splitlines())


def main() -> None:
    from domains.recommendation.library import Library
    from lepton_engine.engine import Engine

    with Engine() as engine:
        labels = Library.of(engine).labels()
    _FILE.write_text("\n".join(labels) + "\n", encoding="utf-8")
    print(f"{len(labels)} titles")


if __name__ == "__main__":
    main()
