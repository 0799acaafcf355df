"""Whether an adapter finds the right passage more often than the plain trunk.

``python -m benchmarks.matching --data ../shared/data [--adapter FOLDER]`` ranks passages by the
cosine of ``minilm-l6`` vectors, plain and with the adapter of FOLDER merged, as both are served:

- **lay questions, medical** (``tests/data/questions_lay.json``): among the beginnings of all
  answers of MedQuAD's held-out conditions, and among those of all conditions; a passage about an
  acceptable condition is right;
- **MedQuAD's own questions** of the held-out conditions: each to the beginning of its answer;
- **lay questions, bank** (``questions_lay_bank.json``), and the held-out Banking77 questions
  themselves: the nearest other held-out question must have the intent;
- **CLINC150**, of which nothing is trained on: the nearest training query has the intent;
- **the application's own questions**, through its whole retrieval (words, two encoders and
  cross-encoder; English), and by this encoder alone.

The rule, stated before anything was measured. The adapter is kept when (1) on the medical lay
questions, in both runs, the paired 95 % bootstrap interval of the gain in MRR lies above 0; (2) on
every other set of at least 1,000 questions the interval's lower end is above minus one point; and
(3) on every smaller set, whose interval is wider than that, the difference is not below 0. What
decides is MRR, and the nearest one's being right for intents.

``--dev`` measures the plain trunk and the adapter on what choices are made on instead:
``matching_dev.json``, conditions that are neither trained on nor held out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matching_scores import Measured, first_ranks, rows, shares, verdict
from benchmarks.report import Table
from benchmarks.retrieval import BASES, read, reciprocal_rank
from lepton_engine import Engine
from lepton_engine.adapted import merged_spec
from lepton_engine.catalog import Store, catalogue
from lepton_engine.device import choose_device
from lepton_engine.model import LeptonModel
from lepton_engine.results import Embeddings, Ranking
from lepton_engine.retrieval import KnowledgeBase
from lepton_engine.retrieval_index import PassageIndex
from lepton_engine.settings import Settings
from lepton_engine.training import data, matching_pairs

TRUNK = "minilm-l6"
BATCH = 512
PASSAGE_CHARACTERS = 600  # as in `compression.datasets.medquad`
DEV = Path(__file__).with_name("matching_dev.json")
HEAD = ("set", "n", "encoder", "recall@1", "recall@5", "recall@10", "MRR", "gain")
Embed = Callable[[Sequence[str]], np.ndarray]
#: Ranks of one set, made with one encoder.
Ranks = Callable[["Encoder"], np.ndarray]


class Encoder:
    """A trunk as it is served. Its vectors of many texts are kept in ``LEPTON_HOME``."""

    def __init__(self, model: LeptonModel, engine: Engine, key: str) -> None:
        self.model, self.engine, self._key = model, engine, key

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        digest = hashlib.sha256("\0".join([self._key, *texts]).encode()).hexdigest()
        return self.engine.cached_array(f"matching {digest}", lambda: np.concatenate(
            [self.model.embed(list(texts[start:start + BATCH])).vectors
             for start in range(0, len(texts), BATCH)]))

    def in_retrieval(self) -> InRetrieval:
        return InRetrieval(self)


class InRetrieval:
    """The engine as retrieval sees it, with this encoder in the place of the plain trunk."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def embed(self, texts: Sequence[str], model: str = TRUNK, *,
              recipe: str | None = None) -> Embeddings:
        if model == TRUNK:
            return self._encoder.model.embed(list(texts))
        return self._encoder.engine.embed(texts, model, recipe=recipe)

    def rerank(self, query: str, passages: Sequence[str]) -> Ranking:
        return self._encoder.engine.rerank(query, passages)


def passages_of(answers: Sequence[matching_pairs.Answer]) -> dict[str, set[str]]:
    """The beginnings of the answers, each once, with the conditions that they are about."""
    found: dict[str, set[str]] = {}
    for answer in answers:
        if text := matching_pairs.beginning(answer.text, PASSAGE_CHARACTERS):
            found.setdefault(text, set()).add(answer.focus)
    return found


def asked(questions: Sequence[dict[str, Any]], passages: dict[str, set[str]]) -> Ranks:
    """Lay questions: any passage about an acceptable condition is right."""
    right = shares([{f.lower() for f in row["focus"]} for row in questions],
                   list(passages.values()))
    return lambda embed: first_ranks(embed([row["question"] for row in questions]),
                                     embed(list(passages)), right)


def own_answers(answers: Sequence[matching_pairs.Answer], passages: dict[str, set[str]]) -> Ranks:
    """MedQuAD's questions, each once: the beginning of the own answer is right."""
    wanted: dict[str, set[str]] = {}
    for answer in answers:
        if text := matching_pairs.beginning(answer.text, PASSAGE_CHARACTERS):
            wanted.setdefault(answer.question, set()).add(text)
    right = shares(list(wanted.values()), [{text} for text in passages])
    return lambda embed: first_ranks(embed(list(wanted)), embed(list(passages)), right)


def intents(texts: Sequence[str], labels: Sequence[str], index: data.Labelled) -> Ranks:
    """Queries to the nearest query of the index; the same text is no answer to itself."""
    right = shares([{label} for label in labels], [{label} for label in index.labels])
    same = shares([{text} for text in texts], [{text} for text in index.texts])

    def ranks(embed: Encoder) -> np.ndarray:
        found = []
        vectors, own = embed(index.texts), embed(texts)
        for line in range(len(texts)):
            others = ~same[line]
            found.append(first_ranks(own[line:line + 1], vectors[others], right[line:line + 1,
                                                                               others])[0])
        return np.array(found)

    return ranks


