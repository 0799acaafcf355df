"""The tab's components and their events; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from domains.customer_service import views
from domains.customer_service.conversation import Conversation
from domains.customer_service.service import TOPICS, Service
from domains.shared.page import Page
from lepton_engine.errors import InputError


@dataclass(frozen=True)
class Layout:
    """The components that take part in events; ``conversation`` is the session's own.

    ``earlier`` is never seen: an example of a follow-up brings its first question in it.
    """

    chat: gr.Chatbot
    topics: tuple[gr.Button, ...]
    summary: gr.Textbox
    message: gr.Textbox
    earlier: gr.Textbox
    send: gr.Button
    stop: gr.Button
    retry: gr.Button
    new: gr.Button
    conversation: gr.State


def layout(page: Page) -> Layout:
    """The conversation above, one message box below it; topics and summary in between."""
    with page.results():
        chat = gr.Chatbot(height=430, show_label=False, allow_tags=False, latex_delimiters=[],
                          buttons=["copy"], feedback_options=None, elem_classes="lp-chat")
        page.shows(page.label(chat, label="chat.label", placeholder="chat.placeholder"),
                   views.messages)
        page.shows(gr.HTML(js_on_load=None), views.slot_html)
        page.shows(gr.HTML(js_on_load=None), views.topics_title)
        with gr.Row(elem_classes="lp-examples"):
            topics = tuple(gr.Button(size="sm", visible=False, scale=0, min_width=0,
                                     elem_classes="lp-chip") for _ in range(TOPICS))
        summary = page.label(gr.Textbox(lines=6, max_lines=14, interactive=False,
                                        buttons=["copy"], visible=False), label="chat.summary")
    message = page.field("message", lines=1, max_lines=8)
    send, stop = page.buttons("button.ask")
    assert stop is not None
    with gr.Row(elem_classes="lp-buttons"):
        retry = page.label(gr.Button(size="sm", scale=0, min_width=110), value="button.retry")
        new = page.label(gr.Button(size="sm", scale=0, min_width=150), value="button.new")
    earlier = gr.Textbox(visible=False)
    page.example_bar({"message": message, "earlier": earlier})
    return Layout(chat, topics, summary, message, earlier, send, stop, retry, new,
                  gr.State(Conversation()))


def row(payload: dict[str, Any], conversation: Conversation) -> tuple[Any, ...]:
    """One row of outputs; the box is emptied, because what it held stands in the chat now."""
    summary = payload.get("summary") or ""
    questions = [views.topic(payload, place) for place in range(TOPICS)]
    return (payload, conversation, "", "", gr.update(value=summary, visible=bool(summary)),
            *(gr.update(value=question, visible=bool(question)) for question in questions))


def wire(page: Page, layout: Layout, service: Service) -> None:
    """Every event yields one row: payload, conversation, boxes, summary, topic buttons."""

    def turns(conversation: Conversation, message: str, attempt: int = 0) -> Iterator[Any]:
        history = [exchange.to_json() for exchange in conversation.exchanges]
        with closing(service.stream(conversation, message, attempt=attempt)) as stream:
            for turn in stream:
                yield row(views.page_payload(turn.to_json(), history), conversation.plus(turn))

    def sent(message: str, earlier: str, conversation: Conversation) -> Iterator[Any]:
        if earlier:
            conversation = Conversation()
            for step in turns(conversation, earlier):
                yield step
            conversation = step[1]
        yield from turns(conversation, message)

    def chosen(question: str, conversation: Conversation) -> Iterator[Any]:
        yield from turns(conversation, question)

    def again(conversation: Conversation, lang: str) -> Iterator[Any]:
        if not conversation.exchanges:
            raise InputError(page.texts(lang, "chat.no_retry"))
        last = conversation.exchanges[-1]
        yield from turns(conversation.without_last(), last.message, last.attempt + 1)

    outputs = [page.payload, layout.conversation, layout.message, layout.earlier, layout.summary,
               *layout.topics]
    busy = {"button": layout.send, "stop": layout.stop}
    page.run([layout.send.click, layout.message.submit], sent,
             [layout.message, layout.earlier, layout.conversation], outputs, examples=True, **busy)
    for button in layout.topics:
        page.run(button.click, chosen, [button, layout.conversation], outputs, **busy)
    page.run(layout.retry.click, again, [layout.conversation, page.lang], outputs, **busy)
    page.run([layout.new.click, layout.chat.clear], lambda: row({}, Conversation()), [], outputs)
