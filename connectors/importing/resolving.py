"""References of an OpenAPI description, resolved where they are read: a description may refer to itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEPTH_MAX = 20
_NESTED_MAX = 4


class Resolver:
    """Reads parts of one description."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def at(self, part: object) -> dict[str, Any]:
        """Return an object of the description with its reference followed and `allOf` put together; else nothing."""
        return self._at(part, 0)

    def object_of(self, schema: object) -> dict[str, Any] | None:
        """Return the schema of an object that has properties, None for any other."""
        found = self.at(schema)
        return found if found.get("properties") else None

    def properties(self, schema: object) -> dict[str, Any]:
        """Return the schemas of an object's properties, and of the elements of those that are lists."""
        return {str(name): self._with_items(each) for name, each in (self.at(schema).get("properties") or {}).items()}

    def deep(self, schema: object, depth: int = 0) -> dict[str, Any]:
        """Return a schema whose properties are resolved a few levels down."""
        found = self.at(schema)
        if depth < _NESTED_MAX and isinstance(found.get("properties"), Mapping):
            found = {**found, "properties": {k: self.deep(v, depth + 1) for k, v in found["properties"].items()}}
        return found

    def parameters(self, item: Mapping[str, Any], operation: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the parameters of an operation, its own in the place of its path's."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for each in [*(item.get("parameters") or []), *(operation.get("parameters") or [])]:
            parameter = self.at(each)
            if "name" in parameter:
                parameter = {**parameter, "schema": self.at(parameter.get("schema"))}
                found[(str(parameter["name"]), str(parameter.get("in")))] = parameter
        return list(found.values())

    def answer(self, operation: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the schema of an operation's good answer in JSON and its headers; None where it has none."""
        responses = operation.get("responses") or {}
        for status in ("200", 200, "2XX", "default"):
            response = self.at(responses.get(status))
            for kind, content in (response.get("content") or {}).items():
                if "json" in kind and isinstance(content, Mapping) and "schema" in content:
                    return self.at(content["schema"]), dict(response.get("headers") or {})
        return None

    def _at(self, part: object, depth: int) -> dict[str, Any]:
        if not isinstance(part, Mapping) or depth > DEPTH_MAX:
            return {}
        if isinstance(part.get("$ref"), str):
            return self._at(self._named(part["$ref"]), depth + 1)
        if isinstance(part.get("allOf"), list):
            merged = {key: value for key, value in part.items() if key != "allOf"}
            for each in (self._at(one, depth + 1) for one in part["allOf"]):
                properties = {**(merged.get("properties") or {}), **(each.get("properties") or {})}
                merged = {**each, **merged}
                if properties:
                    merged |= {"properties": properties, "type": "object"}
            return merged
        return dict(part)

    def _with_items(self, schema: object) -> dict[str, Any]:
        found = self.at(schema)
        return {**found, "items": self.at(found["items"])} if "items" in found else found

    def _named(self, reference: str) -> object:
        if not reference.startswith("#/"):
            return None
        found: object = self._document
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(found, Mapping):
                found = found.get(name)
            elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found
