"""``python -m lepton_engine train finance-sentiment --data DIR --seeds 0 1 2``."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.training.heads import CARD, save_head

if TYPE_CHECKING:
    from lepton_engine.training.making import Row, Trained

#: Below ``LEPTON_HOME``: one adapter a seed, each with the rows that it has not seen.
FOLDS = "folds"
HELD_OUT = "held_out.json"
NAMES = ("bank-intent", "emotion", "emotion-zh", "finance-sentiment", "question-matching")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = ("Train an adapter and write it with its card. Every seed holds out other "
                          "rows and is kept under LEPTON_HOME for the gate; the first one is "
                          "shipped.")
    parser.add_argument("name", choices=NAMES, help="which adapter")
    parser.add_argument("--data", type=Path, required=True,
                        help="folder with tfns/, banking77/ and clinc150/")
    parser.add_argument("--out", type=Path, default=Path("assets/adapters"),
                        help="the adapter is written to OUT/NAME (default: assets/adapters)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", type=int, metavar="SEED",
                        help="train this one of the seeds and ship nothing, so that several "
                             "processes can share the work")
    parser.add_argument("--reuse", action="store_true",
                        help="take seeds that the same command trained before as they are")


def run(arguments: argparse.Namespace) -> int:
    from lepton_engine.settings import Settings
    from lepton_engine.training import recipes_matching
    from lepton_engine.training.recipes import HEADS

    if arguments.name == recipes_matching.NAME:  # no head, so nothing that the others share
        return recipes_matching.run(arguments)
    name, row = arguments.name, HEADS[arguments.name]
    command = (f"python -m lepton_engine train {name} --data DIR --seeds "
               f"{' '.join(map(str, arguments.seeds))}")
    folds = Settings.from_env().home / FOLDS
    by_seed: dict[str, Any] = {}
    for seed in arguments.seeds if arguments.only is None else [arguments.only]:
        folder = folds / str(seed) / name
        if not (arguments.reuse and _made_by(folder) == command):
            _train(name, row, arguments.data, seed, command, folder)
        by_seed[str(seed)] = json.loads((folder / CARD).read_text(encoding="utf-8"))["scores"]
        print(f"\nseed {seed}: " + ", ".join(f"{key} {value['value']}" for key, value in
                                             by_seed[str(seed)].items() if key.endswith("f1")
                                             or key == "accuracy"), flush=True)
    if arguments.only is not None:
        return 0
    print(ship(name, folds / str(arguments.seeds[0]) / name, arguments.out / name, by_seed))
    return 0


def _made_by(folder: Path) -> str:
    """The command that trained what is in a folder; empty where nothing whole is."""
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return str(card["command"]) if (folder / HELD_OUT).is_file() else ""
    except (OSError, ValueError, KeyError):
        return ""


def _train(name: str, row: Row, data: Path, seed: int, command: str, folder: Path) -> None:
    from lepton_engine.training.cards import card_facts
    from lepton_engine.training.trunk import OpenTrunk

    started = time.monotonic()
    with OpenTrunk(row.trunk, name) as trunk:
        trained = row.make(data, trunk, seed)
        hours = (time.monotonic() - started) / 3600
        card = card_facts(name, row, trained.facts, command=command, hours=hours,
                          trained_at=datetime.now(UTC).date().isoformat(), vectors=trunk.stamp)
    write(trained, folder, card)


def write(trained: Trained, folder: Path, card: Mapping[str, Any]) -> None:
    """One adapter: head, update where there is one, card, and the rows it has not seen."""
    from lepton_engine.adapted import save_update

    facts = dict(card)
    if trained.updates is not None:
        facts["lora"] = save_update(trained.updates, trained.scaling, folder)
    save_head(trained.head, folder, facts)
    (folder / HELD_OUT).write_text(json.dumps(asdict(trained.held_out), ensure_ascii=False),
                                   encoding="utf-8")


def ship(name: str, source: Path, target: Path, by_seed: Mapping[str, Any]) -> str:
    """Copy an adapter to where it is served from, with what all seeds gave in its card; gives
    the card for people."""
    import shutil

    from lepton_engine.training.cards import MARKDOWN, over_seeds, write_markdown

    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.safetensors"):
        shutil.copyfile(path, target / path.name)
    card = json.loads((source / CARD).read_text(encoding="utf-8"))
    card["over_seeds"] = over_seeds(by_seed)
    (target / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n",
                               encoding="utf-8")
    write_markdown(card, target)
    return (target / MARKDOWN).read_text(encoding="utf-8")
