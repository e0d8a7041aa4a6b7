"""JSON Schemas of rows as the columns of a table. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.importing.report import Part, Refused

NAME_MAX = 63
COLUMNS_MAX = 500
_PLAIN = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_TIMES = {"date-time": "timestamptz", "datetime": "timestamptz", "date": "date"}
_ARRAYS = {"text": "text[]", "int8": "int8[]", "int4": "int8[]", "bool": "bool[]", "float8": "float8[]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A column, the type without `!`, and the path of its value in a row."""

    name: str
    type_name: str
    path: str

    @property
    def declared(self) -> str:
        """Write it as a manifest does."""
        return self.type_name if self.path == self.name else f"{self.type_name} {self.path}"


def columns_of(properties: Mapping[str, Any], part: Part) -> dict[str, Found]:
    """Return the columns of an object's properties by name; a property that cannot be one is told in the part.

    Raises:
        Refused: there is none.
    """
    found: dict[str, Found] = {}
    for property_name, schema in list(properties.items())[:COLUMNS_MAX]:
        name = snake(property_name)
        if name is None or name in found:
            part.warnings.append(f"property {property_name} has no name that a column could have")
            continue
        found[name] = Found(name=name, type_name=type_of(schema), path=path_to(property_name))
    if not found:
        raise Refused("its rows have no properties that are described")
    return found


def path_to(*names: str) -> str:
    """Write a path through properties."""
    text = ""
    for name in names:
        if _PLAIN.fullmatch(name):
            text += f".{name}" if text else name
        elif "'" in name:
            raise Refused(f"property {name} cannot be part of a path")
        else:
            text += f"['{name}']"
    return text


def snake(name: str) -> str | None:
    """Return a name in snake case as columns and tables have it, None if there is nothing to make one of."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    plain = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
    if plain and plain[0].isdigit():
        plain = f"n{plain}"
    return plain if plain and len(plain) <= NAME_MAX else None


def type_of(schema: object) -> str:
    """Return the type of a column for a schema with its references resolved; jsonb is what everything fits."""
    if not isinstance(schema, Mapping):
        return "jsonb"
    kinds = [kind for kind in _kinds(schema) if kind != "null"]
    if len(kinds) != 1 or any(key in schema for key in ("oneOf", "anyOf")):
        return "jsonb"
    form = str(schema.get("format", ""))
    if kinds == ["string"]:
        return _TIMES.get(form, "text")
    if kinds == ["integer"]:
        return "int4" if form == "int32" else "int8"
    if kinds == ["number"]:
        return "float8" if form in {"float", "double"} else "numeric"
    if kinds == ["boolean"]:
        return "bool"
    if kinds == ["array"]:
        return _ARRAYS.get(type_of(schema.get("items")), "jsonb")
    return "jsonb"


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    told = schema.get("type")
    if told is None and "enum" in schema:
        told = "string" if all(isinstance(each, str) for each in schema["enum"]) else None
    yield from ([str(each) for each in told] if isinstance(told, list) else [str(told)] if told else [])