def in_application(name: str, *, whole: bool) -> Ranks:
    """The English questions of a domain: the rank of the right article, by the whole search
    (of its ten best passages) or by this encoder's windows alone."""
    questions = [q for q in read(f"questions_{name}.json") if q["language"] == "en"]
    right = [{row["expected"], *row.get("also", [])} for row in questions]
    passages = [p for p in BASES[name][1]() if p.language == "en"]

    def searched(embed: Encoder) -> np.ndarray:
        base = KnowledgeBase(embed.in_retrieval(), passages)
        found = [base.search(row["question"], k=10).hits for row in questions]
        best = [reciprocal_rank([hit.passage.document for hit in hits], wanted)
                for hits, wanted in zip(found, right, strict=True)]
        return np.array([1 / value if value else np.inf for value in best])

    def alone(embed: Encoder) -> np.ndarray:
        index = PassageIndex(embed.in_retrieval(), passages)
        own = shares(right, [{passages[owner].document} for owner in index.owners])
        return first_ranks(embed([row["question"] for row in questions]), index.vectors(TRUNK), own)

    return searched if whole else alone


def bank(folder: Path, embed: Encoder) -> tuple[data.Labelled, data.Labelled]:
    """Banking77's part for choices and its held-out part, as `bank-intent` splits it."""
    found = data.banking(folder)
    split = matching_pairs.bank_split(found, embed)
    first, second = (data.Labelled([found.texts[i] for i in part], [found.labels[i] for i in part])
                     for part in (split.calibration, split.held_out))
    return first, second


def clinc(folder: Path) -> Ranks:
    """CLINC150's validation queries against its training queries."""
    found = json.loads((folder / "clinc150/train_val.json").read_text(encoding="utf-8"))
    texts, labels = zip(*found["val"], strict=True)
    index = data.Labelled(*map(list, zip(*found["train"], strict=True)))
    return intents(texts, labels, index)


Set = tuple[str, Ranks, str, bool]  # name, ranks, the measure that decides, whether it must gain


def judging_sets(folder: Path, plain: Encoder) -> list[Set]:
    answers = matching_pairs.read_answers(folder)
    held_out = [a for a in answers if matching_pairs.is_held_out(a.focus)]
    among, lay, lay_bank = (passages_of(held_out), read("questions_lay.json"),
                            read("questions_lay_bank.json"))
    _, index = bank(folder, plain)
    return [
        ("lay, medical; held-out conditions", asked(lay, among), "MRR", True),
        ("lay, medical; all conditions", asked(lay, passages_of(answers)), "MRR", True),
        ("MedQuAD's questions", own_answers(held_out, among), "MRR", False),
        ("lay, bank", intents([r["question"] for r in lay_bank], [r["intent"] for r in lay_bank],
                              index), "recall@1", False),
        ("Banking77, held out", intents(index.texts, index.labels, index), "recall@1", False),
        ("CLINC150", clinc(folder), "recall@1", False),
        *((f"{name}, {'whole search' if whole else 'encoder alone'}",
           in_application(name, whole=whole), "MRR", False)
          for name in ("medical", "customer_service") for whole in (True, False)),
    ]


def dev_sets(folder: Path, plain: Encoder) -> list[Set]:
    """What choices are made on."""
    answers = [a for a in matching_pairs.read_answers(folder)
               if matching_pairs.is_for_choices(a.focus)]
    lay = json.loads(DEV.read_text(encoding="utf-8"))
    index, _ = bank(folder, plain)
    return [("dev: lay, medical", asked(lay, passages_of(answers)), "MRR", True),
            ("dev: MedQuAD's questions", own_answers(answers, passages_of(answers)), "MRR", False),
            ("dev: Banking77", intents(index.texts, index.labels, index), "recall@1", False)]


def measure(sets: Sequence[Set], plain: Encoder, adapted: Encoder | None) -> list[Measured]:
    return [Measured(name, ranks(plain), None if adapted is None else ranks(adapted), main, gain)
            for name, ranks, main, gain in sets]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--adapter", type=Path, help="a folder with lora.safetensors and card.json")
    parser.add_argument("--dev", action="store_true", help="on what choices are made on")
    wish = parser.parse_args()
    store, choice = Store(Settings.from_env()), choose_device("cpu")
    with ExitStack() as held:
        engine = held.enter_context(Engine())

        def opened(spec: Any) -> Encoder:
            model = held.enter_context(LeptonModel.of_spec(spec, store, choice))
            return Encoder(model, engine, spec.digest)

        plain = opened(catalogue().resolve(TRUNK))
        adapted = opened(merged_spec(TRUNK, wish.adapter, store)) if wish.adapter else None
        sets = (dev_sets if wish.dev else judging_sets)(wish.data, plain)
        measured = measure(sets, plain, adapted)
    print(Table("Question matching, 95 % bootstrap intervals", HEAD,
                tuple(rows(measured))).to_markdown())
    if adapted is not None:
        kept, breaches = verdict(measured)
        print("The rule keeps the adapter." if kept else
              f"The rule does not keep the adapter: {'; '.join(breaches)}.")


if __name__ == "__main__":
    main()
