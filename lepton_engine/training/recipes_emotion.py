"""``emotion`` and ``emotion-zh``: calm, confused, upset or urgent, for a chat with customers.

Both are heads on the vectors that retrieval computes of the same message anyway, so they cost
no pass through a trunk. The Chinese one learns from the English texts too, as its trunk puts
both languages into one space. There are few texts, and some were written as minimal pairs: the
scores are of cross-validation over clusters of like topic, so that a topic is never on both
sides, and the shipped head is then fitted on all rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lepton_engine.text import clean
from lepton_engine.training import data, fitting, statistics
from lepton_engine.training.heads import Head
from lepton_engine.training.making import OWN, Row, Trained, Trunk

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT / "assets" / "training" / "emotion.jsonl"
WRITTEN_APART = ROOT / "tests" / "data" / "emotion.json"
LABELS = ("calm", "confused", "upset", "urgent")
#: These change what the chat does, so each of them has to be right as often as all together.
ACTED_ON = ("upset", "urgent")
ACCEPTED_ERROR = 0.10
#: Chosen by the cross-validation below, from 1, 3, 10 and 30: the least loss in both languages.
STRENGTH = 3.0
TOPICS = 60
FOLDS = 5
#: Times that it is cut anew; a threshold from one cut alone depends much on that cut.
CUTS = 3


@dataclass(frozen=True, eq=False)
class Texts:
    """``judged`` are the rows in the head's own language; all of them are learned from."""

    texts: list[str]
    truth: np.ndarray
    judged: np.ndarray


def read(languages: Sequence[str] = ("en",)) -> data.Labelled:
    """The texts of this project in those languages, in the file's order."""
    rows = [row for row in map(json.loads, TEXTS.read_text(encoding="utf-8").splitlines())
            if row["language"] in languages]
    return data.Labelled([clean(row["text"]) for row in rows], [row["label"] for row in rows])


def _texts(own: str, others: Sequence[str]) -> Texts:
    parts = [read([language]) for language in (own, *others)]
    labels = [label for part in parts for label in part.labels]
    return Texts([text for part in parts for text in part.texts],
                 np.array([LABELS.index(label) for label in labels]),
                 np.arange(len(labels)) < len(parts[0].labels))


def english(_: Path, trunk: Trunk, seed: int) -> Trained:
    """On the English trunk, from the English texts."""
    return _make("en", (), trunk, seed)


def chinese(_: Path, trunk: Trunk, seed: int) -> Trained:
    """On the multilingual trunk, from the texts of both languages."""
    return _make("zh", ("en",), trunk, seed)


