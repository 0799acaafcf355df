"""The running application, as a person's browser and a program see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.report import ROOT

PORT = 7917
ADDRESS = f"http://127.0.0.1:{PORT}/"
START_LIMIT_S = 900.0  # the first start under a profile converts models


def get(path: str = "") -> float:
    """Milliseconds of one GET."""
    start = time.perf_counter()
    with urlopen(ADDRESS + path, timeout=30) as answer:
        answer.read()
    return (time.perf_counter() - start) * 1000


def wait_for(question: Callable[[], bool], limit_s: float = START_LIMIT_S) -> None:
    """Until the question is answered with yes."""
    end = time.perf_counter() + limit_s
    while time.perf_counter() < end:
        try:
            if question():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"nothing after {limit_s:.0f} s")


class Application:
    """``app.py`` in a process of its own, under a profile; use it as a context."""

    def __init__(self, profile: str = "balanced") -> None:
        self._profile = profile
        self._environment = {**os.environ, "GRADIO_SERVER_PORT": str(PORT),
                             "LEPTON_OFFLINE": "1"}

    def __enter__(self) -> Application:
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serve", self._profile],
            env=self._environment, cwd=ROOT, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_for(self._page)
        self.page_s = self.since_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def since_start(self) -> float:
        return time.perf_counter() - self.started

    def _page(self) -> bool:
        if self._process.poll() is not None:
            raise SystemExit(f"app.py ended with code {self._process.returncode}; is port {PORT} "
                             "taken?")
        return get() > 0

    def wait_ready(self) -> float:
        """Seconds from the start until nothing is left to load."""
        wait_for(lambda: get("readyz") > 0)
        return self.since_start()

    def first_token(self, question: str, mark: str) -> float:
        """Seconds from the start to the first token of an answer on the page.

        Asks as the page does when Enter is pressed, and reads the stream that the page reads;
        ``mark`` is what the page shows before the first words that are being written.
        """
        for event in self._events(question):
            if mark in event:
                return self.since_start()
        raise SystemExit("the answer ended without a token of the language model")

    def _events(self, question: str) -> Iterator[str]:
        with urlopen(ADDRESS + "config", timeout=30) as answer:
            config = json.load(answer)
        session = uuid.uuid4().hex
        event = _asking(config)
        data = [question, *[None] * (len(event["inputs"]) - 1)]
        body = json.dumps({"data": data, "fn_index": event["id"], "session_hash": session,
                           "trigger_id": event["targets"][0][0]}).encode()
        join = Request(ADDRESS + "gradio_api/queue/join", body,
                       {"Content-Type": "application/json"})
        try:
            urlopen(join, timeout=30).close()
        except HTTPError as error:
            raise SystemExit(f"the page's event was refused: {error.read()[:300]!r}") from None
        stream = Request(f"{ADDRESS}gradio_api/queue/data?session_hash={session}")
        with urlopen(stream, timeout=120) as lines:
            for line in lines:
                text = line.decode()
                yield json.dumps(json.loads(text[5:]), ensure_ascii=False) if text.startswith(
                    "data:") else ""
                if '"process_completed"' in text:
                    return

    def memory_mb(self) -> dict[str, float]:
        """Of all its processes: resident in sum, and with shared pages counted once (PSS)."""
        import psutil

        root = psutil.Process(self._process.pid)
        every = [root, *root.children(recursive=True)]
        found = {"resident": sum(p.memory_info().rss for p in every) / 1e6,
                 "main process": root.memory_info().rss / 1e6, "processes": float(len(every))}
        proportional = [getattr(p.memory_full_info(), "pss", 0) for p in every]
        if all(proportional):
            found["proportional"] = sum(proportional) / 1e6
        return found


def _asking(config: dict[str, Any]) -> dict[str, Any]:
    """The event of Enter in the customer service's box."""
    kinds = {component["id"]: component["type"] for component in config["components"]}
    for event in config["dependencies"]:
        if (str(event.get("api_name")).startswith("customer_service_page")
                and event["targets"] and event["targets"][0][1] == "submit"
                and kinds.get(event["inputs"][0]) == "textbox"):
            found: dict[str, Any] = event
            return found
    raise SystemExit("the customer service's tab has no event for Enter")


def variants(stamp: dict[str, Any]) -> set[str]:
    """Which variants an answer of the API was made by."""
    return {part for part in str(stamp.get("variant", "")).split(" + ") if part}
