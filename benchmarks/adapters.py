"""Every adapter on what it has not seen: ``python -m benchmarks.adapters [--out FOLDER]``.

Per adapter: its own held-out split over all seeds (from its card), the same rows after
compression (from the gate's verdict on the recipe that ``balanced`` runs), and the sets that
were written apart from the training texts: sentences and headlines of other sources, headlines
with several companies, emotions. Nothing is trained here and no data folder is needed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import Options, run
from benchmarks.report import ROOT, Result, Table, machine, versions
from lepton_engine import Engine
from lepton_engine.adapted import ADAPTERS
from lepton_engine.compression.recipe import ORIGINAL
from lepton_engine.compression.verdicts import SHIPPED, Verdict, read_verdicts
from lepton_engine.profiles import BALANCED
from lepton_engine.training import statistics
from lepton_engine.training.finance_examples import by_company

SETS = ROOT / "tests" / "data"
SEED = 20261123
#: The measure that each adapter is held to, by the name of its score in the card.
MEASURES = {"finance-sentiment": "weighted_f1", "bank-intent": "accuracy"}
NAMES = {"weighted_f1": "weighted F1", "accuracy": "accuracy", "macro_f1": "macro F1"}


def cards(folder: Path = ADAPTERS) -> dict[str, dict[str, Any]]:
    """Every shipped adapter's card by name."""
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(folder.glob("*/card.json"))}


def span(row: Mapping[str, float]) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def held_out(found: Mapping[str, Mapping[str, Any]], shipped: Path = SHIPPED) -> Table:
    """The held-out splits, original and compressed."""
    rows = []
    for name, card in found.items():
        measure = MEASURES.get(name, "accuracy")
        seeds = (card.get("over_seeds") or {}).get(measure)
        mean = (f"{seeds['mean']:.3f} ({', '.join(f'{v:.3f}' for v in seeds['values'])})"
                if seeds else "")
        size = card["bytes"] + (card.get("lora") or {}).get("bytes", 0)
        rows.append((f"`{name}`", NAMES[measure], span(card["scores"][measure]),
                     f"{card['scores']['n']:,}", mean,
                     f"{card['scores']['expected_calibration_error']:.3f}", f"{size / 1e6:.2f}",
                     *_compressed(read_verdicts(name, None, shipped))))
    return Table("Adapters on their held-out splits",
                 ("adapter", "measure", "shipped seed (95 % interval)", "n",
                  "mean of the seeds (each)", "calibration error", "MB", "compressed as",
                  "then lost, points (95 % interval)", "n ", "times as fast, one text / many"),
                 tuple(rows),
                 "Each seed holds out other rows. Compressed: what the profile balanced runs, "
                 "judged on the rows of all seeds together.")


def _compressed(verdicts: Sequence[Verdict]) -> tuple[str, str, str, str]:
    from lepton_engine.profiles import chosen_verdict

    chosen = chosen_verdict(BALANCED, verdicts)
    if chosen is None:
        return (f"`{ORIGINAL}`", "", "", "")
    many = chosen.texts_per_second / chosen.original_texts_per_second
    return (f"`{chosen.recipe}`", f"{chosen.loss_points:+.2f} ({chosen.low:+.2f} to "
            f"{chosen.high:+.2f})", f"{chosen.n:,}", f"{chosen.speedup:.2f} / {many:.2f}")


def refusals(card: Mapping[str, Any]) -> Table:
    """Out-of-scope queries that ``bank-intent`` refuses."""
    at = card["at_threshold"]
    rows = [(name, f"{row['n']:,}", f"{row['refused']:.1%}")
            for name, row in card["refused_out_of_scope"].items()]
    return Table("What bank-intent refuses", ("queries of CLINC150", "n", "refused"), tuple(rows),
                 f"At its threshold it answers {at['coverage']:.1%} of its own held-out queries "
                 f"and is wrong in {at['error']:.1%} of these.")


