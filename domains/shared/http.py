"""What stands before Gradio: a limit on bodies, clean JSON, and two routes on its health."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from domains.shared.endpoints import without_surrogates

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from domains.shared.header import StatusCache

JSON_BYTES = 2_000_000
UPLOAD_BYTES = 10_000_000
# What a refused body is still read of, so that its sender gets to read the answer.
DRAIN_BYTES = 100_000_000
ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class BodyTooLargeError(Exception):
    """A streamed upload went past its limit."""


class BodyGuard:
    """Pure ASGI middleware; answers of any kind, streams too, pass through untouched.

    A JSON body past its limit and an upload past its own get 413 with a sentence. JSON
    with a lone surrogate, escaped or raw, is cleaned before anything else reads it.
    """

    def __init__(self, app: ASGIApp, json_bytes: int = JSON_BYTES,
                 upload_bytes: int = UPLOAD_BYTES) -> None:
        self.app, self.json_bytes, self.upload_bytes = app, json_bytes, upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
            await self.app(scope, receive, send)
        elif scope["path"].rstrip("/").endswith("/upload"):
            await self._upload(scope, receive, send)
        else:
            await self._json(scope, receive, send)

    async def _json(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self.json_bytes
        if _declared(scope) > limit:
            await _drain(receive)
            return await _refuse(send, 413, _too_large(limit))
        body = await _read(receive, limit)
        if body is None:
            await _drain(receive)
            return await _refuse(send, 413, _too_large(limit))
        if _is_json(scope) and suspicious(body):
            try:
                body = cleaned(body)
            except (ValueError, RecursionError):
                return await _refuse(send, 400, "The body is not valid JSON. Send UTF-8 JSON.")
            scope = {**scope, "headers": _with_length(scope["headers"], len(body))}
        await self.app(scope, _replay(body, receive), send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit, seen, started = self.upload_bytes, 0, False
        if _declared(scope) > limit:
            await _drain(receive)
            return await _refuse(send, 413, _too_large(limit, "A file"))

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLargeError
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except BodyTooLargeError:
            if not started:
                await _drain(receive)
                await _refuse(send, 413, _too_large(limit, "A file"))


def suspicious(body: bytes) -> bool:
    """Whether a JSON body may hold a surrogate: escaped, raw, or in another encoding."""
    if ESCAPED_SURROGATE.search(body) or json.detect_encoding(body) != "utf-8":
        return True
    try:
        codecs.decode(body, "utf-8")
    except UnicodeDecodeError:
        return True
    return False


def cleaned(body: bytes) -> bytes:
    """The same JSON in UTF-8 with lone surrogates replaced; ValueError when it is none."""
    return json.dumps(without_surrogates(json.loads(body))).encode("ascii")


def _declared(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _is_json(scope: Scope) -> bool:
    kind: bytes = dict(scope["headers"]).get(b"content-type", b"")
    return not kind.startswith((b"multipart/", b"application/x-www-form-urlencoded"))


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [(k, v) for k, v in headers if k not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", str(length).encode())]


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None once it is past ``limit``."""
    pieces: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(pieces)
        pieces.append(message.get("body", b""))
        total += len(pieces[-1])
        if total > limit:
            return None
        if not message.get("more_body"):
            return b"".join(pieces)


async def _drain(receive: Receive) -> None:
    total, more = 0, True
    while more and total < DRAIN_BYTES:
        message = await receive()
        total += len(message.get("body", b""))
        more = message["type"] == "http.request" and bool(message.get("more_body"))


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:  # afterwards only the disconnect of the client is of interest
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _too_large(limit: int, what: str = "A request") -> str:
    return f"{what} may have at most {limit / 1e6:g} MB. Send less at once."


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence, "detail": sentence}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json; charset=utf-8"),
               (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def health_routes(status: StatusCache) -> list[Any]:
    """``/healthz``: the process answers. ``/readyz``: 200 once nothing is left to load."""
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    def alive(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    def ready(request: Request) -> Response:
        now = status.get()
        coming = [m.name for m in now.models if m.state in ("waiting", "loading")]
        return JSONResponse({"status": "loading" if coming else "ready", **now.to_dict()},
                            status_code=503 if coming else 200)

    routes: list[tuple[str, Callable[[Request], Response]]] = [("/healthz", alive),
                                                               ("/readyz", ready)]
    return [Route(path, handler, methods=["GET"]) for path, handler in routes]
