"""What the sentiment adapter learns from beside the tweets: texts written for this project.

Three kinds lie in ``assets/training``: headlines and sentences of reports; frames into which
figures are filled, where the direction of the figures decides; and headlines with several
companies, each labelled for itself, which become one text for each company (`marking.marked`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lepton_engine.marking import TARGET, marked

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "training"
ENTITIES = ("finance_entities.jsonl",
            *(f"finance_entities_{part}.jsonl" for part in range(2, 6)))
PERIODS = ("the third quarter", "the first half of 2019", "January-March", "the fiscal year",
           "the second quarter", "Q4", "2009", "the period")
_ADDRESS = re.compile(r"https?://\S+|www\.\S+")
_TICKER = re.compile(r"\$[A-Z]{1,5}\b")
_DIGIT = re.compile(r"\d")

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Written:
    """``texts`` and ``companies`` are (text, label); ``frames`` as in the file; ``names`` are
    companies to fill in."""

    texts: tuple[Pair, ...]
    companies: tuple[Pair, ...]
    frames: tuple[Mapping[str, Any], ...]
    names: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Written:
        rows = [row for name in ENTITIES for row in _lines(folder / name)]
        names = {e["name"] for row in rows for e in row["entities"] if e["name"][0] != "$"}
        return cls(tuple((r["text"], r["label"]) for r in _lines(folder / "finance_written.jsonl")),
                   tuple(pair for row in rows for pair in by_company(row)),
                   tuple(json.loads((folder / "finance_frames.json").read_text("utf-8"))),
                   tuple(sorted(names)))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def spans(text: str, name: str) -> list[tuple[int, int]]:
    """Where a name stands in a text, as (start, end)."""
    return [match.span() for match in re.finditer(re.escape(name), text)]


def by_company(row: Mapping[str, Any]) -> list[Pair]:
    """One marked text with its label for each company of a labelled headline."""
    text, found = row["headline"], []
    for entity in row["entities"]:
        others = [span for other in row["entities"] if other is not entity
                  for span in spans(text, other["name"])]
        found.append((marked(text, spans(text, entity["name"]), others), entity["label"]))
    return found


def tickers(texts: Sequence[str]) -> tuple[str, ...]:
    """Every cashtag of the texts, once."""
    return tuple(sorted({tag for text in texts for tag in _TICKER.findall(text)}))


def altered(text: str, tags: Sequence[str], draw: np.random.Generator) -> str:
    """A tweet with its address, its ticker or its figures changed, so that none of them tells
    the label: the ticker is marked, swapped, or left out."""
    if draw.random() < 0.6:
        text = _ADDRESS.sub("", text)
    chance = draw.random()
    if chance < 0.25:
        text = _TICKER.sub(TARGET, text, count=1)
    elif chance < 0.5:
        text = _TICKER.sub(lambda _: tags[int(draw.integers(len(tags)))], text)
    elif chance < 0.6:
        text = _TICKER.sub("", text).lstrip(" -:")
    if draw.random() < 0.2:
        text = _DIGIT.sub(lambda _: str(draw.integers(1, 10)), text)
    return text


def filled(frame: Mapping[str, Any], names: Sequence[str],
           draw: np.random.Generator) -> Pair | None:
    """A frame with figures, and the label that their direction gives; None where it has none."""
    up = frame["requires"] == "up" if frame["requires"] else bool(draw.random() < 0.5)
    label = frame["when_up" if up else "when_down"]
    if label is None:
        return None
    places = int(frame["decimals"])
    least, most = (0.1 if places else 2.0), (9.0 if places == 2 else 900.0)
    low = float(np.exp(draw.uniform(np.log(least), np.log(most))))
    small, large = (f"{value:,.{places}f}" for value in (low, low * (1 + draw.uniform(0.08, 0.9))))
    if small == large:
        return None
    earlier, later = (small, large) if up else (large, small)
    text = frame["frame"].replace("{a}", earlier).replace("{b}", later)
    text = text.replace("{company}", names[int(draw.integers(len(names)))])
    return text.replace("{period}", PERIODS[int(draw.integers(len(PERIODS)))]), label
