"""spaCy is imported in one place, so that two threads never import it at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lepton_engine

SOURCES = sorted(Path(lepton_engine.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_no_other_module_imports_spacy(path: Path) -> None:
    imports = re.findall(r"^\s*(?:import spacy|from spacy)\b|import_module\(f?[\"']spacy",
                         path.read_text(encoding="utf-8"), re.MULTILINE)
    assert not imports or path.stem == "lazy"


def test_threads_that_need_different_parts_of_spacy_all_get_them() -> None:
    code = (
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from lepton_engine.lazy import spacy_module\n"
        "names = ['spacy', 'spacy.lang.en.stop_words', 'spacy.language', 'spacy.lang.de']\n"
        "start = threading.Barrier(len(names))\n"
        "def get(name):\n"
        "    start.wait()\n"
        "    return spacy_module(name).__name__\n"
        "with ThreadPoolExecutor(len(names)) as pool:\n"
        "    assert list(pool.map(get, names)) == names\n")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
