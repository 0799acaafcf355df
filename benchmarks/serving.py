"""How the application serves: start, first answers, one chat alone, four chats and the page.

``python -m benchmarks.serving`` prints a Markdown table. The models must be in the store
(``make models``); the figures are of this machine and of nothing else running on it.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
PORT = 7893
ADDRESS = f"http://127.0.0.1:{PORT}/"
REPEATS = 5
FILLER = "The branch on the main street opens at nine and closes at five on working days. "


def median_and_range(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def wait_for(question: Callable[[], bool], seconds: float) -> float:
    """Seconds until the question is answered with yes."""
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        try:
            if question():
                return time.perf_counter() - start
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"nothing after {seconds} s")


def get() -> float:
    """Milliseconds of one GET /."""
    start = time.perf_counter()
    with urlopen(ADDRESS, timeout=30) as answer:
        answer.read()
    return (time.perf_counter() - start) * 1000


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


def resident_mb(pid: int) -> float:
    import psutil

    root = psutil.Process(pid)
    return sum(p.memory_info().rss for p in [root, *root.children(recursive=True)]) / 1e6


def application() -> list[tuple[str, str]]:
    """Rows about the whole application, from its start to four chats at once."""
    from gradio_client import Client

    environment = {**os.environ, "GRADIO_SERVER_PORT": str(PORT), "LEPTON_OFFLINE": "1"}
    process = subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=environment, cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page_s = wait_for(lambda: get() > 0, 120)
        client = Client(ADDRESS, verbose=False)
        start = time.perf_counter()
        client.predict("How do I activate my new card?", "", api_name="/customer_service")
        first_s = time.perf_counter() - start
        ready_s = page_s + wait_for(lambda: urlopen(ADDRESS + "readyz").status == 200, 120)
        rows = [("page answers after a start, s", f"{page_s:.3g}"),
                ("first customer service answer, asked at once, s", f"{first_s:.3g}"),
                ("all models loaded after at most, s", f"{ready_s + first_s:.3g}")]
        rows += _examples(client)
        times = page_under_chats(client, 4)
        rows.append((f"GET / while four texts are written, p95 of {len(times)}, ms",
                     f"{percentile(times, 0.95):.3g} (median {statistics.median(times):.3g})"))
        rows.append(("resident memory of all processes, MB", f"{resident_mb(process.pid):,.0f}"))
        return rows
    finally:
        process.terminate()
        process.wait(20)


def _examples(client: Any) -> list[tuple[str, str]]:
    cases = {
        "customer_service": ("What is the limit for contactless payments?", ""),
        "medical_qa": ("What can I do myself against hay fever?",),
        "financial_sentiment": (["Apple beats estimates", "Tesla recalls two million cars"],),
        "recommendation": (["Alien", "Blade Runner"], "", 10, 0.3),
        "text_studio": ("translate", "Your new card was sent today.", "zh"),
    }
    rows = []
    for name, arguments in cases.items():
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            client.predict(*arguments, api_name=f"/{name}")
            times.append(time.perf_counter() - start)
        rows.append((f"{name}, one call over the API, n = {REPEATS}, s",
                     median_and_range(times)))
    return rows


def one_chat() -> list[tuple[str, str]]:
    """Rows about Qwen 0.5B alone and in fours, from the engine."""
    from lepton_engine import Engine

    with Engine() as engine:
        engine.chat([{"role": "user", "content": "hello"}], max_new_tokens=4)
        speeds, first, variant = [], [], ""
        for n in range(REPEATS):
            reply = engine.chat([{"role": "user", "content": f"Write a story about whale {n}."}],
                                max_new_tokens=128)
            speeds.append(reply.stamp.tokens_per_second or 0.0)
            variant = reply.stamp.variant
            # The number comes first, so that no earlier prompt's prefix can be reused.
            long = f"{n} " + FILLER * 42 + "When does the branch open?"
            stamp = engine.chat([{"role": "user", "content": long}], max_new_tokens=4).stamp
            first.append((stamp.first_token_ms or 0.0) / 1000)
        return [
            (f"{variant}, one stream of 128 tokens, tokens/s, n = {REPEATS}",
             median_and_range(speeds)),
            (f"first token of a new prompt of about 770 tokens, s, n = {REPEATS}",
             median_and_range(first)),
            ("four streams of 128 tokens at once, tokens/s in sum", f"{_together(engine, 4):.3g}"),
        ]


def _together(engine: Any, streams: int) -> float:
    def run(number: int) -> None:
        reply = engine.chat([{"role": "user", "content": f"Write a story about ship {number}."}],
                            max_new_tokens=128)
        made.append(reply.stamp.tokens)

    made: list[int] = []
    threads = [threading.Thread(target=run, args=(n,)) for n in range(streams)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(made) / (time.perf_counter() - start)


def main() -> None:
    rows = one_chat() + application()
    print(f"\n{datetime.now(UTC).date()}, {platform.machine()}, {os.cpu_count()} processors, "
          f"Python {platform.python_version()}\n\n| what | measured |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
