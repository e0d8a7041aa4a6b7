"""Checks every request that the REST manifests can build against the vendors' own API descriptions.

The descriptions are third-party files that are not part of the project: they are read from the folder `shared/specs`
beside the checkout. Where one is missing, or a vendor has none, the structural checks alone run.
"""

from __future__ import annotations

import gzip
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.declarative.load import Loaded
from connectors.declarative.proving import whole
from connectors.declarative.readable import ReadableTable
from connectors.declarative.requests import first_request, hydrate_request
from connectors.declarative.windows import windowed
from connectors.registry import manifest_named
from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Grade
from connectors.simulators.catalogue import PLAIN

SPECIFICATIONS = Path(__file__).parents[3] / "shared" / "specs"
FILES: dict[str, tuple[str, ...]] = {
    "hubspot": tuple(f"hubspot-{kind}.json.gz" for kind in ("contacts", "companies", "deals", "tickets", "owners")),
    "pagerduty": ("pagerduty-openapi.json.gz",),
    "slack": ("slack-openapi-v2.json.gz",),
    "zendesk": ("zendesk-support-openapi.json.gz",),
}
PREFIXES: dict[str, str] = {}
"""What a description leaves out of its paths, because it stands in the address of its server."""

KNOWN_GAPS: dict[str, frozenset[str]] = {
    "zendesk": frozenset({"page[size]", "page[after]", "sort", "score", "start_time", "end_time"}),
}
"""Parameters that a vendor documents in prose only."""

PATH_GAPS = frozenset({("zendesk", "/api/v2/tickets/{}/metrics"), ("hubspot", "/crm/v3/pipelines/deals")})
"""Paths that a vendor documents in prose only."""

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
SAMPLES: dict[str, list[Value]] = {
    "text": ["PABC123", "open", "low", "triggered", "active", "two words%", "%end", "a@b.example", "12", 'q " \\'],
    "text[]": [("PABC123",), ("bug",)],
    "int8[]": [(12,)],
    "bool": [True, False],
    "int4": [3],
    "int8": [3],
    "float8": [3.5],
    "numeric": [],
    "timestamptz": [MOMENT],
    "date": [date(2026, 1, 2)],
    "jsonb": [],
}  # fmt: skip


def scans(table: ReadableTable) -> Iterator[Scan]:
    """Every access path alone, with each pushdown, each order and a limit."""
    for path in table.table.access_paths:
        keys: dict[str, Value] = {
            name: 12 if table.table.column(name).type_name.startswith("int") else sample_of(table, name)
            for name in path.keys
        }
        bare = whole(table, path, keys)
        yield from (bare, replace(bare, limit=3))
        if path.batch is not None:
            yield replace(bare, keys={**keys, path.batch: (keys[path.batch], keys[path.batch])})
        yield from (replace(bare, predicates=(each,)) for each in predicates(table, path))
        for column, directions in path.order.items():
            yield from (replace(bare, order=(SortKey(column=column, direction=each),)) for each in directions)


def sample_of(table: ReadableTable, key: str) -> str:
    """Return a text that the key's format allows."""
    pattern = table.formats.get(key)
    samples = ("PABC123", "12", "0b1f3c5e-8a8d-4d5c-9d0e-5f3a2b1c0d9e")
    return next(text for text in samples if pattern is None or pattern.fullmatch(text))


def predicates(table: ReadableTable, path: AccessPath) -> Iterator[Predicate]:
    for name, operators in path.operators.items():
        for operator in operators:
            for sample in SAMPLES[table.table.column(name).type_name]:
                value: Value = (sample,) if operator in {Operator.IN, Operator.NOT_IN} else sample
                value = None if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL} else value
                predicate = Predicate(column=name, operator=operator, value=value)
                if grade_of(path, predicate) is not Grade.NONE:
                    yield predicate


@lru_cache
def emitted(name: str) -> tuple[Request, ...]:
    loaded = manifest_named(name)
    found: list[Request] = []
    for table in loaded.tables.values():
        for scan in scans(table):
            path = table.paths[scan.access_path]
            request = first_request(loaded.manifest, table, scan, dict.fromkeys(loaded.manifest.options, "given"))
            found += windowed(request, path.window, MOMENT.timestamp(), descending=False) if path.window else [request]
        found += hydrated(loaded, table)
    return tuple(found)


