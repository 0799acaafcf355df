"""How far a pruned encoder comes back: recipes with recovery against 8 bits alone.

``python -m benchmarks.recovery --data ../shared/data`` fine-tunes the sentence encoder on two
thirds of TFNS (split by near-duplicate group), compresses that classifier by each recipe,
recovers it from itself on the same two thirds (and on texts made of them), turns it into int8,
and judges it on the last third, pairwise against the fine-tuned original. Every recipe is one
line of ``STUDY/rows.jsonl``, so the study goes on where it was stopped. ``--time`` measures the
speed of what is there, all in turns in one run: for a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recovery_task import SEED, Task, load_task, made_texts
from benchmarks.report import RESULTS, Result, Table, machine, spread, versions

RECIPES = (
    "int8",
    "prune-layers:0.34+distil:2+int8",
    "prune-layers:0.17+prune-neurons:0.5+distil:2+int8",
    "prune-neurons:0.5+distil:2+int8",
    "prune-layers:0.5+distil:2+int8",
    "prune-neurons:0.75+distil:2+int8",
    "prune-heads:0.25+prune-neurons:0.5+distil:2+int8",
    "low-rank:0.5+distil:2+int8",
    "prune-layers:0.34+low-rank:0.6+distil:2+int8",
)
MAX_LENGTH = 64
BATCH = 32
CALIBRATION = 300
ROUNDS = 5
TIMED = 2_000
MADE_TEXTS = 1.0  # as many made texts as real ones for the recovery


class Study:
    """The folder with the original, the variants and the rows."""

    def __init__(self, folder: Path, task: Task, epochs: float) -> None:
        from lepton_engine.catalog import Store, catalogue
        from lepton_engine.settings import Settings

        self.folder, self.task, self.epochs = folder, task, epochs
        folder.mkdir(parents=True, exist_ok=True)
        self.trunk = Store(Settings.from_env()).fetch(catalogue().resolve("minilm-l6"))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        from lepton_engine.subwords import open_vocabulary

        pieces = open_vocabulary(self.trunk, MAX_LENGTH).encode(list(texts), spans=False)
        return [list(piece.ids) for piece in pieces]

    def original(self) -> Any:
        """The fine-tuned classifier; trained once."""
        import torch
        from safetensors.torch import load_file, save_file

        from lepton_engine.training.finetune import Schedule, fine_tune, open_classifier

        torch.manual_seed(SEED)
        module = open_classifier(self.trunk, self.task.names)
        path = self.folder / "original.safetensors"
        if path.exists():
            module.load_state_dict(load_file(path))
            return module.eval()
        start = time.perf_counter()
        rows = self.ids(self.task.part(self.task.train))
        fine_tune(module, rows, self.task.truth[self.task.train],
                  Schedule(epochs=self.epochs, seed=SEED))
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, path)
        print(f"fine-tuned in {time.perf_counter() - start:.0f} s", flush=True)
        return module.eval()

    def rows(self) -> dict[str, dict[str, Any]]:
        path = self.folder / "rows.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return {row["recipe"]: row for row in map(json.loads, lines)}

    def add(self, row: dict[str, Any]) -> None:
        with (self.folder / "rows.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def guesses(model: Any, texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Class numbers (n,) of a loaded classifier."""
    return np.array([names.index(item.label) for item in model.predict(list(texts))])


def opened(folder: Path, study: Study, recipe: str) -> Any:
    """A converted classifier as the application runs one."""
    from lepton_engine.card import encoder_options
    from lepton_engine.catalog import catalogue
    from lepton_engine.model import LeptonModel
    from lepton_engine.runtimes.base import RuntimeInfo
    from lepton_engine.runtimes.openvino_encoder import XML, OpenVinoEncoder, read_signature
    from lepton_engine.session import EncoderSession
    from lepton_engine.subwords import open_vocabulary
    from lepton_engine.tasks import tasks_of

    spec = catalogue().resolve("minilm-l6")
    info = RuntimeInfo("minilm-l6+tfns", recipe, "openvino", "cpu", "bf16")
    runtime = OpenVinoEncoder(folder / XML, read_signature(folder), info)
    session = EncoderSession(runtime, open_vocabulary(study.trunk, MAX_LENGTH), MAX_LENGTH)
    options = encoder_options(spec.options, study.trunk)
    return LeptonModel(spec, runtime, tasks_of(session, spec.kind, options, ()), session)


def make(study: Study, recipe: str, original: Any, guess: Callable[[Any], np.ndarray],
         ) -> dict[str, Any]:
    """Compress, recover and convert by one recipe; what came of it."""
    from lepton_engine.compression import Recipe
    from lepton_engine.compression.apply import apply_steps, collate
    from lepton_engine.training.statistics import weighted_f1

    task, parsed, module = study.task, Recipe.parse(recipe), copy.deepcopy(original)
    texts = task.part(task.train)
    texts += made_texts(texts, int(MADE_TEXTS * len(texts)), SEED)
    batches = collate(texts, study.trunk, MAX_LENGTH, BATCH)
    truth, curve, start = task.truth[task.held_out], [], time.perf_counter()
    marks = iter(np.linspace(0, 1, 9))
    due = [next(marks)]

    def tell(stage: str, share: float | None) -> None:
        """Eight looks at the held-out part while it recovers: the curve, not a choice."""
        if stage.startswith("recovering") and share is not None and share >= due[0]:
            f1 = weighted_f1(truth, guess(module), len(task.names))
            curve.append({"share": round(share, 3), "weighted_f1": round(f1, 4)})
            print(f"  {recipe}: {share:.0%} recovered, {f1:.4f} "
                  f"({time.perf_counter() - start:.0f} s)", flush=True)
            due[0] = next(marks, 2.0)

    reports = apply_steps(module, parsed, batches, original=original, tell=tell, seed=SEED)
    after = weighted_f1(truth, guess(module), len(task.names))
    folder = study.folder / recipe.replace(":", "-")
    _convert(study, module, parsed, folder)
    return {"recipe": recipe, "curve": [*curve, {"share": 1.0, "weighted_f1": round(after, 4)}],
            "steps": [report.detail for report in reports],
            "parameters": sum(p.numel() for p in module.parameters()),
            "seconds": round(time.perf_counter() - start)}