def _make(language: str, others: Sequence[str], trunk: Trunk, seed: int) -> Trained:
    rows = _texts(language, others)
    vectors = trunk(rows.texts)
    cuts = [unseen_logits(vectors, rows.truth, CUTS * seed + cut) for cut in range(CUTS)]
    truth = rows.truth[rows.judged]
    unseen = np.stack([logits[rows.judged] for logits, _ in cuts])
    temperature, threshold = calibrated(unseen, truth)
    linear = fitting.softmax_at(vectors, rows.truth, STRENGTH)
    head = Head(LABELS, trunk.name, linear.weight, linear.bias, temperature, threshold)
    facts = {
        "seed": seed, "regularisation_strength_C": STRENGTH,
        "split": {"by": "topic (clusters of like vectors) into five parts, each held out in turn, "
                        "with temperature and threshold from the other parts; the shipped head is "
                        "fitted on all rows. Of one part",
                  "groups": TOPICS, "train": len(rows.texts) - len(rows.texts) // FOLDS,
                  "calibration": len(truth) - len(truth) // FOLDS,
                  "held_out": len(truth) // FOLDS},
        **crossed(unseen, truth, cuts[0][1][rows.judged], seed), "score": "highest probability",
        "threshold_rule": f"at most {ACCEPTED_ERROR:.0%} of the accepted labels are wrong, and at "
                          f"most as many of those that say {' or '.join(ACTED_ON)}, in "
                          "cross-validation"}
    if apart := written_apart(head, language, trunk, seed):
        facts["written_apart"] = apart
    return Trained(head, facts)


def topics(vectors: np.ndarray, seed: int) -> np.ndarray:
    """A cluster number for each vector."""
    from sklearn.cluster import KMeans

    count = min(TOPICS, len(vectors))
    clusters = KMeans(count, n_init=4, random_state=seed).fit_predict(vectors)
    return clusters  # type: ignore[no-any-return]


def unseen_logits(vectors: np.ndarray, truth: np.ndarray, seed: int,
                  ) -> tuple[np.ndarray, np.ndarray]:
    """(n, labels) logits of a head that has seen no text of the row's topic, and the number of
    the part that the row was held out with."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    logits = np.zeros((len(truth), len(LABELS)), dtype=np.float32)
    parts = np.zeros(len(truth), dtype=int)
    for number, (train, test) in enumerate(folds.split(vectors, truth, topics(vectors, seed))):
        linear = fitting.softmax_at(vectors[train], truth[train], STRENGTH)
        logits[test] = vectors[test] @ linear.weight.T + linear.bias
        parts[test] = number
    return logits, parts


def calibrated(cuts: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Temperature, and the threshold at which few enough of the accepted are wrong.

    ``cuts`` (cuts, n, labels): the unseen logits of the same rows, cut several times.
    """
    logits, truth = cuts.reshape(-1, cuts.shape[-1]), np.tile(truth, len(cuts))
    temperature = fitting.fit_temperature(logits, truth)
    probabilities = _softmax(logits, temperature)
    sure, guess = probabilities.max(axis=1), probabilities.argmax(axis=1)
    kinds = [guess >= 0, *(guess == LABELS.index(label) for label in ACTED_ON)]
    return temperature, max(fitting.threshold_for_error(sure[kind], (guess == truth)[kind],
                                                        ACCEPTED_ERROR)
                            for kind in kinds if kind.any())


def crossed(cuts: np.ndarray, truth: np.ndarray, parts: np.ndarray, seed: int,
            ) -> dict[str, Any]:
    """Scores of the held-out rows of the first cut, whose ``parts`` these are; each part is
    calibrated by the other rows."""
    logits = cuts[0]
    probabilities = np.zeros_like(logits)
    taken = np.zeros(len(truth), dtype=bool)
    for part in range(FOLDS):
        own = parts == part
        temperature, threshold = calibrated(cuts[:, ~own], truth[~own])
        probabilities[own] = _softmax(logits[own], temperature)
        taken[own] = probabilities[own].max(axis=1) >= threshold
    right = probabilities.argmax(axis=1) == truth
    return {"scores": statistics.all_scores(probabilities, truth, LABELS, seed),
            "at_threshold": at_threshold(probabilities, truth, taken),
            "coverage_curve": statistics.coverage_curve(probabilities.max(axis=1), right)}


def at_threshold(probabilities: np.ndarray, truth: np.ndarray, taken: np.ndarray,
                 ) -> dict[str, Any]:
    """How many are accepted and how many of these are wrong; the same for each label."""
    guess = probabilities.argmax(axis=1)
    right = guess == truth
    by_label = {}
    for number, label in enumerate(LABELS):
        said = taken & (guess == number)
        by_label[label] = {"accepted": int(said.sum()),
                           "error": round(float(1 - right[said].mean()), 4) if said.any() else 0.0,
                           "found": round(float(said[truth == number].mean()), 4)}
    return {"n": len(truth), "coverage": round(float(taken.mean()), 4),
            "error": round(float(1 - right[taken].mean()), 4) if taken.any() else 0.0,
            "error_without_threshold": round(float(1 - right.mean()), 4), "by_label": by_label}


def written_apart(head: Head, language: str, trunk: Trunk, seed: int) -> dict[str, Any] | None:
    """The scores on the test set that somebody else wrote; nothing above has looked at it."""
    if not WRITTEN_APART.is_file():  # an installed program has no tests
        return None
    rows = [row for row in json.loads(WRITTEN_APART.read_text(encoding="utf-8"))
            if row["language"] == language]
    truth = np.array([LABELS.index(row["label"]) for row in rows])
    vectors = trunk([clean(row["text"]) for row in rows])
    probabilities = head.probabilities(vectors)
    return {"data": "tests/data/emotion.json, other topics and wording, another writer",
            "scores": statistics.all_scores(probabilities, truth, LABELS, seed),
            "at_threshold": at_threshold(probabilities, truth,
                                         head.scores(vectors) >= head.threshold)}


def _softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    one = np.eye(len(LABELS), dtype=np.float32)
    head = Head(LABELS, "", one, np.zeros(len(LABELS), np.float32), temperature, 0.0)
    return head.probabilities(logits)


METHOD = "multinomial logistic regression on frozen, mean-pooled sentence vectors"
ENGLISH = Row(
    english, (OWN,), "Emotion of an English message to a customer service",
    (("Trouble that is over is taken for trouble under way: called urgent, and is calm",
      "I lost my card last weekend and already blocked it. Please send a new one to my home "
      "address."),
     ("Quiet urgency without a word of haste is missed: called calm, and is urgent",
      "My only card is lost in the post and I've got no food in the house and no cash. I need "
      "something today, whatever it is."),
     ("Sarcasm is taken at its word: called calm, and is upset",
      "Lovely seat, right next to the toilet, with no window and no recline. Thank you ever so "
      "much"),
     ("“Not urgent” reads like urgent: called urgent, and is calm",
      "I've turned the whole flat upside down, but mine's gone. Nothing urgent, by post is fine."),
     ("Learned from texts of one writer in equal shares; in real chats calm is by far the most "
      "frequent, so that of the messages called urgent or upset more are wrong than here",
      "How do I cancel a direct debit in the app?")), METHOD)
CHINESE = Row(
    chinese, (OWN,), "Emotion of a Chinese message to a customer service",
    (("Trouble that is over is taken for trouble under way: called urgent, and is calm",
      "上回风控把我卡停了，去反诈中心开了证明，现在都恢复了，跟你们道个谢"),
     ("Irony is not heard: called confused, and is upset", "点差这么大，还好意思写“优惠汇率”"),
     ("Urgency told by its scene alone is missed: called calm, and is urgent",
      "月子中心卷款了，老板正往外搬东西，我昨天刷的四万八，能不能马上给拦着别结算"),
     ("“No hurry” reads like urgent: called urgent, and is calm",
      "充电头落在房间了，不值钱，下次出差过来再拿"),
     ("The trunk is weaker than the English one: at the same error more messages are refused",
      "图片上是大床房，进去是个鸽子笼，滤镜开太大了吧")),
    METHOD, "use-multilingual", ("zh",))
