"""The card of a head: facts for programs in JSON, the same for people in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lepton_engine.training.recipes import Row

MARKDOWN = "CARD.md"


def card_facts(name: str, row: Row, facts: Mapping[str, Any], *, trained_at: str, command: str,
               vectors: str) -> dict[str, Any]:
    """Everything of a card but the weights' own facts."""
    return {
        "name": name, "task": row.task, "languages": ["en"],
        "method": "multinomial logistic regression on frozen, mean-pooled sentence vectors",
        "licence": "Apache-2.0 (weights of the head); the data's licences are named below",
        "data": [vars(source) for source in row.sources],
        "command": command, "trained_at": trained_at, "vectors": vectors,
        "versions": {p: version(p) for p in ("numpy", "scikit-learn", "scipy")},
        "weaknesses": [{"what": what, "example": example} for what, example in row.weaknesses],
        **facts,
    }


def _value(row: Mapping[str, float]) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def write_markdown(card: Mapping[str, Any], folder: Path) -> None:
    """``CARD.md`` beside the weights."""
    scores, at, split = card["scores"], card["at_threshold"], card["split"]
    lines = [
        f"# {card['name']}", "", f"{card['task']}. {card['method'].capitalize()} of "
        f"`{card['trunk']}`; {card['bytes']:,} bytes. Trained {card['trained_at']} with seed "
        f"{card['seed']}:", "", f"    {card['command']}", "", "## Data", "",
        *(f"- {s['name']}, {s['licence']}. {s['citation']}." for s in card["data"]), "",
        f"Split by {split['by']}: {split['train']:,} to fit, {split['calibration']:,} to "
        f"calibrate, {split['held_out']:,} held out. No row of the data is in this folder.", "",
        "## Scores on the held-out part, with 95 % bootstrap intervals", "",
        "| measure | value |", "|---|---|",
        f"| accuracy | {_value(scores['accuracy'])} |",
        f"| macro-F1 | {_value(scores['macro_f1'])} |",
        f"| weighted F1 | {_value(scores['weighted_f1'])} |",
        f"| expected calibration error (15 bins) | {scores['expected_calibration_error']:.3f} |",
        "", f"Threshold {card['threshold']:.4f} on the {card['score']} "
        f"({card['threshold_rule']}): it answers {at['coverage']:.1%} of the held-out part and "
        f"is wrong in {at['error']:.1%} of that; without it, wrong in "
        f"{at['error_without_threshold']:.1%} (n = {at['n']:,}).",
    ]
    for name, row in card.get("refused_out_of_scope", {}).items():
        lines.append(f"- Out of scope, {name}: {row['refused']:.1%} of {row['n']:,} refused.")
    lines += ["", "## Per class (F1)", "", "| class | F1 |", "|---|---|",
              *(f"| {name} | {_value(row)} |" for name, row in scores["f1_per_class"].items()),
              "", "## Known weaknesses", "",
              *(f"- {w['what']}. Example: “{w['example']}”." for w in card["weaknesses"]), ""]
    (folder / MARKDOWN).write_text("\n".join(lines), encoding="utf-8")
