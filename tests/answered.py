"""What simulators answered, compared with the schemas that vendors publish for their answers.

A field that the schema does not name, another kind of value, a member that a closed set lacks and a null that is not
allowed are misfits; fields that a simulator leaves out are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from aiohttp import web
from api_descriptions import FILES, read, resolved

EACH_MAX = 3
UNMARKED_NULLS = frozenset({"hubspot", "pagerduty", "zendesk"})
"""Vendors whose descriptions do not say what may be null, though their own examples have nulls."""

EXEMPT: dict[str, str] = {
    # A deleted fork, an account that is gone, a label without a description; `status` is in every error that is sent.
    "github": r"(\.head\.repo|\.description|\.user) is null|422: \.status is not described",
    # Newer than the description; the reference of the search has it.
    "jira": r"\.isLast is not described",
    # AcknowledgeLogEntry says acknowledgement_log_entry where LogEntry, of which it is one, says what is answered.
    "pagerduty": r"'acknowledge_log_entry', not one of \['acknowledgement_log_entry'\]",
    # Documented on the pages of the methods and of the message event, but not in the archived description.
    "slack": r"conversations\.\w+ 200: (\.response_metadata|\.messages\[\]\.edited) is not described",
    # Lists are described with their offset pages alone, though the text tells of cursors; what is exported are tickets.
    "zendesk": r" 200: (\.meta|\.links|\.count|\.next_page|\.previous_page|\.results\[\]\.\w+) is not described",
}
"""What descriptions are known to lack, as patterns of misfits."""
_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
}  # fmt: skip


@dataclass(kw_only=True)
class Answers:
    """The first answers of each kind of request to a simulator."""

    kept: dict[tuple[str, str, int], list[tuple[str, object]]] = field(default_factory=dict)

    def keep_from(self, application: web.Application) -> None:
        """Keep what an application answers from now on."""
        application.on_response_prepare.append(self._keep)

    async def _keep(self, request: web.Request, response: web.StreamResponse) -> None:
        resource = request.match_info.route.resource
        if resource is None or not isinstance(response, web.Response) or response.status >= 500:
            return
        kept = self.kept.setdefault((request.method, resource.canonical, response.status), [])
        if len(kept) < EACH_MAX and isinstance(response.body, bytes) and response.body:
            kept.append((request.path, msgspec.json.decode(response.body)))

    def misfits_of(self, vendor: str) -> set[str]:
        """Compare them with what the vendor describes, where its descriptions are there."""
        documents = [document for file in FILES.get(vendor, ()) if (document := read(file)) is not None]
        found = self._misfits(documents)
        if vendor in UNMARKED_NULLS:
            found = {each for each in found if not each.endswith(" is null")}
        return {each for each in found if vendor not in EXEMPT or not re.search(EXEMPT[vendor], each)}

    def _misfits(self, documents: Sequence[Mapping[str, Any]]) -> set[str]:
        found = set()
        for (method, _, status), bodies in self.kept.items():
            for path, body in bodies:
                for template, document, schema in _described(documents, method, path, status):
                    found |= {f"{method} {template} {status}: {each}" for each in misfits(document, schema, body)}
        return found


def _described(
    documents: Sequence[Mapping[str, Any]], method: str, path: str, status: int
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Find the schema of an answer in each description; of paths that match, the one with the fewest placeholders."""
    for document in documents:
        matching = [each for each in document["paths"] if method.lower() in document["paths"][each]]
        matching = [each for each in matching if _pattern(each).fullmatch(path)]
        if not matching:
            continue
        template = min(matching, key=lambda each: each.count("{"))
        response = document["paths"][template][method.lower()].get("responses", {}).get(str(status), {})
        response = resolved(document, response)
        media = response.get("content", {}).get("application/json", response)
        if "schema" in media:
            yield template, document, media["schema"]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^}]+\}", template.removesuffix("/").removesuffix(".json"))
    return re.compile("[^/]+".join(re.escape(part) for part in parts) + "(?:[.]json)?/?")


def misfits(document: Mapping[str, Any], schema: Mapping[str, Any], value: object, where: str = "") -> Iterator[str]:
    """Tell what of a value a schema does not allow."""
    schema = resolved(document, schema)
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        tried = [
            list(misfits(document, {**each, **_beside(schema)}, value, where)) for each in _known(document, choices)
        ]
        yield from min(tried, key=lambda each: (any(text.startswith(f"{where} is no ") for text in each), len(each)))
        return
    if "allOf" in schema:
        schema = _merged(document, schema)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if value is None:
        kinds = kind if isinstance(kind, list) else [kind]
        if not (schema.get("nullable") or schema.get("x-nullable") or kind is None or "null" in kinds):
            yield f"{where} is null"
        return
    if isinstance(kind, list):
        kind = next((each for each in kind if each in _KINDS and _is(each, value)), kind[0])
    if kind in _KINDS and not _is(kind, value):
        yield f"{where} is no {kind}: {value!r:.60}"
    elif isinstance(value, dict):
        yield from _object_misfits(document, schema, value, where)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for each in value[:20]:
            yield from misfits(document, schema["items"], each, f"{where}[]")
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r:.60}, not one of {schema['enum']}"
    elif schema.get("format") == "date-time" and isinstance(value, str) and not _is_time(value):
        yield f"{where} is no time: {value!r:.60}"


def _object_misfits(
    document: Mapping[str, Any], schema: Mapping[str, Any], value: Mapping[str, Any], where: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", not properties)
    for name, each in value.items():
        if name in properties:
            yield from misfits(document, properties[name], each, f"{where}.{name}")
        elif isinstance(others, dict):
            yield from misfits(document, others, each, f"{where}.{name}")
        elif not others:
            yield f"{where}.{name} is not described"


def _beside(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: schema[name] for name in ("nullable",) if name in schema}


def _known(document: Mapping[str, Any], choices: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [resolved(document, each) for each in choices]


def _merged(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return one schema for all that must hold together; of alternatives within, all properties are known."""
    merged: dict[str, Any] = {name: each for name, each in schema.items() if name != "allOf"}
    merged["properties"] = dict(schema.get("properties", {}))
    for part in _known(document, schema["allOf"]):
        found = _merged(document, part) if "allOf" in part else part
        for inner in _known(document, [*found.get("oneOf", []), *found.get("anyOf", [])]):
            found = {**found, "properties": {**found.get("properties", {}), **inner.get("properties", {})}}
        for name, each in found.get("properties", {}).items():
            merged["properties"][name] = each
        for name, each in found.items():
            if name not in {"properties", "allOf"}:
                merged.setdefault(name, each)
    return merged


def _is(kind: str, value: object) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
