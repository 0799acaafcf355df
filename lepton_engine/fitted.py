"""The result of ``Engine.fit``: a classifier of the user's own and what may be expected of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from lepton_engine.compression.recipe import Recipe
    from lepton_engine.results import Classification, Embeddings, ResultList, Stamp
    from lepton_engine.training.heads import Head


@dataclass(frozen=True)
class Mistake:
    """A text that was told wrongly while it was held out. ``row`` counts from 1 in the input;
    ``confidence`` is that of ``predicted``, ``probability`` that of the true ``label``."""

    row: int
    text: str
    label: str
    predicted: str
    confidence: float
    probability: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A head with its card. ``mistakes``, most confident first, are in no file: they are the
    user's texts, and a classifier that was opened again has none.

    Every score is of cross-validated predictions, near-duplicates kept together.
    """

    name: str
    head: Head
    card: Mapping[str, Any]
    stamp: Stamp
    mistakes: tuple[Mistake, ...] = ()
    embed: Callable[[Sequence[str], str | None], Embeddings] = field(
        repr=False, default=lambda texts, recipe: _unbound())

    @property
    def scores(self) -> Mapping[str, Any]:
        """n, accuracy, macro_f1, weighted_f1 and f1_per_class with 95 % intervals."""
        scores: Mapping[str, Any] = self.card["scores"]
        return scores

    @property
    def confusion(self) -> pd.DataFrame:
        """How often each label (rows) was told as each label (columns)."""
        import pandas as pd

        labels = list(self.head.labels)
        return pd.DataFrame(self.card["confusion"], index=pd.Index(labels, name="label"),
                            columns=pd.Index(labels, name="predicted"))

    @property
    def better_than_commonest(self) -> bool:
        """Whether the accuracy's whole interval lies above the commonest label's share."""
        return bool(self.scores["accuracy"]["low"] > self.scores["commonest"]["share"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a user must know; none where all is well."""
        return tuple(_notes(self.card, self.better_than_commonest))

    def classify(self, texts: Sequence[str], *, recipe: Recipe | str | None = None,
                 ) -> ResultList[Classification]:
        """The label of each text, on the trunk's variant that the scores were measured with."""
        return self.head.classify(self.embed(texts, None if recipe is None else str(recipe)),
                                  self.name)

    def to_frame(self) -> pd.DataFrame:
        """One row a label: F1 with its interval and the number of examples."""
        import pandas as pd

        return pd.DataFrame([{"label": label, "f1": row["value"], "low": row["low"],
                              "high": row["high"], "n": row["n"]}
                             for label, row in self.scores["f1_per_class"].items()])

    def to_figure(self) -> go.Figure:
        """The confusion matrix: the share of each label's texts, with counts on hover."""
        import plotly.graph_objects as go

        cells = self.confusion
        shares = cells.div(cells.sum(axis=1).clip(lower=1), axis=0)
        labels = [str(label) for label in cells.index]
        fig = go.Figure(go.Heatmap(
            z=shares.to_numpy(), x=labels, y=labels, zmin=0, zmax=1, customdata=cells.to_numpy(),
            colorscale="Blues", hovertemplate="%{y} → %{x}: %{customdata}<extra></extra>"))
        fig.update_layout(xaxis_title="predicted", yaxis_title="label", yaxis_autorange="reversed")
        return fig

    def to_text(self) -> str:
        scores = self.scores
        lines = [f"{self.name}: {len(self.head.labels)} labels on {self.head.trunk}, "
                 f"n = {scores['n']:,}, cross-validated"]
        lines += [f"  {title} {said(scores[key])}"
                  for key, title in (("accuracy", "accuracy"), ("macro_f1", "macro F1"))]
        lines += [f"  F1 of {label}: {said(row)}, n = {row['n']:,}"
                  for label, row in scores["f1_per_class"].items()]
        return "\n".join([*lines, *self.notes])

    def to_bytes(self) -> bytes:
        """A zip with head.safetensors, card.json and CARD.md; the same bytes for the same
        classifier, none of the texts. `Engine.open_fitted` reads it."""
        from lepton_engine.training.taught_file import packed

        return packed(self.head, self.card, self.notes)


def said(row: Mapping[str, float]) -> str:
    """A value with its interval."""
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _unbound() -> Embeddings:
    raise RuntimeError("This classifier was made without an engine.")


def _notes(card: Mapping[str, Any], better: bool) -> list[str]:
    examples, scores = card["examples"], card["scores"]
    found = []
    if not better:
        found.append(f"Not shown to be better than always answering “{scores['commonest']['label']}"
                     f"”, which would be right in {scores['commonest']['share']:.1%}.")
    if examples["one_group"]:
        found.append("All examples of a label are nearly the same text, so its scores say "
                     f"nothing: {', '.join(examples['one_group'][:5])}.")
    if examples["duplicates_dropped"]:
        found.append(f"{examples['duplicates_dropped']:,} exact duplicates were left out.")
    if examples["not_read"]:
        found.append(f"{examples['not_read']:,} of {examples['language_read']:,} texts are in a "
                     f"language that {card['trunk_name']} does not know.")
    return found
