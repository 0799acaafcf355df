"""Reads models.toml into specs, and finds a spec by alias or by the publisher's id."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lepton_engine.catalog import outside
from lepton_engine.catalog.specs import Archive, FileSpec, ModelSpec, Part, Wheel
from lepton_engine.errors import UnknownNameError

TABLE = Path(__file__).with_name("models.toml")


class Catalogue:
    """All rows, by alias and by the publisher's id."""

    def __init__(self, specs: tuple[ModelSpec, ...]) -> None:
        self.specs: Mapping[str, ModelSpec] = MappingProxyType({s.alias: s for s in specs})
        if len(self.specs) != len(specs):
            raise ValueError("two rows of the catalogue have the same alias")
        self._by_publisher = {s.publisher.lower(): s for s in specs}

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self.specs.values())

    def spec(self, alias: str) -> ModelSpec:
        """The row of an alias. Raises UnknownNameError with the nearest names."""
        try:
            return self.specs[alias]
        except KeyError:
            raise UnknownNameError.of("model or data set", alias, self.specs) from None

    def defaults(self) -> tuple[ModelSpec, ...]:
        """The rows that the application needs; the others are fetched by choice."""
        return tuple(s for s in self if s.default)

    def resolve(self, name: str | Path) -> ModelSpec:
        """An alias, a publisher's id, a folder or a hub id outside the catalogue.

        The latter two give a spec with ``catalogued`` False. Raises UnsafeModelError for a
        folder that would run code, UnknownNameError when the name is none of these.
        """
        text = str(name)
        if text in self.specs:
            return self.specs[text]
        if text.lower() in self._by_publisher:
            return self._by_publisher[text.lower()]
        if Path(text).is_dir():
            return outside.folder_spec(Path(text))
        if outside.is_hub_id(text):
            return outside.hub_spec(text)
        return self.spec(text)


def _part(row: Mapping[str, Any], wheels: Mapping[str, Wheel],
          archives: Mapping[str, Archive]) -> Part:
    if "archive" in row:
        return Part(row["member"], archive=archives[row["archive"]])
    return Part(row["member"], wheel=wheels[row["wheel"]])


def _file(row: Mapping[str, Any], model: Mapping[str, Any], wheels: Mapping[str, Wheel],
          archives: Mapping[str, Archive]) -> FileSpec:
    parts = row.get("parts")
    if parts is None:
        carrier = "archive" if "archive" in model else "wheel"
        parts = [{carrier: model[carrier], "member": model.get("prefix", "") + row["name"]}]
    return FileSpec(
        name=row["name"], sha256=row["sha256"], size=row["size"],
        digest_by=row.get("digest_by", "observed"),
        parts=tuple(_part(p, wheels, archives) for p in parts),
        hub=row["name"] if row.get("hub") else "",
    )


def _model(row: Mapping[str, Any], wheels: Mapping[str, Wheel]) -> ModelSpec:
    archives = {
        a["name"]: Archive(a["name"], a["sha256"], a["size"],
                           tuple(_part(p, wheels, {}) for p in a["parts"]))
        for a in row.get("archives", ())
    }
    return ModelSpec(
        alias=row["alias"], kind=row["kind"], format=row["format"],
        publisher=row["publisher"], revision=row["revision"], licence=row["licence"],
        languages=tuple(row["languages"]), parameters=row["parameters"],
        files=tuple(_file(f, row, wheels, archives) for f in row["files"]),
        sources=tuple(row["sources"]), summary=row.get("summary", ""),
        default=row.get("default", False),
        options=MappingProxyType(dict(row.get("options", {}))),
    )


def read_catalogue(table: Path) -> Catalogue:
    """Read a table in the format of models.toml (its head explains it)."""
    data = tomllib.loads(table.read_text(encoding="utf-8"))
    wheels = {pin: Wheel(pin, row["sha256"], row.get("size", 0))
              for pin, row in data["wheels"].items()}
    return Catalogue(tuple(_model(row, wheels) for row in data["model"]))


@cache
def catalogue() -> Catalogue:
    """The project's own catalogue, read once."""
    return read_catalogue(TABLE)
