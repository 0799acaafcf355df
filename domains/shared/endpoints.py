"""The one adapter between an API call and a service's typed method.

Gradio checks neither types nor sizes. Here every argument is validated strictly against
the method's signature, lone surrogates are replaced, and every failure becomes a
``gr.Error`` with a sentence and an id that the log has too.
"""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from domains.shared.failures import failure_of
from lepton_engine.errors import InputError, LimitError

MAX_CHARACTERS = 4000
MAX_ITEMS = 1000
CONCURRENCY = 4

PLAIN_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false",
               list: "a list", dict: "an object", type(None): "null"}
PLURALS = {str: "texts", int: "whole numbers", float: "numbers", bool: "true/false values"}


@dataclass(frozen=True)
class Parameter:
    """One argument of an endpoint with the validator of its type."""

    name: str
    kind: Any
    adapter: TypeAdapter[Any]
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


def parameters_of(fn: Callable[..., Any]) -> list[Parameter]:
    hints = typing.get_type_hints(fn)
    return [Parameter(name, hints[name],
                      TypeAdapter(hints[name], config=ConfigDict(strict=True)), found.default)
            for name, found in inspect.signature(fn).parameters.items()]


def expose(slug: str, fn: Callable[..., Any], *, max_characters: int = MAX_CHARACTERS,
           max_items: int = MAX_ITEMS) -> None:
    """Register ``fn`` as the public endpoint ``/slug`` of the Blocks being built."""
    import gradio as gr

    gr.api(guarded(slug, fn, max_characters=max_characters, max_items=max_items), api_name=slug,
           api_description=inspect.getdoc(fn), concurrency_limit=CONCURRENCY,
           concurrency_id=f"{slug}_api")


def guarded(slug: str, fn: Callable[..., Any], *, max_characters: int = MAX_CHARACTERS,
            max_items: int = MAX_ITEMS) -> Callable[..., dict[str, Any]]:
    """``fn`` with validation before, plain JSON after and sentences instead of exceptions."""
    import gradio as gr

    parameters = parameters_of(fn)

    def endpoint(*values: Any, **named: Any) -> dict[str, Any]:
        try:
            given = {p.name: value for p, value in zip(parameters, values, strict=False)} | named
            checked = {p.name: _checked(p, given, max_characters, max_items) for p in parameters}
            plain: dict[str, Any] = plain_json(fn(**checked).to_json())
            return plain
        except Exception as error:  # nothing but a sentence may reach the caller
            text = failure_of(error, f"endpoint {slug}").text()
        raise gr.Error(text, print_exception=False)

    # Gradio and its clients read the names and types from the wrapper itself.
    endpoint.__name__, endpoint.__doc__ = slug, inspect.getdoc(fn)
    hints = typing.get_type_hints(fn)
    endpoint.__annotations__ = {p.name: hints[p.name] for p in parameters} | {
        "return": dict[str, Any]}
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(p.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=p.default,
                           annotation=p.kind) for p in parameters],
        return_annotation=dict[str, Any])
    return endpoint


def _checked(parameter: Parameter, given: dict[str, Any], max_characters: int,
             max_items: int) -> Any:
    name = parameter.name
    value = given.get(name)
    if value is None:  # left out, or sent as null by a client
        if parameter.required:
            raise InputError(f"`{name}` is missing; it must be {described(parameter.kind)}.")
        return parameter.default
    value = without_surrogates(value)
    _check_size(f"`{name}`", value, max_characters, max_items)
    try:
        checked = parameter.adapter.validate_python(value)
    except ValidationError as error:
        raise InputError(_type_sentence(parameter, error, value)) from None
    if isinstance(checked, float) and not math.isfinite(checked):
        raise InputError(f"`{name}` must be a finite number.")
    return checked


def _check_size(what: str, value: Any, max_characters: int, max_items: int) -> None:
    if isinstance(value, str) and len(value) > max_characters:
        raise LimitError(f"{what} has {len(value):,} characters; at most {max_characters:,} are "
                         "taken. Shorten it.")
    if isinstance(value, list):
        if len(value) > max_items:
            raise LimitError(f"{what} has {len(value):,} items; at most {max_items:,} are taken. "
                             "Send it in parts.")
        for place, item in enumerate(value, start=1):
            _check_size(f"{what} item {place}", item, max_characters, max_items)


def _type_sentence(parameter: Parameter, error: ValidationError, value: Any) -> str:
    place = error.errors(include_url=False, include_input=False)[0]["loc"]
    item = place[0] if place else None
    if isinstance(value, list) and isinstance(item, int) and get_origin(parameter.kind) is list:
        wanted = described(get_args(parameter.kind)[0])
        return (f"`{parameter.name}` item {item + 1} must be {wanted}, "
                f"not {_named(value[item])}.")
    wanted = described(parameter.kind)
    if get_origin(parameter.kind) is Literal and isinstance(value, str):
        return f"`{parameter.name}` must be {wanted}."
    return f"`{parameter.name}` must be {wanted}, not {_named(value)}."


def described(kind: Any) -> str:
    """A type in words: ``list[str]`` is "a list of texts"."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"“{value}”" for value in get_args(kind))
    if get_origin(kind) is list:
        return f"a list of {PLURALS.get(get_args(kind)[0], 'values')}"
    return PLAIN_NAMES.get(kind, "a value of another kind")


def _named(value: Any) -> str:
    return PLAIN_NAMES.get(type(value), "a value of another kind")


def without_surrogates(value: Any) -> Any:
    """JSON data with each lone surrogate replaced by U+FFFD, pairs joined."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(k): without_surrogates(v) for k, v in value.items()}
    return value


def plain_json(value: Any) -> Any:
    """JSON that every client can read: no lone surrogate, and null for NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(k): plain_json(v) for k, v in value.items()}
    return without_surrogates(value)
