"""The application: ``create_app(engine)`` builds the page, ``main()`` serves it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import gradio as gr
from starlette.middleware import Middleware

from domains import DOMAINS
from domains.base import Domain
from domains.shared.header import StatusCache
from domains.shared.http import UPLOAD_BYTES, BodyGuard, health_routes
from domains.shared.shell import build_shell
from domains.shared.theme import lepton_theme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent
MAX_WAITING = 64
# More than the events that the tabs and endpoints may run at once (8 + 4 each), so that a
# page is served and the header stays true while all of them are busy.
MAX_THREADS = 96
CACHE_SECONDS = 3600
log = logging.getLogger("lepton")


def create_app(engine: Any, domains: Sequence[Domain] = DOMAINS) -> gr.Blocks:
    """The whole page on an engine (or on the fake one). Loads no model."""
    return build_page(engine, domains)[0]


def build_page(engine: Any, domains: Sequence[Domain] = DOMAINS,
               ) -> tuple[gr.Blocks, list[Callable[[], object]]]:
    """The page, and what makes its tabs ready for the first question (see `Tab.warm`)."""
    with gr.Blocks(title="Lepton", analytics_enabled=False,
                   delete_cache=(CACHE_SECONDS, CACHE_SECONDS)) as demo:
        tabs = build_shell(engine, domains)
    return demo.queue(max_size=MAX_WAITING), [tab.warm for tab in tabs if tab.warm]


def launch_options(engine: Any) -> dict[str, Any]:
    """What ``launch`` needs besides address and port, for ``main`` and for the tests."""
    return {
        "theme": lepton_theme(), "css_paths": sorted((ROOT / "assets" / "css").glob("*.css")),
        "ssr_mode": False, "run_history": False, "enable_monitoring": False,
        "max_threads": MAX_THREADS, "footer_links": ["api"],
        "max_file_size": UPLOAD_BYTES, "quiet": True,
        "app_kwargs": {"middleware": [Middleware(BodyGuard)],
                       "routes": health_routes(StatusCache(engine.status)),
                       "openapi_url": None, "docs_url": None, "redoc_url": None},
    }


def port_is_taken(host: str, port: int) -> bool:
    """Whether something listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def settings() -> tuple[str, int]:
    """Host and port from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise SystemExit(f"GRADIO_SERVER_PORT is “{port[:20]}”; it must be a number from 1 to "
                         "65535.")
    return host, int(port)


def main() -> int:
    """Serve until stopped. Returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    host, port = settings()
    if port_is_taken(host, port):
        print(f"Port {port} is taken. Stop the other program, or choose another port with "
              "GRADIO_SERVER_PORT.", file=sys.stderr)
        return 1
    from lepton_engine import Engine

    engine = Engine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as Ctrl+C: the engine is closed
    demo, warm = build_page(engine)
    engine.preload(dict.fromkeys(n for domain in DOMAINS for n in domain.needs), then=warm)
    print(f"Lepton is on http://{host}:{port} (stop with Ctrl+C).", flush=True)
    try:
        demo.launch(server_name=host, server_port=port, **launch_options(engine))
    finally:
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
