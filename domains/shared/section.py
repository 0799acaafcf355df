"""A section: a part of a tab with inputs, a status line and a payload of its own.

It is built with like a `Page`; errors stand under its own inputs, and its views are drawn
from its own payload, anew when the language changes.
"""

from __future__ import annotations

import gradio as gr

from domains.shared.page import Page


class Section(Page):
    """Made inside the column that it fills, ``body``; `finish` is called when it is wired."""

    def __init__(self, page: Page, name: str, body: gr.Column) -> None:
        self.slug = f"{page.slug}_{name}"
        self.lang, self.session, self.registry = page.lang, page.session, page.registry
        self.texts, self.recorded, self.body = page.texts, None, body
        self._fresh()
        # Without a recorded example this row stays out of sight, but every run names it.
        self._old.render()
