"""Small helpers for the HTML of views: escaping, links and numbers for people."""

from __future__ import annotations

import html
from urllib.parse import urlsplit

from lepton_engine.text import three

__all__ = ["duration", "escape", "link", "printable", "size", "three"]


def printable(text: object) -> str:
    """``text`` without lone surrogates and control characters (newline and tab stay).

    The page is sent as JSON, and a lone surrogate would break the whole message.
    """
    plain = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in plain if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160))


def escape(text: object) -> str:
    """Text of a user, a model or a source, safe inside HTML and inside an attribute.

    Braces and dollars become entities too: ``gr.HTML`` treats its content as a template.
    """
    safe = html.escape(printable(text), quote=True)
    return safe.replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;")


def link(text: object, address: object) -> str:
    """A link when ``address`` is an http(s) address with a host, else the text alone."""
    try:
        parts = urlsplit(printable(address or "").strip())
    except ValueError:
        return escape(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return escape(text)
    return (f'<a href="{escape(parts.geturl())}" target="_blank" '
            f'rel="noopener noreferrer nofollow">{escape(text)}</a>')


def duration(milliseconds: float | None) -> str:
    """Milliseconds for a person: ``412 ms`` or ``1.23 s``."""
    if milliseconds is None:
        return "–"
    if milliseconds < 999.5:
        return three(milliseconds, "ms")
    return three(milliseconds / 1000, "s")


def size(count: float | None) -> str:
    """Bytes for a person, in powers of ten: ``1.23 GB``."""
    if count is None:
        return "–"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= factor * 0.9995:
            return three(count / factor, unit)
    return three(count, "B")
