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
        # Texts, language, session and registry are the tab's, whatever a page comes to hold.
        self.__dict__.update(vars(page))
        self.slug = f"{page.slug}_{name}"
        self.recorded = None
        self.payload = gr.State(None)
        self.body = body
        self.status = None
        self._chips, self._fields, self._views, self._stops, self._events = [], {}, [], {}, 0
        # Without a recorded example this row stays out of sight, but every run names it.
        self._old = gr.Row(visible=False)