def _convert(study: Study, module: Any, recipe: Any, folder: Path) -> None:
    import openvino as ov

    from lepton_engine.compression.calibration import encode, texts_as_mapping
    from lepton_engine.compression.quantise import quantise
    from lepton_engine.runtimes.openvino_encoder import XML, convert
    from lepton_engine.subwords import open_vocabulary

    folder.mkdir(exist_ok=True)
    convert(module, folder)
    if not recipe.number_format:
        return
    chosen = study.task.train[:: max(1, len(study.task.train) // CALIBRATION)]
    rows = texts_as_mapping(encode(open_vocabulary(study.trunk, MAX_LENGTH),
                                   study.task.part(chosen)), module.signature.type_ids)
    path = folder / XML
    graph = ov.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    ov.save_model(quantise(graph, recipe.number_format, rows).model, path, compress_to_fp16=False)


def judged(study: Study, recipe: str, before: np.ndarray) -> dict[str, Any]:
    """The gate's words on the converted variant."""
    from lepton_engine.compression.gate import judge

    with opened(study.folder / recipe.replace(":", "-"), study, recipe) as model:
        after = guesses(model, study.task.part(study.task.held_out), study.task.names)
    said = judge(before, after, study.task.truth[study.task.held_out], "weighted F1")
    return {"original": round(said.original, 4), "value": round(said.value, 4),
            "loss_points": round(said.loss_points, 2), "low": round(said.low, 2),
            "high": round(said.high, 2), "n": said.n, "decision": said.decision}


def study_quality(study: Study, recipes: Sequence[str]) -> None:
    """Make and judge every recipe that has no row yet."""
    from lepton_engine.compression import Recipe
    from lepton_engine.training.finetune import predict_logits

    held_out = study.task.part(study.task.held_out)
    original, ids = study.original(), study.ids(held_out)
    _convert(study, copy.deepcopy(original), Recipe(), study.folder / "original")
    with opened(study.folder / "original", study, "original") as model:
        before = guesses(model, held_out, study.task.names)
    for recipe in recipes:
        if recipe in study.rows():
            continue
        row = make(study, recipe, original, lambda m: predict_logits(m, ids).argmax(axis=1))
        row |= judged(study, recipe, before)
        row["date"] = datetime.now(UTC).date().isoformat()
        study.add(row)
        print(f"{recipe}: {row['value']:.4f} against {row['original']:.4f}, lost "
              f"{row['loss_points']} ({row['low']} to {row['high']}), {row['decision']}",
              flush=True)


def study_speed(study: Study) -> dict[str, list[float]]:
    """Texts a second of every variant, in turns: ROUNDS times the held-out part."""
    texts = study.task.part(study.task.held_out)[:TIMED]
    names = ["original", *study.rows()]
    models = {name: opened(study.folder / name.replace(":", "-"), study, name) for name in names}
    speeds: dict[str, list[float]] = {name: [] for name in names}
    for model in models.values():
        model.predict(texts[:200])
    for _ in range(ROUNDS):
        for name, model in models.items():
            start = time.perf_counter()
            model.predict(texts)
            speeds[name].append(len(texts) / (time.perf_counter() - start))
    for model in models.values():
        model.close()
    return speeds


def result(study: Study, speeds: dict[str, list[float]], seconds: float) -> Result:
    """Loss with interval, and the speed against 8 bits alone, round by round."""
    lines = []
    for recipe, row in study.rows().items():
        own = speeds.get(recipe, [])
        ratio = [a / b for a, b in zip(own, speeds.get("int8", []), strict=False)]
        curve = " ".join(f"{point['weighted_f1']:.3f}" for point in row["curve"])
        lines.append((f"`{recipe}`", f"{row['value']:.3f}", f"{row['loss_points']:.2f} "
                      f"({row['low']:.2f} to {row['high']:.2f})", row["decision"],
                      spread(own), spread(ratio), curve))
    n = next(iter(study.rows().values()))["n"]
    note = (f"Weighted F1 on {n:,} held-out texts; the fine-tuned original has "
            f"{next(iter(study.rows().values()))['original']:.3f}. Speed: {ROUNDS} rounds of "
            f"{TIMED:,} texts in turns, tokenising counted; the minutes above are those of the "
            "timing alone. The curve is the weighted F1 in floating point before, during and "
            "after the recovery; nothing was chosen by it.")
    head = ("recipe", "weighted F1", "lost, points (95 %)", "gate", "texts/s",
            "times int8 alone", "curve")
    return Result("recovery", (Table("Pruned classifiers that recover", head, tuple(lines), note),),
                  {"rows": study.rows(), "speeds": speeds}, versions(),
                  {"held_out": n, "rounds": ROUNDS}, machine(), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--study", type=Path, required=True, help="where it is kept")
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--epochs", type=float, default=4.0, help="of the original's fine-tuning")
    parser.add_argument("--time", action="store_true", help="measure the speed as well")
    given = parser.parse_args()
    study = Study(given.study, load_task(given.data), given.epochs)
    study_quality(study, given.recipes)
    start = time.perf_counter()
    done = result(study, study_speed(study) if given.time else {}, time.perf_counter() - start)
    if given.time:
        done.write(RESULTS)
    print(done.to_markdown())


if __name__ == "__main__":
    main()
