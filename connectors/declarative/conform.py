"""Checks a document against a JSON Schema of the kind that msgspec makes, telling place and what is allowed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from connectors.declarative.document import Document, Path

Schema = Mapping[str, Any]
_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
    "null": type(None),
}  # fmt: skip
_SHOWN = {"object": "an object", "array": "a list", "string": "a text", "boolean": "true or false",
          "integer": "a whole number", "number": "a number", "null": "null"}  # fmt: skip


def conform(document: Document, schema: Schema) -> None:
    """Refuse a document that does not fit a schema.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, with file, line, column and what is allowed there.
    """
    _Conformer(document, schema["$defs"]).check(document.value, schema, ())


class _Conformer:
    def __init__(self, document: Document, definitions: Schema) -> None:
        self._document = document
        self._definitions = definitions

    def check(self, value: object, schema: Schema, path: Path) -> None:
        schema = self._chosen(value, self._resolved(schema), path)
        kind = schema.get("type")
        if kind is not None and not _is_kind(value, kind):
            raise self._document.refusal(path, f"{_SHOWN[kind]} is wanted here, not {_shown(value)}")
        self._check_bounds(value, schema, path)
        if isinstance(value, dict):
            self._check_object(value, schema, path)
        elif isinstance(value, list) and "items" in schema:
            for at, each in enumerate(value):
                self.check(each, schema["items"], (*path, at))

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        return schema

    def _chosen(self, value: object, schema: Schema, path: Path) -> Schema:
        branches = self._branches(schema)
        if len(branches) == 1:
            return branches[0]
        tagged = [branch for branch in branches if "kind" in branch.get("properties", {})]
        if tagged and isinstance(value, dict):
            kinds = {branch["properties"]["kind"]["enum"][0]: branch for branch in tagged}
            if not isinstance(value.get("kind"), str) or value["kind"] not in kinds:
                at = (*path, "kind") if "kind" in value else path
                raise self._document.refusal(at, "its kind is not known", f"Allowed are {', '.join(kinds)}.")
            return kinds[str(value["kind"])]
        for branch in branches:
            if "type" not in branch or _is_kind(value, branch["type"]):
                return branch
        wanted = " or ".join(dict.fromkeys(_SHOWN[branch["type"]] for branch in branches))
        raise self._document.refusal(path, f"{wanted} is wanted here, not {_shown(value)}")

    def _branches(self, schema: Schema) -> list[Schema]:
        if "anyOf" not in schema:
            return [schema]
        return [inner for each in schema["anyOf"] for inner in self._branches(self._resolved(each))]

    def _check_bounds(self, value: object, schema: Schema, path: Path) -> None:
        if "enum" in schema and value not in schema["enum"]:
            allowed = ", ".join(map(str, schema["enum"]))
            raise self._document.refusal(path, f"{_shown(value)} is not allowed here", f"Allowed are {allowed}.")
        if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
            raise self._document.refusal(path, "this text is not allowed here", f"It must match {schema['pattern']}.")
        if isinstance(value, int) and value < schema.get("minimum", value):
            raise self._document.refusal(path, f"the least value allowed here is {schema['minimum']}")
        least = schema.get("minItems", schema.get("minProperties", 0))
        if isinstance(value, list | dict) and len(value) < least:
            raise self._document.refusal(path, f"at least {least} is wanted here")

    def _check_object(self, value: Mapping[str, object], schema: Schema, path: Path) -> None:
        properties: Schema = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        for name, each in value.items():
            if name in properties:
                self.check(each, properties[name], (*path, name))
            elif others is False:
                raise self._unknown(name, sorted(properties), path)
            elif isinstance(others, dict):
                if "propertyNames" in schema:
                    self._check_bounds(name, self._resolved(schema["propertyNames"]), (*path, name))
                self.check(each, others, (*path, name))
        if missing := [name for name in schema.get("required", ()) if name not in value]:
            raise self._document.refusal(path, f"key {missing[0]} is missing here")

    def _unknown(self, name: str, allowed: list[str], path: Path) -> Exception:
        close = get_close_matches(name, allowed, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        return self._document.refusal(
            (*path, name), f"key {name} is not known here", f"{meant}Allowed are {', '.join(allowed)}."
        )


def _is_kind(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return _SHOWN["object"]
    if isinstance(value, list):
        return _SHOWN["array"]
    return _SHOWN["null"] if value is None else str(value)[:60]
