"""Serve the page on the fake engine: ``python -m tests.preview [--port 7890] [slug ...]``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import app
from domains import DOMAINS
from tests.fakes import FakeEngine
from tests.films import write_films


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("slugs", nargs="*")
    wish = parser.parse_args()
    films = write_films(Path(tempfile.mkdtemp()))
    engine = FakeEngine(delay_s=0.03, data={"films": films})
    domains = [d for d in DOMAINS if not wish.slugs or d.slug in wish.slugs]
    engine.preload(dict.fromkeys(name for d in domains for name in d.needs))
    app.create_app(engine, domains).launch(server_port=wish.port, **app.launch_options(engine))


if __name__ == "__main__":
    main()
