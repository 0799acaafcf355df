"""The whole application: ``python -m benchmarks.application [--quick]``.

For each profile: a warm start up to the first token on the page, asked the moment the page
answers, and the memory of all processes once every default model is loaded and was used.
The store must be filled (``make models``); a start before the measured one
makes the variants that are missing.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.command import Options, run
from benchmarks.live import ADDRESS, Application, variants
from benchmarks.report import Result, Table, machine, versions
from domains.shared.texts import Texts
from lepton_engine.profiles import BALANCED, ORIGINAL
from lepton_engine.text import three

PROFILES = (BALANCED, ORIGINAL)
#: No question of how to do something: those begin with an article's steps, without the model.
QUESTION = "What is the limit for contactless payments?"
CASES: dict[str, tuple[Any, ...]] = {
    "customer_service": (QUESTION, ""),
    "medical_qa": ("What can I do myself against hay fever?",),
    "financial_sentiment": (["Apple beats estimates", "Tesla recalls two million cars"],),
    "recommendation": (["Alien", "Blade Runner"], "slow and eerie", 10, 0.3),
    "text_studio": ("translate", "Your new card was sent today.", "zh"),
}
CHINESE: dict[str, tuple[Any, ...]] = {
    "customer_service": ("我怎么激活新卡？", ""), "medical_qa": ("花粉过敏自己能做什么？",)}
NOTE = ("The first token is asked for on the page the moment it answers. Memory is measured "
        "after every model has answered, in English and Chinese; proportional: pages that "
        "processes share are counted once.")


def stamps_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Every stamp of an endpoint's answer: its own, or one a row."""
    rows = answer.get("rows") or [answer]
    return [row["stamp"] for row in rows if isinstance(row.get("stamp"), dict)]


def one_profile(profile: str, options: Options) -> dict[str, Any]:
    """Start under ``profile``, ask once, use everything, measure."""
    from gradio_client import Client

    if not options.quick:
        options.say(f"{profile}: a start that is not measured makes what is missing")
        with Application(profile) as app:
            app.wait_ready()
    with Application(profile) as app:
        first_s = app.first_token(QUESTION, Texts("customer_service")("en", "chat.draft"))
        ready_s = app.wait_ready()
        options.say(f"{profile}: first token after {first_s:.1f} s")
        client = Client(ADDRESS, verbose=False)
        served: set[str] = set()
        for cases in (CASES,) if options.quick else (CASES, CHINESE):
            for name, arguments in cases.items():
                answer = client.predict(*arguments, api_name=f"/{name}")
                for stamp in stamps_of(answer):
                    served |= variants(stamp)
        if profile == ORIGINAL and (other := {v for v in served if "/original@" not in v}):
            raise SystemExit(f"under the profile original served: {', '.join(sorted(other))}")
        time.sleep(1)
        memory = app.memory_mb()
    options.say(f"{profile}: {memory['resident']:,.0f} MB")
    return {"page_s": app.page_s, "first_token_s": first_s, "ready_s": ready_s,
            "memory_mb": memory, "variants": sorted(served)}


def measure(options: Options) -> Result:
    profiles = PROFILES[:1] if options.quick else PROFILES
    found = {profile: one_profile(profile, options) for profile in profiles}
    rows = [(title, *(three(pick(found[p])) for p in profiles)) for title, pick in (
        ("page answers after a start, s", lambda m: m["page_s"]),
        ("first token of the customer service after a start, s", lambda m: m["first_token_s"]),
        ("all models loaded at the latest after, s", lambda m: m["ready_s"]),
        ("resident memory of all processes, MB", lambda m: m["memory_mb"]["resident"]),
        ("the same, proportional, MB", lambda m: m["memory_mb"].get("proportional")),
        ("of it the main process, MB", lambda m: m["memory_mb"]["main process"]))]
    served = "; ".join(f"{p}: {', '.join(found[p]['variants'])}" for p in profiles)
    table = Table("The whole application, all default models loaded and used",
                  ("what", *profiles), tuple(rows), f"{NOTE} Served by {served}.")
    return Result("application", (table,), found, versions(), {"starts": 1}, machine(),
                  time.perf_counter() - options.started, options.quick)


if __name__ == "__main__":
    raise SystemExit(run(measure, __doc__))
