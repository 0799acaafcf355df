"""A linear head on frozen sentence vectors: softmax over labels, with a refusal.

``p = softmax((W v + b) / T)``: multinomial logistic regression with its temperature (Guo et
al. 2017, On Calibration of Modern Neural Networks). Where the card says so, a second linear
form tells whether a text is in the labels' scope at all. A head is a folder:
``head.safetensors``, ``card.json`` (facts, read here) and ``CARD.md`` (the same for people).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_engine.adapted import trunk_of
from lepton_engine.errors import DigestError, ModelUnavailableError
from lepton_engine.results import Classification, Embeddings, ResultList

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = "head.safetensors"
CARD = "card.json"
FORMAT = 1
ENERGY = "energy"


@dataclass(frozen=True, eq=False)
class Head:
    """``weight`` (labels, dimension), ``bias`` (labels,), both float32.

    ``scope_weight`` (dimension,) and ``scope_bias`` (1,) are None for a head without a
    trained refusal. ``threshold`` is compared with the score: the scope's log-odds, or the
    highest probability. A text below it is not accepted.
    """

    labels: tuple[str, ...]
    trunk: str
    weight: np.ndarray
    bias: np.ndarray
    temperature: float
    threshold: float
    energy: bool = False
    scope_weight: np.ndarray | None = None
    scope_bias: np.ndarray | None = None

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """(n, dimension) vectors to (n, labels) probabilities."""
        import numpy as np

        logits = (vectors @ self.weight.T + self.bias) / self.temperature
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exp / exp.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """What is compared with the threshold: (n,), higher is more certain."""
        if self.scope_weight is not None and self.scope_bias is not None:
            return vectors @ self.scope_weight + self.scope_bias[0]  # type: ignore[no-any-return]
        if self.energy:
            import numpy as np

            logits = vectors @ self.weight.T + self.bias
            most = logits.max(axis=1)
            return most + np.log(np.exp(logits - most[:, None]).sum(axis=1))  # type: ignore[no-any-return]
        return self.probabilities(vectors).max(axis=1)  # type: ignore[no-any-return]

    def classify(self, embeddings: Embeddings, name: str) -> ResultList[Classification]:
        """The label of each vector; the stamp names trunk and head."""
        variant = embeddings.stamp.variant
        if not self.trunk.endswith(f"+{name}"):  # a merged trunk says so by itself
            variant = variant.replace(self.trunk, f"{self.trunk}+{name}", 1)
        stamp = replace(embeddings.stamp, variant=variant)
        if not len(embeddings):
            return ResultList((), stamp)
        probabilities = self.probabilities(embeddings.vectors)
        scores = self.scores(embeddings.vectors)
        items = []
        for row, score in zip(probabilities, scores, strict=True):
            best = int(row.argmax())
            spread = {label: float(p) for label, p in zip(self.labels, row, strict=True)}
            items.append(Classification(self.labels[best], float(row[best]), spread, stamp,
                                        bool(score >= self.threshold), float(score)))
        return ResultList(tuple(items), stamp)


def save_head(head: Head, folder: Path, card: Mapping[str, Any]) -> None:
    """Write weights and card; the card carries the weights' sha256."""
    import numpy as np
    from safetensors.numpy import save

    tensors = {"weight": head.weight, "bias": head.bias}
    data = save({k: np.ascontiguousarray(v, dtype=np.float32) for k, v in tensors.items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(data)
    facts = {
        "format": FORMAT, "trunk": head.trunk, "labels": list(head.labels),
        "temperature": head.temperature, "threshold": head.threshold,
        "score_kind": ENERGY if head.energy else "probability",
        "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), **card,
    }
    (folder / CARD).write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n",
                               encoding="utf-8")


def load_head(folder: Path) -> Head:
    """Read a head; its weights are checked against the card before they are opened.

    Raises:
        DigestError: the weights are not those of the card.
        ModelUnavailableError: a file is missing or of another format.
    """
    from safetensors.numpy import load

    name = folder.name
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        data = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(
            f"The adapter {name} is not complete. Restore its folder, or train it again: "
            f"python -m lepton_engine train {name}") from error
    if hashlib.sha256(data).hexdigest() != card.get("sha256"):
        raise DigestError(f"The weights of the adapter {name} are damaged: their sha256 is not "
                          "the card's. Restore them, or train the adapter again: "
                          f"python -m lepton_engine train {name}")
    if card.get("format") != FORMAT:
        raise ModelUnavailableError(f"The adapter {name} has a format that this version does "
                                    "not know. Train it again.")
    tensors = load(data)
    if tensors["weight"].shape[0] != len(card["labels"]):
        raise ModelUnavailableError(f"The adapter {name} has {tensors['weight'].shape[0]} rows "
                                    f"for {len(card['labels'])} labels. Train it again.")
    return Head(tuple(card["labels"]), trunk_of(name, card), tensors["weight"], tensors["bias"],
                float(card["temperature"]), float(card["threshold"]),
                card.get("score_kind") == ENERGY,
                tensors.get("scope_weight"), tensors.get("scope_bias"))
