"""The fast runtime of encoders on a processor: OpenVINO, converted once and kept."""

from __future__ import annotations

import functools
import json
import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov

from lepton_engine.errors import ModelUnavailableError, RuntimeFailure
from lepton_engine.runtimes.base import TEXT_OUTPUTS, TOKEN_OUTPUTS, RuntimeInfo
from lepton_engine.runtimes.checkpoint import Signature
from lepton_engine.runtimes.memory import release_pages, trim
from lepton_engine.runtimes.pooling import append_mean

if TYPE_CHECKING:
    from lepton_engine.runtimes.torch_encoder import EncoderModule

XML = "model.xml"
SIGNATURE = "signature.json"
#: Where a conversion needs properties of OpenVINO to run as meant, they lie beside it.
PROPERTIES = "compile.json"
#: Requests of one model that may be in flight. One computes with every core while another's
#: arrays are copied; more would only hold memory.
REQUESTS = 2
#: A single short text is filled up to a multiple of this many sub-words. A shape that was seen
#: before is computed faster than a new one, by more than the padding costs (quiet, two cores,
#: 13 to 35 sub-words: int8 2.9 ms as they come, 2.3 filled up; bf16 3.6 and 3.9 alone, 4.5 and
#: 3.9 beside other models).
WIDTH_STEP = 16
WIDEST_FILLED = 64
_TYPES = {"bf16": ov.Type.bf16, "fp16": ov.Type.f16, "fp32": ov.Type.f32}
_CLOSED = "The model was closed. Load it again."
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@functools.cache
def core() -> ov.Core:
    """One for the process: it holds the thread pools and the plug-in of the processor."""
    return ov.Core()


