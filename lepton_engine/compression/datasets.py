"""Where the examples of a measurement come from: a folder of data, a file, the caller, or the
bundled texts. One function a source; each gives a task."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lepton_engine.adapted import JOINT
from lepton_engine.compression import agreement, tasks
from lepton_engine.compression.calibration import bundled_texts
from lepton_engine.errors import InputError, LimitError, UnknownNameError
from lepton_engine.text import clean

if TYPE_CHECKING:
    from lepton_engine.compression.compare import Runner
    from lepton_engine.training.data import Labelled

MOST_TEXTS = 20_000
#: Fewer texts have no ten nearest.
LEAST_TEXTS = 12
QUESTIONS = 3_200
PASSAGE_CHARACTERS = 600
DEFAULT_METRIC = "weighted F1"
SCORES_PAIRS = "cross-encoder"
GIVES_VECTORS = ("encoder", "multilingual-encoder")


@dataclass(frozen=True)
class Source:
    """The data behind an adapter: how they are read, and how its heads are fitted there.

    ``strength`` is the regularisation C that cross-validation chose for the shipped head.
    """

    read: Callable[[Path], Labelled]
    metric: str
    strength: float
    about: str


def _sources() -> dict[str, Source]:
    from lepton_engine.training import data

    return {
        "finance-sentiment": Source(data.financial_news, "weighted F1", 3.0,
                                    "Twitter Financial News Sentiment, training split"),
        "bank-intent": Source(data.banking, "accuracy", 30.0, "Banking77, training split"),
    }


def task_of(runner: Runner, name: str, texts: Sequence[str] | None = None,
            labels: Sequence[str] | None = None) -> tasks.Task:
    """A task of the caller's texts; without labels, agreement with the original.

    Raises:
        UnknownNameError, InputError: a name, texts or labels with which nothing can be measured.
    """
    kind = runner.kind(name)
    if kind not in ("adapter", SCORES_PAIRS, *GIVES_VECTORS):
        raise InputError(f"{name} cannot be measured on texts: that goes for adapters, sentence "
                         "encoders and cross-encoders.")
    if texts is None and labels is not None:
        raise InputError("There are labels without texts. Give both, or texts alone.")
    own = list(bundled_texts()) if texts is None else checked_texts(texts)
    about = f"{len(own):,} bundled texts" if texts is None else f"{len(own):,} texts of the caller"
    if labels is not None:
        return _labelled(runner, name, kind, own, labels, about)
    if kind == "adapter":
        return agreement.LabelAgreement(name, runner.head(name), own, about)
    if len(own) < LEAST_TEXTS:
        raise InputError(f"Without labels {name} is compared by the order of the nearest texts, "
                         f"which needs at least {LEAST_TEXTS} different ones.")
    if kind == SCORES_PAIRS:
        return agreement.OrderAgreement(name, own, about)
    return agreement.NeighbourAgreement(name, own, about)


def _labelled(runner: Runner, name: str, kind: str, texts: list[str], labels: Sequence[str],
              about: str) -> tasks.Task:
    if len(labels) != len(texts):
        raise InputError(f"There are {len(texts):,} texts and {len(labels):,} labels. Give one "
                         "label for each text.")
    names = sorted(set(labels))
    if kind == "adapter":
        head = runner.head(name)
        if unknown := [label for label in names if label not in head.labels]:
            some = ", ".join(head.labels[:5]) + (", …" if len(head.labels) > 5 else "")
            raise InputError(f"{len(unknown)} of the labels are none of {name}. It knows: {some}.")
        metric = _sources()[name].metric if name in _sources() else DEFAULT_METRIC
        return tasks.HeadTask(name, head, texts, labels, metric, about)
    if kind == SCORES_PAIRS:
        raise InputError(f"{name} judges pairs, for which labels of single texts say nothing. "
                         "Give texts alone.")
    rarest = min(names, key=list(labels).count)
    if len(names) < 2 or list(labels).count(rarest) < 2:
        raise InputError("To measure a sentence encoder with labels, give at least two labels, "
                         "each with at least two texts.")
    return tasks.FoldsTask(name, name, texts, labels, DEFAULT_METRIC, about)


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as they are measured. Raises InputError with what is wrong."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Sequence):
        raise InputError("Texts must be a list of str, even when there is only one.")
    if len(texts) > MOST_TEXTS:
        raise LimitError(f"At most {MOST_TEXTS:,} texts are compared; these are {len(texts):,}.")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"Text {number} is empty or no text.")
    if not texts:
        raise InputError("The list is empty. Give at least one text.")
    return [clean(text) for text in texts]


def task_from_folder(runner: Runner, name: str, folder: Path, *, learn: bool = False,
                     limit: int | None = None) -> tasks.Task:
    """The task on which a name is held to its limits, from a folder of data sets.

    ``learn``: half of the data is for the recipes to calibrate and recover on. ``limit`` takes
    fewer examples (then nothing is decidable), to see that all works.
    """
    kind, sources = runner.kind(name), _sources()
    if kind in GIVES_VECTORS:
        questions, passages = medquad(folder, limit or QUESTIONS)
        return tasks.RetrievalTask(name, questions, passages,
                                   "MedQuAD, each question to the beginning of its answer")
    if name not in sources:
        raise UnknownNameError.of("data set for the model", name, [*sources, "minilm-l6"])
    source = sources[name]
    head = runner.head(name)
    if JOINT in head.trunk and not learn:
        from lepton_engine.compression.folds import SeedsTask, folds_of

        return SeedsTask(name, head, folds_of(runner.home, name, head.labels, limit),
                         source.metric, source.about, runner.open_fold)
    rows = source.read(folder)
    kept = _some(len(rows.texts), limit)
    return tasks.FoldsTask(name, head.trunk, [rows.texts[i] for i in kept],
                           [rows.labels[i] for i in kept], source.metric, source.about,
                           strength=source.strength, learn=learn)


def _some(count: int, limit: int | None) -> list[int]:
    order = np.random.default_rng(0).permutation(count)[:limit or count]
    return sorted(order.tolist())


def medquad(folder: Path, count: int) -> tuple[list[str], list[str]]:
    """That many questions with the beginnings of their answers, drawn with a fixed seed; no
    question and no beginning twice."""
    path = folder / "medquad" / "medquad.jsonl.gz"
    if not path.is_file():
        raise InputError("medquad/medquad.jsonl.gz is not in the folder given by --data.")
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            question = " ".join(clean(row["question"]).split())
            passage = _beginning(" ".join(clean(row["answer"]).split()))
            if passage and seen.isdisjoint((question.lower(), passage)):
                pairs.append((question, passage))
                seen.update((question.lower(), passage))
    chosen = [pairs[index] for index in _some(len(pairs), count)]
    return [question for question, _ in chosen], [passage for _, passage in chosen]


def _beginning(text: str) -> str:
    return text if len(text) <= PASSAGE_CHARACTERS else text[:PASSAGE_CHARACTERS].rsplit(" ", 1)[0]


def read_csv(path: Path) -> tuple[list[str], list[str] | None]:
    """Texts, and labels where there are some: the columns ``text`` and ``label``, or without
    such a head line the first two. Raises InputError for a file that is no such table."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("The CSV file does not read. It must be UTF-8, with a text and, where "
                         "there is one, its label in each line.") from error
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    text, label = (head.index("text"), head.index("label") if "label" in head else -1) \
        if "text" in head else (0, 1 if len(head) > 1 else -1)
    body = rows[1:] if "text" in head else rows
    if not body or any(len(row) <= max(text, label) for row in body):
        raise InputError("The CSV file has no rows, or a row with too few columns. Each line "
                         "must have a text and, where there is one, its label.")
    texts = [row[text] for row in body]
    return texts, [row[label].strip() for row in body] if label >= 0 else None
