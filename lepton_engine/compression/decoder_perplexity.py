"""Perplexity of a converted decoder on held-out text: exact, in windows, in a child process.

The stateful graph is run by OpenVINO itself, with the precision that the worker has too. A
window of 512 ids starts with an empty cache and is read in chunks of 128, so that the logits
of a large vocabulary (128 x 152,000 float32) take 78 MB and not 300. No window overlaps
another, and the first id of each is given, not predicted: 511 predictions a window.

The text is none that any step looks at: introductions of films from Wikipedia (the data set
``films``, CC BY-SA) for English, the project's own knowledge bases for Chinese.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lepton_engine.errors import InputError, RuntimeFailure

if TYPE_CHECKING:
    import numpy as np

    from lepton_engine.catalog.store import Store
    from lepton_engine.chat import ChatTokenizer

log = logging.getLogger(__name__)

WINDOW = 512
CHUNK = 128
#: Windows by language: 12,264 predictions in all.
WINDOWS = {"en": 16, "zh": 8}
SOURCES = {
    "en": "introductions of films from Wikipedia (data set films, CC BY-SA)",
    "zh": "the project's Chinese knowledge bases",
}
_KNOWLEDGE = Path(__file__).resolve().parents[2] / "assets" / "knowledge"
_ROWS = 16  # of logits that are widened to float64 at once
IR = "openvino_model.xml"
NICENESS = 5  # as the decoder's worker: the page answers first


@dataclass(frozen=True)
class Window:
    """Ids of one window; ``number`` counts over all languages."""

    number: int
    language: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """The summed negative log-likelihood (nats) of a window's predictions."""

    window: int
    nll: float
    predictions: int


def held_out(store: Store, languages: Sequence[str]) -> dict[str, str]:
    """The texts by language, each in an order that no title's alphabet decides."""
    texts: dict[str, str] = {}
    if "en" in languages:
        texts["en"] = _joined(_films(store))
    if "zh" in languages:
        texts["zh"] = _joined(_chinese())
    return texts


def _films(store: Store) -> dict[str, str]:
    from lepton_engine.catalog import catalogue

    folder = store.fetch(catalogue().resolve("films"))
    texts: dict[str, str] = json.loads(
        (folder / "movie_summaries.json").read_text(encoding="utf-8"))
    return texts


def _chinese() -> dict[str, str]:
    texts: dict[str, str] = {}
    for row in json.loads((_KNOWLEDGE / "medical" / "zh.json").read_text(encoding="utf-8")):
        texts[row["name"]] = "\n".join(part["text"] for part in row["sections"].values())
    articles = (_KNOWLEDGE / "customer_service" / "zh.json").read_text(encoding="utf-8")
    texts.update({row["title"]: row["body"] for row in json.loads(articles)})
    return texts


def _joined(texts: dict[str, str]) -> str:
    ordered = sorted(texts, key=lambda title: hashlib.sha256(title.encode()).hexdigest())
    return "\n\n".join(f"{title}\n{texts[title]}" for title in ordered)


def windows(texts: dict[str, str], tokenizer: ChatTokenizer, *, counts: dict[str, int] = WINDOWS,
            size: int = WINDOW) -> tuple[Window, ...]:
    """The first windows of each text. Raises InputError where one is too short for them."""
    found: list[Window] = []
    for language, text in texts.items():
        # A token has rarely more than eight characters; the rest of the text is not needed.
        ids = tokenizer.encode_plain(text[:counts[language] * size * 12])
        if len(ids) < counts[language] * size:
            raise InputError(f"The held-out text ({language}) has {len(ids):,} tokens; "
                             f"{counts[language] * size:,} are needed.")
        for start in range(0, counts[language] * size, size):
            found.append(Window(len(found), language, tuple(ids[start:start + size])))
    return tuple(found)


def perplexity(folder: Path, wanted: Sequence[Window]) -> Generator[Measured, None, None]:
    """Each window as it is measured. Closing the generator ends the child.

    ``folder`` holds ``openvino_model.xml``, a stateful decoder as `decoder_export` writes it.

    Raises:
        RuntimeFailure: the child failed.
    """
    root = Path(__file__).resolve().parents[2]
    with TemporaryDirectory(prefix="lepton-perplexity-") as place:
        job = Path(place) / "job.json"
        job.write_text(json.dumps({"folder": str(folder.resolve()),
                                   "windows": [[w.number, w.ids] for w in wanted]}))
        command = [sys.executable, "-m", "lepton_engine.compression.decoder_perplexity", str(job)]
        with (Path(place) / "errors").open("w+b") as problems, \
                subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=problems,
                                 text=True) as child:
            try:
                yield from _heard(child)
            finally:
                if child.poll() is None:
                    child.kill()
            if child.returncode:
                problems.seek(0)
                log.warning("measuring the perplexity ended with %s:\n%s", child.returncode,
                            problems.read()[-4000:].decode(errors="replace"))
                raise RuntimeFailure("The perplexity could not be measured: the process that "
                                     f"runs the model ended with code {child.returncode}.")


def _heard(child: subprocess.Popen[str]) -> Iterator[Measured]:
    assert child.stdout is not None
    for line in child.stdout:
        yield Measured(**json.loads(line))
    child.wait()


def window_nll(request: Any, ids: Sequence[int], chunk: int = CHUNK) -> float:
    """Of one window, in nats, over its ``len(ids) - 1`` predictions; the state is reset."""
    import numpy as np

    request.reset_state()
    total = 0.0
    known = np.asarray(ids, dtype=np.int64)
    last = len(ids) - 1  # the last id is predicted, never read
    for start in range(0, last, chunk):
        end = min(start + chunk, last)
        logits = request.infer({
            "input_ids": known[None, start:end],
            "attention_mask": np.ones((1, end), dtype=np.int64),
            "position_ids": np.arange(start, end, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        })["logits"][0]
        total += _nll(logits, known[start + 1:end + 1])
    return total


def _nll(logits: np.ndarray, targets: np.ndarray) -> float:
    """Of logits (n, vocabulary) for targets (n,), summed in float64."""
    import numpy as np

    total = 0.0
    for start in range(0, len(targets), _ROWS):
        rows = logits[start:start + _ROWS].astype(np.float64)
        picked = rows[np.arange(len(rows)), targets[start:start + _ROWS]]
        top = rows.max(axis=1)
        total += float((top + np.log(np.exp(rows - top[:, None]).sum(axis=1)) - picked).sum())
    return total


def main(arguments: Sequence[str]) -> int:
    """In the child: read the job, print one JSON line a window."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; the pipe carries nothing but results
    os.nice(NICENESS)
    import openvino as ov

    job = json.loads(Path(arguments[0]).read_text())
    request = ov.Core().compile_model(str(Path(job["folder"]) / IR), "CPU").create_infer_request()
    for number, ids in job["windows"]:
        nll = window_nll(request, ids)
        out.write(json.dumps({"window": number, "nll": nll, "predictions": len(ids) - 1}) + "\n")
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
