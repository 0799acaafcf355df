"""The Engine lab over an engine: each method is one section. No Gradio, no state of a person."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from domains.engine_lab import comparing, heat, lens, memory, sides
from domains.engine_lab.models import all_recipes, lab_model, one_recipe
from domains.engine_lab.outcome import (
    HeatOutcome,
    LabOutcome,
    LensOutcome,
    MemoryOutcome,
    SidesOutcome,
    Stage,
)
from domains.engine_lab.reading import SOURCES, examples
from domains.engine_lab.teaching import service as teaching
from domains.engine_lab.teaching.service import OwnOutcome, TaughtOutcome
from lepton_engine.errors import InputError
from lepton_engine.tokenizer import Tokenizer

RECORDED_INPUT = {"name": "finance-sentiment"}


def build(engine: Any) -> EngineLab:
    return EngineLab(engine)


class EngineLab:
    """What the tab does. Recipes come as texts and are read by `Recipe.parse`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def api(self, name: str = "finance-sentiment") -> LabOutcome:
        """What was measured for a model: every compressed variant with its verdict.

        Args:
            name: finance-sentiment, bank-intent, minilm-l6, reranker, qwen-0.5b, smollm2-135m.

        Raises:
            UnknownNameError: another name.
        """
        return self.stored(name)

    def stored(self, name: str, lang: str = "en") -> LabOutcome:
        """The verdicts that lie in the project and on this machine."""
        return comparing.stored(self._engine, lab_model(name), lang)

    def compare(self, name: str, picked: Sequence[str] | None, own: str = "",
                source: str = "bundled", typed: str = "", data: bytes | None = None,
                lang: str = "en", *, anew: bool = False,
                ) -> Generator[LabOutcome | Stage, None, None]:
        """Measure recipes against the original, row by row; closing it stops.

        Raises:
            InputError, LimitError, UnknownNameError: here, before anything is measured.
        """
        model = lab_model(name)
        if source not in SOURCES:
            raise InputError(f"`source` must be one of {', '.join(SOURCES)}.")
        recipes = all_recipes(picked, own)
        return comparing.measured(self._engine, model, recipes,
                                  examples(model, source, typed, data), lang, anew=anew)

    def side_by_side(self, name: str, recipe: str, text: str, lang: str = "en",
                     ) -> Generator[SidesOutcome | Stage, None, None]:
        """One text by the original and by a variant."""
        return sides.compared(self._engine, lab_model(name), one_recipe(recipe),
                              sides.checked_text(text), lang)

    def lens(self, text: str, lang: str = "en") -> LensOutcome:
        """One text by three tokenizers."""
        return lens.cut(text, self._tokenizer, lang)

    def attention(self, name: str, recipe: str, text: str, lang: str = "en",
                  ) -> Generator[HeatOutcome | Stage, None, None]:
        """Attention of an encoder, original and variant."""
        model = lab_model(name)
        if model.kind != "encoder":
            raise InputError("Attention is drawn for an encoder: pick minilm-l6.")
        return heat.looked(self._engine, model.name, one_recipe(recipe),
                           sides.checked_text(text), lang)

    def panel(self, lang: str = "en") -> MemoryOutcome:
        """What is loaded now."""
        return memory.panel(self._engine, lang)

    def loaded_keys(self) -> list[str]:
        """What can be unloaded now."""
        return memory.loaded_keys(self._engine)

    def load(self, name: str, recipe: str, lang: str = "en",
             ) -> Generator[MemoryOutcome | Stage, None, None]:
        """Load a variant; then the panel."""
        return memory.load(self._engine, lab_model(name).name, str(one_recipe(recipe)), lang)

    def unload(self, key: str, lang: str = "en") -> MemoryOutcome:
        """Give back the memory of one variant; then the panel."""
        if not isinstance(key, str) or not key:
            raise InputError("Pick what to unload; nothing is picked.")
        return memory.unload(self._engine, key, lang)

    def teach(self, name: str, source: str, pasted: str, data: bytes | None, lang: str = "en",
              ) -> Generator[TaughtOutcome | Stage, None, None]:
        """A classifier from a person's own rows; closing it stops. Nothing of it stays here."""
        return teaching.taught(self._engine, name, source, pasted, data, lang)

    def own_text(self, taught: Mapping[str, Any] | None, text: str, lang: str = "en") -> OwnOutcome:
        """One text by the classifier of ``taught``, the payload of `teach`."""
        return teaching.own_text(self._engine, taught, text, lang)

    def _tokenizer(self, name: str) -> Tokenizer:
        return Tokenizer.from_pretrained(name, store=getattr(self._engine, "store", None))
