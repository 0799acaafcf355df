"""The run over recipes of a language model: perplexity and grounded questions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from lepton_engine.catalog import Store, catalogue
from lepton_engine.compression.decoder_gate import METRIC
from lepton_engine.compression.decoder_measure import FORMAT, Bench, measure_decoder
from lepton_engine.compression.decoder_questions import digest
from lepton_engine.compression.measure import Doing
from lepton_engine.compression.opening import opening
from lepton_engine.compression.recipe import ORIGINAL
from lepton_engine.compression.rows import CompareRow
from lepton_engine.compression.sweep import Measuring, Sweep
from lepton_engine.compression.tasks import digest_of
from lepton_engine.settings import Settings
from lepton_engine.telling import silent

if TYPE_CHECKING:
    from lepton_engine.compression.compare import Runner


class DecoderSweep(Sweep):
    """Rows of `decoder_measure`, which keeps its own, finer ones as well."""

    def __init__(self, runner: Runner, name: str, resume: bool) -> None:
        spec = catalogue().resolve(name)
        store = Store(replace(Settings.from_env(), home=runner.home))
        self._resume = resume
        self._bench = Bench.of(spec, store, lambda recipe: runner.open(name, recipe, silent))
        marks = ["decoder", spec.digest, digest(self._bench.questions), FORMAT]
        super().__init__(runner, name, METRIC, digest_of(marks), resume)

    def prepare(self, held: ExitStack) -> Generator[Doing, None, None]:
        yield from self._converted(ORIGINAL)

    def measure(self, recipe: str) -> Measuring:
        steps = yield from self._converted(recipe)
        verdict = yield from measure_decoder(self._bench, recipe, resume=self._resume)
        return CompareRow.of(verdict, steps)

    def _converted(self, recipe: str) -> Generator[Doing, None, tuple[object, ...]]:
        """Have it converted where it can be watched and stopped; it is loaded anew later, as
        two language models at once are more than many machines hold."""
        with opening(lambda tell: self.runner.open(self.name, recipe, tell),
                     "converting and loading") as first:
            loaded = yield from first.waited()
            return tuple(getattr(loaded, "report", ()))