def _rows(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((SETS / name).read_text(encoding="utf-8"))
    return rows


class Asked:
    """Answers of the engine under a recipe, as arrays."""

    def __init__(self, engine: Engine, recipe: str) -> None:
        self._engine, self._recipe = engine, recipe

    def __call__(self, texts: Sequence[str], adapter: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """(n, labels) probabilities, and the labels."""
        found = self._engine.classify(list(texts), adapter, recipe=self._recipe)
        labels = tuple(found[0].probabilities)
        return np.array([[c.probabilities[name] for name in labels] for c in found]), labels


Ask = Callable[[Sequence[str], str], tuple[np.ndarray, tuple[str, ...]]]


def scored(ask: Ask, adapter: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """All scores of labelled texts."""
    probabilities, labels = ask([text for text, _ in pairs], adapter)
    truth = np.array([labels.index(label) for _, label in pairs])
    return statistics.all_scores(probabilities, truth, labels, SEED)


def all_right(ask: Ask, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The share of headlines all of whose companies are labelled right, with its interval."""
    pairs = [by_company(row) for row in rows]
    probabilities, labels = ask([text for row in pairs for text, _ in row], "finance-sentiment")
    guesses = [labels[index] for index in probabilities.argmax(axis=1)]
    starts = np.cumsum([0, *(len(row) for row in pairs)])
    right = np.array([guesses[start:start + len(row)] == [label for _, label in row]
                      for start, row in zip(starts, pairs, strict=False)])
    return statistics.interval(statistics.accuracy, np.ones(len(right), int), right.astype(int), 2,
                               SEED)


def apart(ask: Ask, recipe: str) -> list[tuple[str, ...]]:
    """The sets that were written apart, one row each."""
    found: list[tuple[str, ...]] = []
    other = _rows("finance_other.json")
    for kind in ("headline", "report", "tweet", ""):
        pairs = [(r["text"], r["label"]) for r in other if kind in ("", r["kind"])]
        scores = scored(ask, "finance-sentiment", pairs)
        found.append((f"finance: {kind or 'all three'}", recipe, f"{len(pairs)}", "weighted F1",
                      span(scores["weighted_f1"]),
                      f"{scores['expected_calibration_error']:.3f}"))
    companies = _rows("headlines_entities.json")
    singles = [pair for row in companies for pair in by_company(row)]
    scores = scored(ask, "finance-sentiment", singles)
    found.append(("finance: each company of a headline", recipe, f"{len(singles)}", "accuracy",
                  span(scores["accuracy"]), f"{scores['expected_calibration_error']:.3f}"))
    found.append(("finance: all companies of a headline", recipe, f"{len(companies)}",
                  "all right", span(all_right(ask, companies)), ""))
    return found


def intents(engine: Engine, recipe: str) -> list[tuple[str, ...]]:
    """Bank questions in the words of people who know none of the intents' words."""
    rows = _rows("questions_lay_bank.json")
    found = engine.classify([row["question"] for row in rows], "bank-intent", recipe=recipe)
    right = np.array([c.label == row["intent"] for c, row in zip(found, rows, strict=True)])
    taken = np.array([c.accepted for c in found])
    rest = [("accuracy", right), ("accepted", taken), ("right among the accepted", right[taken])]
    return [("bank: questions in lay words", recipe, f"{len(values)}", what,
             span(statistics.interval(statistics.accuracy, np.ones(len(values), int),
                                      values.astype(int), 2, SEED)), "")
            for what, values in rest]


def emotions(engine: Engine) -> list[tuple[str, ...]]:
    """The emotion heads, where they are there, on the set written apart."""
    found = []
    for language, name in (("en", "emotion"), ("zh", "emotion-zh")):
        if not (ADAPTERS / name).is_dir():
            continue
        recipe = str(engine.recipe_for(name, BALANCED))
        pairs = [(r["text"], r["label"]) for r in _rows("emotion.json")
                 if r["language"] == language]
        scores = scored(Asked(engine, recipe), name, pairs)
        found.append((f"emotion, {language}", recipe, f"{len(pairs)}", "accuracy",
                      span(scores["accuracy"]), f"{scores['expected_calibration_error']:.3f}"))
    return found


def measure(options: Options) -> Result:
    started = time.perf_counter()
    known = cards()
    rows: list[tuple[str, ...]] = []
    with Engine() as engine:
        balanced = str(engine.recipe_for("finance-sentiment", BALANCED))
        for recipe in dict.fromkeys((ORIGINAL, balanced)):
            rows += apart(Asked(engine, recipe), recipe)
        for recipe in dict.fromkeys((ORIGINAL, str(engine.recipe_for("bank-intent", BALANCED)))):
            rows += intents(engine, recipe)
        rows += emotions(engine)
    tables = (held_out(known), refusals(known["bank-intent"]), Table(
        "Adapters on sets written apart from what they learned",
        ("set", "as", "n", "measure", "value (95 % interval)", "calibration error"), tuple(rows),
        "Written and labelled for this project by somebody who had seen none of the training "
        "texts; in tests/data."))
    return Result("adapters", tables, {"cards": {name: card["over_seeds"] for name, card in
                                                 known.items() if card.get("over_seeds")}},
                  versions(), {"sets": len(rows)}, machine(), time.perf_counter() - started,
                  options.quick)


if __name__ == "__main__":
    raise SystemExit(run(measure, __doc__))
