"""Reading vendors' descriptions of their APIs (OpenAPI 2 and 3), as far as requests are judged by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def choices(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> list[str]:
    """Return the closed set of values of a parameter; empty where it has none."""
    schema = resolved(document, parameter.get("schema") or parameter)
    inner = resolved(document, schema.get("items") or {})
    return [str(each) for each in schema.get("enum") or inner.get("enum") or []]


def resolved(document: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references until something stands there itself."""
    while "$ref" in found:
        target: Any = document
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        found = target
    return found
