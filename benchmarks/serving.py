"""How the application serves: ``python -m benchmarks.serving [--quick]``.

Each endpoint over the API, one chat alone, four chats at once, and how soon the page answers
meanwhile. The models must be in the store (``make models``); the figures are
of this machine and of nothing else running on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.application import CASES
from benchmarks.command import Options, run
from benchmarks.live import ADDRESS, Application, get
from benchmarks.peers.process import in_threads
from benchmarks.report import Result, Table, machine, percentile, spread, versions
from lepton_engine.text import three

REPEATS = 5
CHATS = 4
FILLER = "The branch on the main street opens at nine and closes at five on working days. "
Row = tuple[str, str]


def page_under_chats(client: Any, chats: int) -> list[float]:
    """Milliseconds of GET / while so many long generations stream over the API."""
    jobs = [client.submit("generate", f"Write a story of 150 words about harbour number {n}.",
                          "en", api_name="/text_studio") for n in range(chats)]
    times = []
    while not all(job.done() for job in jobs):
        times.append(get())
        time.sleep(0.1)
    for job in jobs:
        job.result()
    return times


def over_the_api(repeats: int) -> list[Row]:
    """Rows about the whole application: each endpoint, and the page while texts are written."""
    from gradio_client import Client

    with Application() as app:
        app.wait_ready()
        client = Client(ADDRESS, verbose=False)
        rows = []
        for name, arguments in CASES.items():
            times = []
            for number in range(repeats + 1):
                start = time.perf_counter()
                client.predict(*arguments, api_name=f"/{name}")
                if number:  # the first call of each loads what only it needs
                    times.append(time.perf_counter() - start)
            rows.append((f"{name}, one call over the API, n = {repeats}, s", spread(times)))
        times = page_under_chats(client, CHATS)
        rows.append((f"GET / while four texts are written, p95 of {len(times)}, ms",
                     f"{three(percentile(times, 0.95))} (median "
                     f"{three(percentile(times, 0.5))})"))
        return rows


def one_chat(repeats: int, tokens: int) -> list[Row]:
    """Rows about the language model alone and in fours, from the engine."""
    from lepton_engine import Engine

    with Engine() as engine:
        engine.chat([{"role": "user", "content": "hello"}], max_new_tokens=4)
        speeds, first, variant = [], [], ""
        for n in range(repeats):
            reply = engine.chat([{"role": "user", "content": f"Write a story about whale {n}."}],
                                max_new_tokens=tokens)
            speeds.append(reply.stamp.tokens_per_second or 0.0)
            variant = reply.stamp.variant
            # The number comes first, so that no earlier prompt's prefix can be reused.
            long = f"{n} " + FILLER * 42 + "When does the branch open?"
            stamp = engine.chat([{"role": "user", "content": long}], max_new_tokens=4).stamp
            first.append((stamp.first_token_ms or 0.0) / 1000)
        return [
            (f"{variant}, one stream of {tokens} tokens, tokens/s, n = {repeats}",
             spread(speeds)),
            (f"first token of a new prompt of about 770 tokens, s, n = {repeats}",
             spread(first)),
            (f"four streams of {tokens} tokens at once, tokens/s in sum",
             three(_together(engine, CHATS, tokens))),
        ]


def _together(engine: Any, streams: int, tokens: int) -> float:
    """Tokens a second of so many chats at once; one that fails fails the benchmark."""
    made: list[int] = []

    def job(number: int) -> Callable[[], None]:
        asked = [{"role": "user", "content": f"Write a story about ship {number}."}]
        return lambda: made.append(engine.chat(asked, max_new_tokens=tokens).stamp.tokens)

    start = time.perf_counter()
    in_threads([job(number) for number in range(streams)])
    return sum(made) / (time.perf_counter() - start)


def measure(options: Options) -> Result:
    repeats, tokens = (1, 8) if options.quick else (REPEATS, 128)
    rows = one_chat(repeats, tokens)
    options.say("the engine alone: done")
    rows += over_the_api(repeats)
    table = Table("Serving", ("what", "measured"), tuple(rows),
                  "Median, and the range of n calls where n is given. Repeated calls reuse "
                  "cached prompts and vectors.")
    return Result("serving", (table,), dict(rows), versions(), {"repeats": repeats}, machine(),
                  time.perf_counter() - options.started, options.quick)


if __name__ == "__main__":
    raise SystemExit(run(measure, __doc__))
