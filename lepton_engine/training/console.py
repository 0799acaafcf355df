"""``python -m lepton_engine train finance-sentiment --data DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_engine.training.heads import save_head

if TYPE_CHECKING:
    import numpy as np

BATCH = 512
NAMES = ("bank-intent", "finance-sentiment")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = ("Fit a linear head on frozen sentence vectors and write it with its "
                          "card: the same command on the same data gives the same weights.")
    parser.add_argument("name", choices=NAMES, help="which head")
    parser.add_argument("--data", type=Path, required=True,
                        help="folder with tfns/, banking77/ and clinc150/")
    parser.add_argument("--out", type=Path, default=Path("assets/adapters"),
                        help="the head is written to OUT/NAME (default: assets/adapters)")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> int:
    from lepton_engine import Engine
    from lepton_engine.training.cards import card_facts, write_markdown
    from lepton_engine.training.recipes import HEADS, TRUNK

    row = HEADS[arguments.name]
    with Engine() as engine:
        def embed(texts: Sequence[str]) -> np.ndarray:
            return _embedded(engine, texts)

        trained = row.make(arguments.data, embed, arguments.seed)
        vectors = engine.embed(["x"], TRUNK).stamp
    folder = arguments.out / arguments.name
    command = f"python -m lepton_engine train {arguments.name} --data DIR --seed {arguments.seed}"
    card = card_facts(arguments.name, row, trained.facts, command=command,
                      trained_at=datetime.now(UTC).date().isoformat(),
                      vectors=f"{vectors.variant} in {vectors.precision}")
    save_head(trained.head, folder, card)
    import json

    write_markdown(json.loads((folder / "card.json").read_text(encoding="utf-8")), folder)
    print((folder / "CARD.md").read_text(encoding="utf-8"))
    return 0


def _embedded(engine: object, texts: Sequence[str]) -> np.ndarray:
    """The trunk's vectors of many texts, with progress on the error stream."""
    import numpy as np

    parts = []
    for start in range(0, len(texts), BATCH):
        parts.append(engine.embed(list(texts[start:start + BATCH]), "minilm-l6").vectors)  # type: ignore[attr-defined]
        print(f"\rvectors {min(start + BATCH, len(texts)):,} of {len(texts):,}", end="",
              file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return np.concatenate(parts)