def hydrated(loaded: Loaded, table: ReadableTable) -> list[Request]:
    row: dict[str, object] = {column.path.partition(".")[0]: "12" for column in table.table.columns}
    return [hydrate_request(loaded.manifest, table, name, row) for name in table.hydrate]


@pytest.mark.parametrize("name", PLAIN)
def test_every_request_of_a_manifest_is_well_formed(name: str) -> None:
    built = emitted(name)
    assert len(built) > 20
    for request in built:
        assert re.fullmatch(r"(/[A-Za-z0-9._~%-]+)+", request.path), request.path
        assert len(request.path.split("/")) == len(request.template.split("/"))
        assert all(text.strip() for _, text in request.parameters), request
        assert (request.body is None) is (request.method == "GET")
        if request.body is not None:
            assert isinstance(msgspec.json.decode(request.body), dict)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_request_of_a_manifest_is_in_the_description_of_the_vendor(name: str) -> None:
    described = description(name)
    if described is None:
        warnings.warn(f"no API description of {name} at {SPECIFICATIONS}: the gate is inactive", stacklevel=1)
        return
    problems = set()
    for request in emitted(name):
        at = (request.method, re.sub(r"\{\w+\}", "{}", request.template.removeprefix(PREFIXES.get(name, ""))))
        if (name, at[1]) in PATH_GAPS:
            continue
        if at not in described:
            problems.add(f"{at} does not exist")
            continue
        for parameter, text in request.parameters:
            if parameter in KNOWN_GAPS.get(name, frozenset()):
                continue
            if parameter not in described[at]:
                problems.add(f"{at} has no parameter {parameter}")
            elif described[at][parameter] and text not in described[at][parameter]:
                problems.add(f"{at} does not take {parameter}={text}")
    assert problems == set()


def test_every_posted_search_of_hubspot_fits_the_schema_of_the_vendor() -> None:
    known = {file: document for file in FILES["hubspot"] if (document := read(file)) is not None}
    if not known:
        warnings.warn(f"no API description of hubspot at {SPECIFICATIONS}: the gate is inactive", stacklevel=1)
        return
    schemas = {}
    for document in known.values():
        for template, item in document["paths"].items():
            if template.endswith("/search"):
                content = item["post"]["requestBody"]["content"]["application/json"]
                schemas[template] = (document, content["schema"])
    posted = [request for request in emitted("hubspot") if request.body is not None]
    assert len(posted) > 30
    problems = set()
    for request in posted:
        document, schema = schemas[request.template]
        # The description requires what the vendor's own examples leave out, so that only what is sent is compared. It
        # also calls sorts a list of texts, where the examples have objects.
        body = {name: each for name, each in msgspec.json.decode(request.body or b"").items() if name != "sorts"}
        problems |= set(misfits(document, schema, body))
    assert problems == set()


def misfits(document: dict[str, Any], schema: dict[str, Any], value: object) -> Iterator[str]:
    """Tell what of a value a schema does not know: keys, kinds and members of closed sets."""
    schema = resolved(document, schema)
    kinds: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if not isinstance(value, kinds[schema["type"]]):
        yield f"{value!r} is no {schema['type']}"
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in schema["properties"]:
                yield from misfits(document, schema["properties"][name], each)
            else:
                yield f"there is no key {name}"
    elif isinstance(value, list):
        for each in value:
            yield from misfits(document, schema["items"], each)
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is not one of {schema['enum']}"


def read(file: str) -> dict[str, Any] | None:
    where = SPECIFICATIONS / file
    return json.loads(gzip.decompress(where.read_bytes())) if where.is_file() else None


Described = dict[tuple[str, str], dict[str, list[str]]]


@lru_cache
def description(name: str) -> Described | None:
    """Read the requests of a vendor, for each its query parameters and their closed sets of values."""
    found: Described = {}
    for file in FILES[name]:
        document = read(file)
        if document is None:
            return None
        for template, item in document["paths"].items():
            for method in item.keys() & {"get", "post"}:
                parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
                found[method.upper(), re.sub(r"\{[^}]+\}", "{}", template)] = {
                    each["name"]: choices(document, each)
                    for each in (resolved(document, parameter) for parameter in parameters)
                    if each["in"] == "query"
                }
    return found


def choices(document: dict[str, Any], parameter: dict[str, Any]) -> list[str]:
    schema = resolved(document, parameter.get("schema") or parameter)
    inner = resolved(document, schema.get("items") or {})
    return [str(each) for each in schema.get("enum") or inner.get("enum") or []]


def resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in found:
        target: Any = document
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        found = target
    return found
