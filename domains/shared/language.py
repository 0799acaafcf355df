"""The page's language: a value of the session, first the browser's, then the header's.

``LanguageRegistry`` knows every component property that has a text, and every view, and
sets them all anew in one event when the language changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.blocks import Block

from domains.shared.running import SKIP, View
from domains.shared.why import why_html

Property = Callable[[str], Any]


def browser_language(accept: str | None) -> str:
    """``zh`` or ``en`` from an Accept-Language header: the first of the two by weight."""
    ranked: list[tuple[float, int, str]] = []
    for place, item in enumerate((accept or "")[:500].split(",")):
        tag, _, weight = item.strip().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            quality = 0.0
        ranked.append((-quality, place, tag.strip().lower().partition("-")[0]))
    return next((tag for q, _, tag in sorted(ranked) if tag in ("en", "zh") and q < 0), "en")


@dataclass
class LanguageRegistry:
    """Filled while the page is built; read by the handlers of its language."""

    labels: dict[Block, dict[str, Property]] = field(default_factory=dict)
    views: list[tuple[Block, View, gr.State]] = field(default_factory=list)

    def label(self, component: Block, properties: Mapping[str, Property]) -> None:
        self.labels.setdefault(component, {}).update(properties)

    def view(self, component: Block, view: View, payload: gr.State) -> None:
        self.views.append((component, view, payload))

    @property
    def payloads(self) -> list[gr.State]:
        """The payload states that the views read, each once."""
        return list(dict.fromkeys(payload for _, _, payload in self.views))

    @property
    def outputs(self) -> list[Block]:
        return [*self.labels, *(component for component, _, _ in self.views)]

    def updates(self, lang: str, payloads: tuple[Any, ...]) -> list[Any]:
        """New values for ``outputs`` in one language."""
        values = dict(zip(self.payloads, payloads, strict=True))
        rows: list[Any] = [
            gr.update(**{name: text(lang) for name, text in properties.items()})
            for properties in self.labels.values()]
        for _, view, payload in self.views:
            shown = values[payload] or view is why_html  # the panel has words for nothing yet
            rows.append(gr.update(value=view(values[payload], lang)) if shown else SKIP)
        return rows
