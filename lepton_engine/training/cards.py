"""The card of an adapter: facts for programs in JSON, the same for people in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.training.heads import CARD
from lepton_engine.training.making import Row

if TYPE_CHECKING:
    from lepton_engine.compression.verdicts import Verdict

MARKDOWN = "CARD.md"
PACKAGES = ("numpy", "peft", "scikit-learn", "scipy", "torch", "transformers")
MEASURES = ("accuracy", "macro_f1", "weighted_f1")


def card_facts(name: str, row: Row, facts: Mapping[str, Any], *, trained_at: str, command: str,
               vectors: str, hours: float) -> dict[str, Any]:
    """Everything of a card but the weights' own facts."""
    return {
        "name": name, "task": row.task, "languages": list(row.languages),
        "method": row.method,
        "licence": "Apache-2.0 (weights of the adapter); the data's licences are named below",
        "data": [vars(source) for source in row.sources],
        "command": command, "trained_at": trained_at, "vectors": vectors,
        "hours": round(hours, 3),
        "versions": {p: version(p) for p in PACKAGES},
        "weaknesses": [{"what": what, "example": example} for what, example in row.weaknesses],
        **facts,
    }


def over_seeds(by_seed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and values of the held-out scores of several seeds, each on rows of its own."""
    found: dict[str, Any] = {"seeds": [int(seed) for seed in by_seed]}
    for name in MEASURES:
        values = [scores[name]["value"] for scores in by_seed.values()]
        found[name] = {"mean": round(sum(values) / len(values), 4), "values": values}
    values = [scores["expected_calibration_error"] for scores in by_seed.values()]
    found["expected_calibration_error"] = {"mean": round(sum(values) / len(values), 4),
                                           "values": values}
    return found


def _seeds(found: Mapping[str, Any]) -> list[str]:
    if len(found.get("seeds", ())) < 2:
        return []
    listed = "; ".join(f"{name.replace('_', ' ')} {row['mean']:.3f} "
                       f"({', '.join(f'{value:.3f}' for value in row['values'])})"
                       for name, row in found.items() if name != "seeds")
    return ["", f"Mean over the seeds {', '.join(map(str, found['seeds']))}, each with a split "
            f"of its own: {listed}."]


def _apart(found: Mapping[str, Any]) -> list[str]:
    """The scores on a test set that somebody else wrote."""
    if not found:
        return []
    scores, at = found["scores"], found["at_threshold"]
    return ["", f"On a test set written apart ({found['data']}; n = {scores['n']:,}): accuracy "
            f"{_value(scores['accuracy'])}, macro-F1 {_value(scores['macro_f1'])}, expected "
            f"calibration error {scores['expected_calibration_error']:.3f}; at the threshold it "
            f"answers {at['coverage']:.1%} and is wrong in {at['error']:.1%} of that. F1: "
            + ", ".join(f"{name} {row['value']:.3f}"
                        for name, row in scores["f1_per_class"].items()) + "."]


def with_gate(folder: Path, verdicts: Iterable[Verdict]) -> None:
    """Put what the gate said of an adapter's variants into both of its cards."""
    path = folder / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    card["gate"] = [{"recipe": v.recipe, "decision": v.decision, "metric": v.metric, "n": v.n,
                     "loss_points": round(v.loss_points, 3), "low": round(v.low, 3),
                     "high": round(v.high, 3), "times_one_text": round(v.speedup, 3),
                     "times_many_texts": round(v.texts_per_second / v.original_texts_per_second,
                                               3), "host": v.host, "date": v.date}
                    for v in verdicts]
    path.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    write_markdown(card, folder)


def _gate(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    return ["", "## After compression", "", "The gate's verdicts, on the held-out rows of all "
            "seeds together:", "", "| recipe | verdict | points lost (95 %) | n | times as fast, "
            "one text / many |", "|---|---|---|---|---|",
            *(f"| {r['recipe']} | {r['decision']} | {r['loss_points']:+.2f} ({r['low']:+.2f} to "
              f"{r['high']:+.2f}) | {r['n']:,} | {r['times_one_text']:.2f} / "
              f"{r['times_many_texts']:.2f} |" for r in rows)]


def _bytes(card: Mapping[str, Any]) -> int:
    return int(card["bytes"]) + int((card.get("lora") or {}).get("bytes", 0))


def _value(row: Mapping[str, float]) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def write_markdown(card: Mapping[str, Any], folder: Path) -> None:
    """``CARD.md`` beside the weights."""
    scores, at, split = card["scores"], card["at_threshold"], card["split"]
    lines = [
        f"# {card['name']}", "", f"{card['task']}. {card['method'].capitalize()} of "
        f"`{card['trunk']}`; {_bytes(card):,} bytes. Trained {card['trained_at']} with seed "
        f"{card['seed']} in {card['hours']:.2f} hours:", "", f"    {card['command']}", "",
        "## Data", "",
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
    lines += _seeds(card.get("over_seeds") or {})
    lines += _apart(card.get("written_apart") or {})
    for name, row in card.get("refused_out_of_scope", {}).items():
        lines.append(f"- Out of scope, {name}: {row['refused']:.1%} of {row['n']:,} refused.")
    lines += _gate(card.get("gate") or ())
    lines += ["", "## Per class (F1)", "", "| class | F1 |", "|---|---|",
              *(f"| {name} | {_value(row)} |" for name, row in scores["f1_per_class"].items()),
              "", "## Known weaknesses", "",
              *(f"- {w['what']}. Example: “{w['example']}”." for w in card["weaknesses"]), ""]
    (folder / MARKDOWN).write_text("\n".join(lines), encoding="utf-8")
