"""LeptonModel: one model of any kind behind ``load_pretrained_model`` and ``predict``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_engine.adapted import resolve
from lepton_engine.card import encoder_options, mask_token, max_length
from lepton_engine.catalog import Store
from lepton_engine.compression.recipe import Recipe
from lepton_engine.device import DeviceChoice, choose_device
from lepton_engine.encoding import plain_text
from lepton_engine.errors import InputError
from lepton_engine.inputs import Item, read_inputs
from lepton_engine.results import Embeddings, Ranking
from lepton_engine.runtimes.encoders import ConvertedStore, LoadedEncoder, load_encoder
from lepton_engine.session import EncoderSession
from lepton_engine.settings import Settings
from lepton_engine.subwords import open_vocabulary
from lepton_engine.tasks import ScoreTask, Task, VectorTask, logistic, tasks_of

if TYPE_CHECKING:
    from pathlib import Path

    from lepton_engine.catalog import ModelSpec, Report
    from lepton_engine.completing import Completer
    from lepton_engine.compression.report import StepReport
    from lepton_engine.runtimes.base import DecoderRuntime, RuntimeInfo


class LeptonModel:
    """An encoder, a classifier, a cross-encoder or a decoder, ready to predict.

    Make one with :meth:`load_pretrained_model`. Safe to call from several threads.

    Attributes:
        spec: the model's row of the catalogue. tasks: what ``predict`` does, the first unless
            the input is a pair (vectors, classify, score, fill-mask, next-sentence, complete).
    """

    def __init__(self, spec: ModelSpec, runtime: LoadedEncoder | DecoderRuntime,
                 tasks: Sequence[Task] = (), session: EncoderSession | None = None,
                 completer: Completer | None = None) -> None:
        self.spec = spec
        self._runtime = runtime
        self._tasks = tuple(tasks)
        self._session = session
        self._completer = completer

    @classmethod
    def load_pretrained_model(cls, name: str, *, device: str | DeviceChoice | None = None,
                              runtime: str | None = None, store: ConvertedStore | None = None,
                              progress: Report | None = None, recipe: Recipe | str = "",
                              texts: Sequence[str] | None = None) -> LeptonModel:
        """Load by alias, publisher's hub id, folder, or ``trunk+adapter``.

        Args:
            device: cuda, xla, mps or cpu; default: ``LEPTON_DEVICE``, else the fastest.
            runtime: openvino or torch; default: the device's first that can.
            store: where files and converted models are kept; default: ``LEPTON_HOME``.
            recipe: how it is compressed first; empty: it runs as published (a decoder: as it
                runs by default). texts: for calibration; default: the bundled ones.

        Raises:
            UnknownNameError, ModelUnavailableError (and its kinds), DeviceError, InputError.
        """
        choice = device if isinstance(device, DeviceChoice) else choose_device(device)
        place = Store(Settings.from_env()) if store is None else store
        return cls.of_spec(resolve(name, place, progress=progress), place, choice, runtime,
                           progress, recipe, texts)

    @classmethod
    def of_spec(cls, spec: ModelSpec, place: ConvertedStore, choice: DeviceChoice,
                runtime: str | None = None, progress: Report | None = None,
                recipe: Recipe | str = "", texts: Sequence[str] | None = None) -> LeptonModel:
        """The same for a spec that was found before."""
        if spec.kind == "decoder":
            return cls._load_decoder(spec, place, choice, runtime, progress, str(recipe))
        if spec.kind in ("spacy", "data"):
            raise InputError(f"{spec.alias} is no model that predicts. For its words use "
                             "Tokenizer.from_pretrained; for entities and data use the Engine.")
        wish = Recipe.parse(str(recipe))
        extra: dict[str, Any] = {"recipe": wish, "texts": texts} if wish else {}
        loaded = load_encoder(spec, place, choice, runtime, progress, **extra)
        return cls._of_encoder(spec, place.fetch(spec), loaded)

    @classmethod
    def _of_encoder(cls, spec: ModelSpec, folder: Path, runtime: LoadedEncoder) -> LeptonModel:
        options = encoder_options(spec.options, folder)
        signature = runtime.signature
        length = max_length(options, signature.max_positions)
        masks = (mask_token(folder),) if "mlm_logits" in signature.outputs else ()
        session = EncoderSession(runtime, open_vocabulary(folder, length, masks), length)
        return cls(spec, runtime, tasks_of(session, spec.kind, options, masks), session)

    @classmethod
    def _load_decoder(cls, spec: ModelSpec, store: Any, choice: DeviceChoice,
                      runtime: str | None, progress: Report | None,
                      recipe: str) -> LeptonModel:
        from lepton_engine.catalog.progress import Progress, silent
        from lepton_engine.completing import Completer
        from lepton_engine.runtimes.decoders import load_decoder

        report = progress or silent
        store.fetch(spec, report)
        decoder, tokenizer = load_decoder(
            spec, store, choice, runtime=runtime, recipe=recipe or None,
            tell=lambda what, share: report(Progress("convert", 0, 0, what)))
        return cls(spec, decoder, completer=Completer(decoder, tokenizer))

    # What it is

    @property
    def info(self) -> RuntimeInfo:
        return self._runtime.info

    @property
    def variant(self) -> str:
        """As in the stamps: ``minilm-l6/original@openvino:cpu``."""
        return self._runtime.info.variant

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("complete",) if self._completer else tuple(task.name for task in self._tasks)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes that the model reads; empty where nobody says."""
        return self.spec.languages

    @property
    def vocabulary(self) -> str:
        """sha256 of the vocabulary whose ids an encoder takes; empty for a decoder."""
        return self._session.vocabulary.digest if self._session else ""

    @property
    def max_length(self) -> int:
        """Sub-words with separators that are read of one text; the rest is cut off."""
        if self._session:
            return self._session.max_length
        return int(getattr(self._runtime, "context_length", 0))

    @property
    def memory_bytes(self) -> int:
        """Bytes of the weights that the runtime holds."""
        return self._runtime.memory_bytes

    @property
    def report(self) -> tuple[StepReport, ...]:
        """What each step of the recipe did; empty for an original."""
        return tuple(getattr(self._runtime, "report", ()))

    # What it does

    def predict(self, inputs: object, attention_mask: object = None, *,
                max_new_tokens: int | None = None) -> Any:
        """Predict on an Encoding, ids (batch, length), a text, a pair, or a list of these.

        One input gives one result, a list or an array a sequence of results with ``.stamp``
        and ``.to_frame()``. Which result: `VectorPrediction` (encoder without a head),
        `Classification`, `PairScore` (cross-encoder; takes pairs), `MaskPrediction` (the text
        has the model's mask, such as ``[MASK]``), `NextSentence` (pairs), `Completion`
        (decoder; ``max_new_tokens`` is 32 unless told).

        Raises:
            InputError: a wrong type or shape, an empty text, ids of another vocabulary.
        """
        if self._completer is not None:
            extra = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
            return self._completer.predict(inputs, attention_mask, **extra)
        if max_new_tokens is not None:
            raise InputError("max_new_tokens is for models that write; this one does not.")
        assert self._session is not None
        session = self._session
        positions = session.runtime.signature.max_positions
        items, single = read_inputs(
            inputs, attention_mask, vocabulary=session.vocabulary.digest,
            vocabulary_size=session.runtime.vocabulary_size or session.vocabulary.size,
            max_length=positions or session.max_length)
        task = self._task_for(items)
        kept, stamp = session.compute(
            items, task.outputs, lambda work, row: (work, task.reduce(work, row)),
            spans=task.name == "vectors")
        results = [task.result(work, value, stamp) for work, value in kept]
        return results[0] if single else task.collect(results, stamp)

    def _task_for(self, items: Sequence[Item]) -> Task:
        kinds = {"pair" if item.second is not None else "ids" if item.ids else "text"
                 for item in items}
        for task in self._tasks:
            if task.pairs == "either" or ("pair" in kinds) == (task.pairs == "only"):
                if "pair" in kinds and len(kinds) > 1:
                    raise InputError("A list must hold either pairs or single texts, not both.")
                return task
        if "pair" in kinds:
            raise InputError("This model reads one text at a time. Give a list, not a tuple, "
                             "to predict on several texts.")
        raise InputError("This model judges pairs. Give a tuple of two texts, such as "
                         "(query, passage), or a list of such tuples.")

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Pooled vectors: float32 (n_texts, dimension), of length 1.

        Raises:
            InputError: no list of texts, an empty text, or a model that has no vectors.
        """
        task = next((t for t in self._tasks if isinstance(t, VectorTask)), None)
        if task is None or self._session is None:
            raise InputError(f"{self.spec.alias} gives no vectors. Use an encoder without a head, "
                             "such as minilm-l6.")
        vectors, stamp = self._session.vectors(_texts(texts), task.pooled_outputs, task.pooled)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings((vectors / np.maximum(norms, 1e-12)).astype(np.float32), stamp,
                          tuple(texts))

    def rerank(self, query: str, passages: Sequence[str]) -> Ranking:
        """How well each passage answers the query; scores 0..1, ``order`` best first."""
        task = next((t for t in self._tasks if isinstance(t, ScoreTask)), None)
        if task is None or self._session is None:
            raise InputError(f"{self.spec.alias} does not judge pairs. Use a cross-encoder, "
                             "such as reranker.")
        question = plain_text(query)
        items = [Item(question, passage) for passage in _texts(passages)]
        logits, stamp = self._session.compute(items, task.outputs, task.reduce)
        order = sorted(range(len(logits)), key=lambda index: -logits[index])
        return Ranking(tuple(order), tuple(logistic(value) for value in logits), stamp)

    def close(self) -> None:
        """Free the weights; waiting and later calls are refused with a sentence."""
        if self._session is not None:
            self._session.close()
        self._runtime.close()

    def __enter__(self) -> LeptonModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _texts(texts: object) -> list[str]:
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Sequence):
        raise InputError("Texts must be a list of str, even when there is only one.")
    if not texts:
        raise InputError("The list is empty. Give at least one text.")
    return [plain_text(text) for text in texts]
