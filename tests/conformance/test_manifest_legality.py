"""Checks every request that the REST manifests can build against the vendors' own API descriptions.

Where a description is missing, or a vendor has none, the structural checks alone run (see `api_descriptions`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
import pytest
from api_descriptions import FILES, SPECIFICATIONS, choices, read, resolved
from emitted_requests import emitted

from connectors.simulators.catalogue import PLAIN

PREFIXES: dict[str, str] = {}
"""What a description leaves out of its paths, because it stands in the address of its server."""

KNOWN_GAPS: dict[str, frozenset[str]] = {
    "zendesk": frozenset(
        {"page[size]", "page[after]", "sort", "score", "start_time", "end_time", "exclude_deleted", "per_page"}
    ),
}
"""Parameters that a vendor documents in prose only."""

PATH_GAPS = frozenset({("zendesk", "/api/v2/tickets/{}/metrics"), ("hubspot", "/crm/v3/pipelines/deals")})
"""Paths that a vendor documents in prose only."""


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


@pytest.mark.parametrize("name", sorted(FILES.keys() & set(PLAIN)))
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


def misfits(document: dict[str, Any], schema: Mapping[str, Any], value: object) -> Iterator[str]:
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
