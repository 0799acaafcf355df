"""The language model beside its peers: ``python -m benchmarks.decoders [--quick]``.

qwen-0.5b, greedy, from the same prompt ids: one stream of free text, one stream of grounded
questions with their passages (the contenders in turn on each prompt), and 16 streams, each
with 200 prompt tokens of its own after a shared system prompt and 128 new tokens: all asked
at once, and one each second. Then how far its greedy text is that of a plain pipeline on the
same weights.
"""

from __future__ import annotations

import time

from benchmarks.command import Options, run
from benchmarks.decoder_prompts import Prompts
from benchmarks.decoder_rounds import Plan, Rounds
from benchmarks.decoder_tables import GENAI, LEPTON, LLAMA, LLAMA_SERVER, tables
from benchmarks.peers.process import Contender, Field, Process
from benchmarks.report import Result, machine, versions
from benchmarks.store import model_folder

MODEL = "qwen-0.5b"
RECIPES = ("int8",)  # what the gate chose
SEED = 20261123
SLOTS = 16
CONTEXT = 1024
QUICK = Plan(free=1, free_tokens=4, grounded=1, grounded_tokens=4, streams=2, stream_tokens=3,
             own_tokens=24, warm_tokens=2)


def lepton(recipe: str) -> Contender:
    return Contender(LEPTON.format(recipe), "decoders:Lepton", {"model": MODEL, "recipe": recipe})


def genai(recipe: str, loaded: Process) -> Contender | None:
    """OpenVINO GenAI on the IR that Lepton's own process says it has loaded."""
    folder = loaded.facts["folder"]
    return Contender(GENAI.format(recipe), "decoders:GenAi", {"folder": folder}) if folder else None


def llama(slots: int) -> Contender:
    gguf = next(model_folder(MODEL).glob("*.gguf"))
    return Contender(LLAMA if slots == 1 else LLAMA_SERVER, "decoders:LlamaCpp", {
        "gguf": str(gguf), "slots": slots, "context": 4096 if slots == 1 else CONTEXT}, peer=True)


def measure(options: Options) -> Result:
    plan = QUICK if options.quick else Plan()
    prompts = Prompts.load(MODEL, SEED)
    rounds = Rounds(plan, prompts, options.say)
    with Field(options.say) as field:
        for recipe in RECIPES:
            loaded = field.add(lepton(recipe))
            raw = genai(recipe, loaded) if loaded else None
            if raw:
                field.add(raw)
        field.add(llama(1))
        rounds.one_stream(field)
        used = field.versions()
    # Each alone: what waits for its turn would still hold memory that the others read past.
    for contender in (*(lepton(recipe) for recipe in RECIPES), llama(SLOTS)):
        with Field(options.say) as field:
            field.add(contender)
            rounds.many_streams(field)
            used |= field.versions()
    for recipe in RECIPES:
        with Field(options.say) as field:
            field.add(lepton(recipe))
            rounds.agreement(field)
    made, data = tables(rounds, RECIPES)
    n = {"free text prompts": plan.free, "grounded questions": plan.grounded,
         "streams": plan.streams}
    return Result("decoders", made, data, {**versions(), **used}, n, machine(),
                  time.perf_counter() - options.started, options.quick)


if __name__ == "__main__":
    raise SystemExit(run(measure, __doc__))
