"""Encoders beside their peers: ``python -m benchmarks.encoders [--quick] [--out FOLDER]``.

all-MiniLM-L6-v2 on one sentence at a time and on 2,000 texts of 5 to 120 words, tokenising
counted, the same maximum length for all. The contenders take turns inside one run, and no
text is given twice to the same contender, so that no cache can help. The first run also makes
the peers' models.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.command import Options, run
from benchmarks.encoder_rounds import Entry, Plan, Rounds, Times
from benchmarks.peers import prepare
from benchmarks.peers.process import PREPARED, Contender, Field, Process, peer_python
from benchmarks.report import ROOT, Result, Table, machine, spread, versions
from benchmarks.store import model_folder
from benchmarks.texts import TextSource
from lepton_engine.text import three

SEED = 20261123
LEPTON = "Lepton {}"
PAUSE_S = 0.2
RECIPES = ("original", "int8-weights", "int8")
BASELINE = "transformers fp32, batches of 32 as they come"
CALIBRATION = ROOT / "assets" / "calibration" / "en.txt"
QUICK = Plan(texts=64, rounds=1, sentences=3, sentence_rounds=2)
NOTE = ("Ratios are medians over the rounds, each beside {baseline} in the same round. Cosine: "
        "1st percentile over all texts to that baseline's vectors. The peers of the sentence-"
        "transformers rows sort by length themselves, as Lepton does.")


def contenders(folder: Path, prepared: Path) -> list[Entry]:
    """All but those that need the IR which Lepton makes when it loads."""
    given = str(folder)
    quantised = prepare.ONNX_QUANTISED.format(prepare.onnx_configuration())
    rows = [Entry(Contender(BASELINE, "encoders:Transformers", {"folder": given}))]
    rows += [Entry(Contender(LEPTON.format(name), "encoders:Lepton", {"recipe": name}))
             for name in RECIPES]
    for name, file in (("fp32", "model.onnx"), ("dynamic int8", quantised)):
        rows.append(Entry(Contender(
            f"ONNX Runtime {name}, by length", "encoders:OnnxRuntime",
            {"folder": given, "onnx": str(prepared / "onnx" / "onnx" / file),
             "order": "by length"}, peer=True), slow=True, many=name == "fp32"))
    for name, backend, file, many in (
            ("torch fp32", "torch", "", False), ("onnx dynamic int8", "onnx", quantised, True),
            ("openvino", "openvino", "openvino_model.xml", True),
            ("openvino static int8", "openvino", prepare.OPENVINO_QUANTISED, True)):
        rows.append(Entry(Contender(
            f"sentence-transformers {name}", "encoders:SentenceTransformers",
            {"folder": str(prepared / backend), "backend": backend, "file_name": file},
            peer=True), many=many))
    return rows


def raw_openvino(folder: Path, loaded: Mapping[str, Process]) -> list[Entry]:
    """OpenVINO itself on the IR of each variant that Lepton's own processes say they loaded."""
    rows = []
    for recipe in RECIPES:
        process = loaded.get(LEPTON.format(recipe))
        converted = process.facts["folder"] if process else ""
        if converted:
            rows.append(Entry(Contender(
                f"OpenVINO itself, the IR of Lepton {recipe}, as they come", "encoders:OpenVino",
                {"folder": str(folder), "ir": str(Path(converted) / "model.xml"),
                 "order": "as they come"}), slow=True))
    return rows


def prepared_models(folder: Path) -> Path:
    """sentence-transformers' variants of the model, made on the first call."""
    texts = hashlib.sha256(CALIBRATION.read_bytes()).hexdigest()[:8]
    target = PREPARED / f"{folder.name}-{texts}"
    if not target.is_dir():
        PREPARED.mkdir(parents=True, exist_ok=True)
        subprocess.run([peer_python(), "-m", "benchmarks.peers.prepare", str(folder),
                        str(target), str(CALIBRATION)], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return target


def tables(rounds: Rounds) -> tuple[Table, ...]:
    """One for single sentences, one for many texts, and what could not take part."""
    base = rounds.times[BASELINE]
    one = tuple((name, spread(t.one_ms), three(times_faster(base.one_ms, t.one_ms)))
                for name, t in rounds.finished() if t.one_ms)
    many = tuple((name, three(t.texts_per_second(rounds.plan.texts)),
                  three(t.times_faster()), f"{t.cosine():.4f}", str(len(t.many_s)))
                 for name, t in rounds.finished() if t.many_s)
    n = rounds.plan.sentences * rounds.plan.sentence_rounds
    made = [
        Table(f"One sentence of 10 to 25 words, MiniLM, n = {n}",
              ("contender", "ms, median of the rounds (lowest to highest)",
               "times transformers fp32"), one),
        Table(f"{rounds.plan.texts:,} texts of 5 to 120 words, MiniLM",
              ("contender", "texts/s", "times transformers fp32", "cosine, 1st percentile",
               "rounds"), many, NOTE.format(baseline=BASELINE))]
    if rounds.field.failed:
        made.append(Table("Not available here", ("contender", "why"),
                          tuple(rounds.field.failed.items())))
    return tuple(made)


def times_faster(base: list[float], other: list[float]) -> float:
    """The median over rounds of base / other."""
    return Times.median([b / o for b, o in zip(base, other, strict=True)])


def measure(options: Options) -> Result:
    plan = QUICK if options.quick else Plan()
    folder = model_folder("minilm-l6")
    options.say("the peers' models")
    prepared = prepared_models(folder)
    with Field(options.say, PAUSE_S) as field:
        entries = [e for e in contenders(folder, prepared) if field.add(e.contender)]
        entries += [e for e in raw_openvino(folder, field.processes)
                    if field.add(e.contender)]
        rounds = Rounds(field, entries, TextSource.of_films(model_folder("films"), SEED), plan)
        rounds.warm()
        rounds.one_sentence(options.say)
        rounds.many_texts(BASELINE, options.say)
        used = {**versions(), **field.versions()}
    data = {name: asdict(times) for name, times in rounds.times.items()}
    n = {"texts": plan.texts, "rounds": plan.rounds,
         "sentences": plan.sentences * plan.sentence_rounds}
    return Result("encoders", tables(rounds), data, used, n, machine(),
                  time.perf_counter() - options.started, options.quick)


if __name__ == "__main__":
    raise SystemExit(run(measure, __doc__))
