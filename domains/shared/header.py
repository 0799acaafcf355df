"""The header and each tab's waiting line: pure views of the engine's status."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock

from domains.shared.markup import escape, size
from domains.shared.texts import Texts
from lepton_engine.results import EngineStatus, LoadState

SECONDS_BETWEEN_TICKS = 5.0
SECONDS_WHILE_LOADING = 2.0


class StatusCache:
    """One status for all pages: asked of the engine at most once every ``seconds``."""

    def __init__(self, ask: Callable[[], EngineStatus], seconds: float = 1.0,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._seconds, self._clock = ask, seconds, clock
        self._lock = Lock()
        self._held: tuple[float, EngineStatus] | None = None

    def get(self) -> EngineStatus:
        with self._lock:
            now = self._clock()
            if self._held is None or now - self._held[0] >= self._seconds:
                self._held = (now, self._ask())
            return self._held[1]


def loading(status: EngineStatus) -> bool:
    """Whether anything is still on its way."""
    return any(model.state in ("waiting", "loading") for model in status.models)


def seconds_until_next(status: EngineStatus) -> float:
    return SECONDS_WHILE_LOADING if loading(status) else SECONDS_BETWEEN_TICKS


def header_html(status: EngineStatus | None, lang: str = "en") -> str:
    """One line: name, device and precision with the reason on hover, memory, loading.

    ``None``: the status could not be read.
    """
    say = Texts("page")
    name = f'<span class="lp-name">{escape(say(lang, "name"))}</span>'
    if status is None:
        facts = f'<span class="lp-fact lp-bad">{escape(say(lang, "header.lost"))}</span>'
        return f'<div class="lp-header">{name}<span class="lp-facts-line">{facts}</span></div>'
    device = say(lang, "header.device", device=status.device, precision=status.precision)
    facts = (f'<span class="lp-fact lp-hint" tabindex="0" title="{escape(status.reason)}">'
             f"{escape(device)}</span>"
             f'<span class="lp-fact">{escape(_memory(status, lang, say))}</span>')
    if status.queue:
        facts += f'<span class="lp-fact">{escape(say(lang, "header.queue", n=status.queue))}</span>'
    facts += _loading_fact(status, lang, say)
    return f'<div class="lp-header">{name}<span class="lp-facts-line">{facts}</span></div>'


def _memory(status: EngineStatus, lang: str, say: Texts) -> str:
    used = size(status.memory_bytes)
    if not status.budget_bytes:
        return say(lang, "header.memory_plain", used=used)
    return say(lang, "header.memory", used=used, budget=size(status.budget_bytes))


def _loading_fact(status: EngineStatus, lang: str, say: Texts) -> str:
    now = [m for m in status.models if m.state == "loading"]
    later = [m for m in status.models if m.state == "waiting"]
    failed = [m for m in status.models if m.state == "failed"]
    parts = []
    if now:
        share = now[0].progress
        parts.append(_loading_text(now[0], lang, say))
        if later or now[1:]:
            parts.append(say(lang, "header.waiting", n=len(later) + len(now) - 1))
    elif later:
        parts.append(say(lang, "header.waiting", n=len(later)))
    elif not failed:
        parts.append(say(lang, "header.ready" if status.models else "header.starting"))
    asleep = sum(m.state == "unloaded" for m in status.models)
    if asleep:
        parts.append(say(lang, "header.unloaded", n=asleep))
    if failed:
        parts.append(say(lang, "header.failed", n=len(failed)))
    kind = "lp-bad" if failed else "lp-busy" if now or later else "lp-good"
    bar = ""
    if now and share is not None:
        bar = f'<span class="lp-bar"><i style="width:{_percent(share)}%"></i></span>'
    detail = "; ".join(f"{m.key}: {m.detail}" for m in now + failed if m.detail)
    return (f'<span class="lp-fact {kind}" title="{escape(detail)}">'
            f'<span class="lp-dot" aria-hidden="true"></span>'
            f'{escape(" · ".join(parts))}{bar}</span>')


def _loading_text(model: LoadState, lang: str, say: Texts) -> str:
    if model.progress is None:
        return say(lang, "header.loading", name=model.key)
    return say(lang, "header.loading_progress", name=model.key, percent=_percent(model.progress))


def _percent(share: float) -> int:
    return round(max(0.0, min(1.0, share)) * 100)


def waiting_html(status: EngineStatus | None, needs: Sequence[str], lang: str = "en") -> str:
    """What a tab still waits for or cannot have; empty when all its models are there.

    A model that nobody has asked for yet is not waited for: it loads on first use.
    """
    if status is None:
        return ""
    say = Texts("page")
    listed = {model.name for model in status.models}
    states = [status.state_of(name) for name in needs if name in listed]
    lines = []
    failed = [m for m in states if m.state == "failed"]
    if failed:
        details = " ".join(dict.fromkeys(m.detail for m in failed if m.detail))
        said = say(lang, "waits.failed", names=_names(failed), detail=details)
        lines.append(f'<div class="lp-wait lp-failed" role="status"><span class="lp-icon" '
                     f'aria-hidden="true">!</span><span>{escape(said)}</span></div>')
    coming = [m for m in states if m.state in ("waiting", "loading")]
    if coming:
        said = say(lang, "waits.for", names=_names(coming))
        lines.append(f'<div class="lp-wait" role="status"><span class="lp-dot" '
                     f'aria-hidden="true"></span><span>{escape(said)}</span></div>')
    return "".join(lines)


def _names(models: Sequence[LoadState]) -> str:
    return ", ".join(m.name if m.progress is None or m.state == "failed"
                     else f"{m.name} ({_percent(m.progress)} %)" for m in models)
