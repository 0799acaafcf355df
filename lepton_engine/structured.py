"""A JSON schema checked before a model sees it: what is broken is said at once, in a sentence.

The keywords are those of JSON Schema that the grammar of OpenVINO GenAI (XGrammar, Dong et
al. 2024) holds a reply to. A keyword beyond them would be accepted and not obeyed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lepton_engine.errors import InputError, LimitError

MAX_SCHEMA_CHARACTERS = 8_000
MAX_DEPTH = 12
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
NOTES = {"$schema", "title", "description", "default", "examples"}
KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "prefixItems",
            "minItems", "maxItems", "enum", "const", "anyOf", "minLength", "maxLength",
            "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


def schema_text(schema: object) -> str:
    """The schema as JSON text.

    Raises:
        InputError: it is no JSON schema that can be followed; the message says where.
        LimitError: it is too long or too deep.
    """
    if not isinstance(schema, Mapping):
        raise InputError("`schema` must be a JSON schema, a dict such as "
                         '{"type": "object", "properties": {…}}.')
    _check(schema, "schema", 0)
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise InputError("`schema` holds a value that JSON cannot hold.") from None
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise LimitError(f"A schema has at most {MAX_SCHEMA_CHARACTERS:,} characters; this one "
                         f"has {len(text):,}.")
    return text


def _check(schema: object, place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise LimitError(f"A schema is at most {MAX_DEPTH} levels deep.")
    if isinstance(schema, bool) and depth:
        return
    if not isinstance(schema, Mapping):
        raise InputError(f"`{place}` must be a JSON schema (a dict).")
    unknown = sorted(str(key) for key in schema if key not in KEYWORDS | NOTES)
    if unknown:
        raise InputError(f"`{place}` has “{unknown[0][:40]}”, which replies cannot be held to. "
                         f"Possible are: {', '.join(sorted(KEYWORDS))}.")
    _check_type(schema, place)
    _check_object(schema, place, depth)
    for key in ("prefixItems", "anyOf"):
        for number, part in enumerate(_list(schema.get(key, ()), f"{place}.{key}")):
            _check(part, f"{place}.{key}[{number}]", depth + 1)
    for key in ("items", "additionalProperties"):
        if key in schema:
            _check(schema[key], f"{place}.{key}", depth + 1)
    if "enum" in schema and not _list(schema["enum"], f"{place}.enum"):
        raise InputError(f"`{place}.enum` is empty: no reply could follow it.")


def _check_type(schema: Mapping[Any, Any], place: str) -> None:
    kinds = schema.get("type", ())
    for kind in [kinds] if isinstance(kinds, str) else _list(kinds, f"{place}.type"):
        if kind not in TYPES:
            raise InputError(f"`{place}.type` is “{str(kind)[:40]}”; "
                             f"there are: {', '.join(TYPES)}.")


def _check_object(schema: Mapping[Any, Any], place: str, depth: int) -> None:
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise InputError(f"`{place}.properties` must be a dict of schemas.")
    for name, part in properties.items():
        if not isinstance(name, str):
            raise InputError(f"A name in `{place}.properties` is no text.")
        _check(part, f"{place}.properties.{name[:40]}", depth + 1)
    for name in _list(schema.get("required", ()), f"{place}.required"):
        if properties and name not in properties:
            raise InputError(f"`{place}.required` names “{str(name)[:40]}”, which is not among "
                             "its properties.")


def _list(value: object, place: str) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InputError(f"`{place}` must be a list.")
    return value