def convert(module: EncoderModule, folder: Path) -> None:
    """Write ``module`` as OpenVINO IR with dynamic batch and length, in fp32, and its signature.

    The example has padding and two rows, so that no branch for the special cases of one row
    or of a full mask is what gets traced.
    """
    import torch

    ids = torch.ones((2, 7), dtype=torch.int64)
    mask = torch.ones((2, 7), dtype=torch.int64)
    mask[1, 5:] = 0
    example = {"input_ids": ids, "attention_mask": mask}
    if module.signature.type_ids:
        example["token_type_ids"] = torch.zeros_like(ids)
    with torch.no_grad():
        model = ov.convert_model(module.eval(), example_input=example)
    names = [name for name in _INPUTS if name in example]
    for port, name in zip(model.inputs, names, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_element_type(ov.Type.i64)
        port.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
    for port, name in zip(model.outputs, module.signature.outputs, strict=True):
        port.get_tensor().set_names({name})
    model.validate_nodes_and_infer_types()
    ov.save_model(model, folder / XML, compress_to_fp16=False)
    (folder / SIGNATURE).write_text(module.signature.to_json(), encoding="utf-8")


def read_signature(folder: Path) -> Signature:
    """The signature that ``convert`` wrote."""
    return Signature.from_json((folder / SIGNATURE).read_text(encoding="utf-8"))


def properties(path: Path, precision: str) -> dict[str, Any]:
    """What the graph at ``path`` is compiled with.

    Threads are not pinned to cores: beside a decoder's process, pinned threads of both wait for
    each other (measured under load: batches took 2 to 5 times as long), and alone it gains nothing.

    Raises:
        ModelUnavailableError: the properties beside it cannot be read.
    """
    chosen: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _TYPES[precision],
                              "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    extra = path.with_name(PROPERTIES)
    if path.suffix != ".xml" or not extra.is_file():
        return chosen
    try:
        return {**chosen, **dict(json.loads(extra.read_text(encoding="utf-8")))}
    except (OSError, ValueError, TypeError) as error:
        raise ModelUnavailableError(f"The converted model's {PROPERTIES} cannot be read. "
                                    "Remove the model and fetch it again.") from error


class OpenVinoEncoder:
    """``EncoderRuntime`` over a compiled model; callers on several threads share requests.

    ``gives_mean``: the output ``mean_vector`` may be asked for.
    """

    def __init__(self, path: Path, signature: Signature | None, info: RuntimeInfo) -> None:
        model = core().read_model(path)
        inputs = {name for port in model.inputs for name in port.get_names()}
        self.signature = signature or Signature(
            outputs=tuple(port.get_any_name() for port in model.outputs),
            type_ids="token_type_ids" in inputs)
        self.gives_mean = append_mean(model)
        compiled = core().compile_model(model, "CPU", properties(path, info.precision))
        del model
        computed = compiled.get_property("INFERENCE_PRECISION_HINT")
        names = {kind: name for name, kind in _TYPES.items()}
        self.info = RuntimeInfo(info.model, info.recipe, info.runtime, info.device,
                                names.get(computed, str(computed)), info.note)
        self._inputs = _INPUTS if self.signature.type_ids else _INPUTS[:2]
        self.vocabulary_size = self.signature.vocabulary_size
        weights = path.with_suffix(".bin") if path.suffix == ".xml" else path
        self.memory_bytes = weights.stat().st_size
        self._requests: queue.LifoQueue[ov.InferRequest | None] = queue.LifoQueue()
        for _ in range(REQUESTS):
            self._requests.put(compiled.create_infer_request())
        self._open = True
        self._start(weights)

    def _start(self, weights: Path) -> None:
        """Compute once, which copies the weights into the order and precision that the processor
        wants, and let go of what was read. Raises RuntimeError where the graph does not run."""
        blank = np.zeros((2, 8), dtype=np.int64)
        given = dict.fromkeys(self._inputs, blank) | {"attention_mask": blank + 1}
        with self._request() as request:
            request.infer(given)
        release_pages(weights)
        trim()

    @contextmanager
    def _request(self) -> Iterator[ov.InferRequest]:
        request = self._requests.get()
        if request is None:
            self._requests.put(None)  # for the next one who waits
            raise RuntimeFailure(_CLOSED)
        try:
            yield request
        finally:
            if self._open:
                self._requests.put(request)

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray,
            token_type_ids: np.ndarray | None = None,
            outputs: Sequence[str] | None = None) -> Mapping[str, np.ndarray]:
        """See ``EncoderRuntime.run``; ``outputs`` limits what is copied out."""
        if not self._open:
            raise RuntimeFailure(_CLOSED)
        arrays: tuple[np.ndarray, ...] = (
            input_ids, attention_mask,
            np.zeros_like(input_ids) if token_type_ids is None else token_type_ids)
        length = input_ids.shape[1]
        wanted = self.signature.outputs if outputs is None else outputs
        if TEXT_OUTPUTS.union(TOKEN_OUTPUTS).issuperset(wanted):  # others have widths of their own
            arrays = self._filled(arrays)
        given = dict(zip(self._inputs, arrays, strict=False))
        with self._request() as request:
            try:
                request.infer({name: np.ascontiguousarray(array, dtype=np.int64)
                               for name, array in given.items()}, share_inputs=True)
            except RuntimeError as error:
                raise RuntimeFailure("OpenVINO could not compute this batch. Try again with "
                                     "fewer or shorter texts.") from error
            # Copied before the request goes back: its tensors are overwritten by the next call.
            return {name: self._own(name, request.get_tensor(name).data, length)
                    for name in wanted}

    def _filled(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """A single short text with masked padding up to a width that comes again."""
        rows, length = arrays[0].shape
        width = -(-length // WIDTH_STEP) * WIDTH_STEP
        widest = min(WIDEST_FILLED, self.signature.max_positions or WIDEST_FILLED)
        if rows != 1 or width == length or width > widest:
            return arrays
        return tuple(np.pad(array, ((0, 0), (0, width - length))) for array in arrays)

    @staticmethod
    def _own(name: str, data: np.ndarray, length: int) -> np.ndarray:
        """A copy in float32, without what `_filled` added."""
        return np.array(data[:, :length] if name in TOKEN_OUTPUTS else data, dtype=np.float32)

    def close(self) -> None:
        """Free the compiled model; calls in flight end as usual, later ones are refused."""
        self._open = False
        with self._requests.mutex:
            self._requests.queue.clear()
        self._requests.put(None)
