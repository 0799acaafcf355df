"""The encoder that an adapter is trained on, as a recipe needs it."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_engine.adapted import CARD, merged_spec, save_update
from lepton_engine.catalog import ModelSpec, Store, catalogue
from lepton_engine.device import choose_device
from lepton_engine.model import LeptonModel
from lepton_engine.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from lepton_engine.training.making import Embed

BATCH = 512


class OpenTrunk:
    """See `making.Trunk`; close it, as it keeps models loaded."""

    def __init__(self, name: str, adapter: str, settings: Settings | None = None) -> None:
        self.name, self.adapter = name, adapter
        self._store = Store(settings or Settings.from_env())
        self._choice = choose_device("cpu")
        self._spec = catalogue().resolve(name)
        self._held = ExitStack()
        self._plain: LeptonModel | None = None
        self.folder = self._store.fetch(self._spec)
        self.stamp = ""

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        if self._plain is None:
            self._plain = self._loaded(self._spec)
        return self._embedded(self._plain, texts)

    def updated(self, updates: Mapping[str, np.ndarray], scaling: float) -> Embed:
        """The vectors of the trunk with an update merged, as it will be served."""
        with tempfile.TemporaryDirectory(prefix="lepton-adapter-") as place:
            folder = Path(place) / self.adapter
            facts = save_update(updates, scaling, folder)
            (folder / CARD).write_text(json.dumps({"lora": facts}), encoding="utf-8")
            model = self._loaded(merged_spec(self.name, folder, self._store))
        return lambda texts: self._embedded(model, texts)

    def _loaded(self, spec: ModelSpec) -> LeptonModel:
        return self._held.enter_context(LeptonModel.of_spec(spec, self._store, self._choice))

    def _embedded(self, model: LeptonModel, texts: Sequence[str]) -> np.ndarray:
        import numpy as np

        parts = []
        for start in range(0, len(texts), BATCH):
            found = model.embed(list(texts[start:start + BATCH]))
            self.stamp = f"{found.stamp.variant} in {found.stamp.precision}"
            parts.append(found.vectors)
            self.tell("vectors", min(1.0, (start + BATCH) / len(texts)))
        return np.concatenate(parts)

    def tell(self, what: str, share: float) -> None:
        """Progress on the error stream."""
        print(f"\r{self.adapter}: {what}, {share:.0%}    ", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> OpenTrunk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
