"""``python -m benchmarks.readme [--write]``: the README's tables from the files they are about.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; a test fails when
one is no longer what this module makes of models.toml, the cards of the heads, the verdicts on
the recipes, and the results that the benchmarks wrote.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.recipes import earlier
from benchmarks.recipes import tables as recipe_tables
from benchmarks.report import RESULTS, ROOT, Result, markdown
from lepton_engine.catalog import catalogue
from lepton_engine.catalog.progress import megabytes
from lepton_engine.catalog.specs import ModelSpec

README = ROOT / "README.md"
ADAPTERS = ROOT / "assets" / "adapters"
#: Those whose results are kept as files and quoted.
BENCHMARKS = ("adapters", "encoders", "decoders", "application", "serving", "recovery")
_MARKED = re.compile(r"(?<=<!-- table: )(\w+)( -->\n)(.*?)(?=<!-- end of table -->)", re.S)


def models() -> str:
    """Every row of the catalogue."""
    head = ("alias", "what it is for", "publisher's model", "licence", "parameters", "files",
            "languages", "carried by", "sha256 is")
    return markdown(head, [_model_row(spec) for spec in catalogue()])


def _model_row(spec: ModelSpec) -> list[str]:
    carriers = {"wheel": "package index", "hub": "model hub"}
    languages = " ".join(spec.languages[:3])
    more = f" and {len(spec.languages) - 3} more" if len(spec.languages) > 3 else ""
    stated = {"publisher": "the publisher's", "observed": "as first seen"}[spec.digest_by]
    return [f"`{spec.alias}`" + ("" if spec.default else " (by choice)"), spec.summary,
            spec.publisher, spec.licence, _count(spec.parameters), megabytes(spec.size),
            languages + more, ", ".join(carriers[name] for name in spec.sources), stated]


def _count(parameters: int) -> str:
    if not parameters:
        return ""
    return f"{parameters / 1e6:.1f} M" if parameters < 1e9 else f"{parameters / 1e9:.2f} G"


def heads() -> str:
    """Every trained head with what its card says of held-out data."""
    head = ("head", "task", "labels", "held-out accuracy (95 % interval)", "macro F1",
            "accepted", "wrong among the accepted", "trained on", "bytes")
    cards = [json.loads(path.read_text(encoding="utf-8"))
             for path in sorted(ADAPTERS.glob("*/card.json"))]
    return markdown(head, [_head_row(card) for card in cards])


def _head_row(card: dict[str, Any]) -> list[str]:
    accuracy, f1 = card["scores"]["accuracy"], card["scores"]["macro_f1"]
    limit = card["at_threshold"]
    data = "; ".join(f"{row['name']} ({row['licence']})" for row in card["data"])
    return [f"`{card['name']}`", card["task"], str(len(card["labels"])),
            f"{accuracy['value']:.3f} ({accuracy['low']:.3f} to {accuracy['high']:.3f}), "
            f"n = {card['scores']['n']:,}", f"{f1['value']:.3f}", f"{limit['coverage']:.1%}",
            f"{limit['error']:.1%}", data, f"{card['bytes']:,}"]


def recipes() -> str:
    """Every recipe that the gate has measured, by task."""
    return "\n".join(table.to_markdown() for table in (*recipe_tables(), *earlier()))


def measured(name: str, folder: Path = RESULTS) -> str:
    """The tables of a benchmark's last kept run, with its machine and date."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return f"Not measured yet: `python -m benchmarks.{name}`.\n"
    return Result.read(path).to_markdown()


TABLES: dict[str, Callable[[], str]] = {
    "models": models, "heads": heads, "recipes": recipes,
    **{name: partial(measured, name) for name in BENCHMARKS}}


def renewed(text: str) -> str:
    """The README's text with every marked table made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}{found[2]}{TABLES[found[1]]()}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    if parser.parse_args().write:
        README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    for name, make in TABLES.items():
        print(f"{name}\n\n{make()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
