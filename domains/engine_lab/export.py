"""The whole comparison as one HTML file that needs nothing else: picture, table, steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from domains.engine_lab import charts, views
from domains.shared.markup import escape
from domains.shared.tables import csv_file
from domains.shared.texts import Texts

SAY = Texts("engine_lab")
CSS = Path(__file__).resolve().parents[2] / "assets" / "css" / "engine_lab.css"
_LOOK = """body { font: 16px/1.55 system-ui, "Segoe UI", "Noto Sans SC", sans-serif;
margin: 2rem auto; max-width: 72rem; padding: 0 1.2rem; color: #1c1d1f; background: #fff; }
table { border-collapse: collapse; font-size: .86rem; }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #d8dadd;
vertical-align: top; } .lp-quiet { color: #63686e; font-size: .92rem; }
.lp-icon { display: inline-flex; width: 1.25em; height: 1.25em; border-radius: 50%; color: #fff;
align-items: center; justify-content: center; font-size: .8em; }"""


def page(payload: Mapping[str, Any], lang: str) -> str:
    """The file's text; everything of a person or a model in it is escaped."""
    picture = charts.quality_figure(payload, lang).to_html(
        full_html=False, include_plotlyjs="inline", config={"displaylogo": False})
    shown = views.table(payload, lang)
    head = "".join(f"<th>{escape(name)}</th>" for name in shown["headers"])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
                   for row in shown["data"])
    title = escape(SAY(lang, "export.title", name=payload["name"]))
    look = f"{_LOOK}\n{CSS.read_text(encoding='utf-8')}"
    return (f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width"><title>{title}</title><style>{look}</style></head>'
            f"<body><h1>{title}</h1><p>{escape(payload['reason'])}</p>"
            f"{views.head_html(payload, lang)}{picture}{views.verdicts_html(payload, lang)}"
            f'<div class="lp-lab-scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}'
            f"</tbody></table></div>{views.steps_html(payload, lang)}</body></html>")


def html_file(payload: Mapping[str, Any], lang: str) -> str | None:
    """A path for a download; None while recipes are still being measured.

    The same comparison gives the same file: it has plotly inside, some megabytes.
    """
    if not payload.get("complete") or not payload["rows"]:
        return None
    kept = {key: payload[key] for key in sorted(payload) if key not in ("stamp", "evidence")}
    path = _made(json.dumps(kept, ensure_ascii=False, sort_keys=True, default=str), lang)
    if not Path(path).is_file():  # Gradio removes files after an hour
        _made.cache_clear()
        path = _made(json.dumps(kept, ensure_ascii=False, sort_keys=True, default=str), lang)
    return path


@lru_cache(maxsize=16)
def _made(payload: str, lang: str) -> str:
    found = json.loads(payload)
    name = f"engine-lab-{found['name']}-{hashlib.sha256(payload.encode()).hexdigest()[:8]}"
    # A folder of its own with a random name, as tables have; only the file differs.
    path = Path(csv_file(name, [], [])).with_suffix(".html")
    path.with_suffix(".csv").unlink()
    path.write_text(page(found, lang), encoding="utf-8")
    return str(path)
