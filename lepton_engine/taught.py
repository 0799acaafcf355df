"""Classifiers of a user's own: taught from examples, kept in one engine or in the user's file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lepton_engine.errors import InputError
from lepton_engine.profiles import PROFILES
from lepton_engine.telling import Tell, silent

if TYPE_CHECKING:
    from lepton_engine.fitted import Fitted
    from lepton_engine.results import Embeddings


class Teaching:
    """The calls of an `Engine` that teach and open classifiers."""

    embed: Any
    recipe_for: Any

    @cached_property
    def _taught(self) -> dict[str, Fitted]:
        """Those of this engine object, by name; nothing of them is on disk."""
        return {}

    def _names(self) -> Sequence[str]:
        """The names that are taken by what is shipped."""
        raise NotImplementedError

    def fit(self, name: str, texts: Sequence[str], labels: Sequence[str], *, seed: int = 0,
            tell: Tell | None = None, keep: bool = True) -> Fitted:
        """A classifier from labelled texts, 8 or more for each label, with cross-validated
        scores, confusion matrix and worst mistakes.

        English texts are read by the English trunk, others by the multilingual one. With
        ``keep``, ``classify(texts, name)`` works afterwards in this engine (an earlier one of
        that name is replaced); without it, nothing of it stays here. ``tell`` hears what is
        being done and may raise to stop it.

        Raises:
            InputError: a name that is taken or no name, fewer than two labels or 8 examples of
                one, empty rows, one text under two labels, a language that no trunk knows.
            LimitError: more than 5,000 rows, 100 labels or 4,000 characters in a text.
        """
        from lepton_engine.training.taught_file import checked_name
        from lepton_engine.training.teaching import teach

        own = checked_name(name)
        if own.casefold() in {taken.casefold() for taken in self._names()}:
            raise InputError(f"“{own}” is the name of something shipped. Choose another one.")
        fitted = teach(self._vectors_of, own, texts, labels, seed, tell or silent)
        if keep:
            self._taught[own] = fitted
        return fitted

    def open_fitted(self, data: bytes) -> Fitted:
        """A classifier from the bytes of `Fitted.to_bytes`. Nothing of it stays here.

        It runs on the variant of the trunk that it was taught on, where a profile uses that
        one here, else on the profile's: a file cannot make this machine convert models.

        Raises:
            InputError, LimitError: no such file, damaged, or too large.
        """
        from lepton_engine.fitted import Fitted
        from lepton_engine.results import Stamp
        from lepton_engine.training.taught_file import opened

        started = perf_counter()
        head, card = opened(data)
        ours = {"original", *(str(self.recipe_for(head.trunk, p)) for p in PROFILES)}
        recipe = card["recipe"] if card["recipe"] in ours else None
        stamp = Stamp(f"{head.trunk}+{card['name']}/{card['recipe']}", "", "",
                      (perf_counter() - started) * 1000)
        return Fitted(card["name"], head, card, stamp, (),
                      lambda texts, other: self._vectors_of(texts, head.trunk, other or recipe))

    def _vectors_of(self, texts: Sequence[str], trunk: str, recipe: str | None) -> Embeddings:
        found: Embeddings = self.embed(texts, trunk, recipe=recipe)
        return found
