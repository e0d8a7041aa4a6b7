"""Checks every request that the connectors can build against the vendors' own API descriptions.

The descriptions are third-party files that are not part of the project: they are read from the folder `shared/specs`
beside the checkout. Where that is missing, the structural checks alone run, and the report says so.
"""

from __future__ import annotations

import asyncio
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
from urllib.parse import urlsplit

import pytest

from connectors.declarative.discovering import extended
from connectors.declarative.hooks import Site
from connectors.declarative.readings import readings
from connectors.declarative.requests import hydrate_request, spelling_request, with_cursor
from connectors.github.hooks import repositories_of_user
from connectors.jira.fields import FIELDS, custom_fields
from connectors.jira.searching import VOCABULARIES, asked
from connectors.registry import manifest_named
from connectors.sdk.errors import EmptyResult
from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Grade, Table
from connectors.simulators.jira.jql import parse

GITHUB = manifest_named("github")
SPECIFICATIONS = Path(__file__).parents[3] / "shared" / "specs"
FILES = {"github": "github-openapi.json.gz", "jira": "jira-v3-openapi.json.gz"}
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
KEYS: dict[str, Value] = {
    "owner": "acme", "repo": "web", "name": "web", "full_name": "acme/web", "number": 7, "issue_number": 7,
    "sha": "0123456789abcdef0123456789abcdef01234567", "org": "acme", "key": "WEB-1", "issue_key": "WEB-1",
    "board_id": 1, "query": "is:open crash",
}  # fmt: skip
SAMPLES: dict[str, list[Value]] = {
    "text": ["open", "completed", "success", "admin", "scrum", "software", "active", "main", "a@b.example",
             "WEB-1", "To Do", "% two words %", "5b10ac8d82e05b22cc7d4ef5",
             'quote " and \\ and \n and \x07 and \U0001f600'],
    "text[]": [("bug", "good first issue")],
    "bool": [True, False],
    "int4": [3],
    "int8": [3],
    "float8": [3.5, -2.0, 1e-7],
    "timestamptz": [MOMENT],
    "date": [date(2026, 1, 2)],
}  # fmt: skip
CUSTOM = [
    {"id": f"customfield_{10000 + at}", "name": f"Field {at}", "custom": True, "schema": {"type": kind}}
    for at, kind in enumerate(("number", "date", "datetime", "option", "user", "string"))
]


JIRA = extended(
    manifest_named("jira"), custom_fields(CUSTOM, frozenset(manifest_named("jira").tables["issues"].columns))
)


def scans(table: Table) -> Iterator[Scan]:
    """Every access path alone, with each pushdown, each order and a limit."""
    columns = tuple(column.name for column in table.columns)
    for path in table.access_paths:
        keys = {name: KEYS[name] for name in path.keys}
        bare = Scan(table=table.name, access_path=path.name, columns=columns, keys=keys)
        yield bare
        yield replace(bare, limit=3)
        yield from (replace(bare, predicates=(predicate,)) for predicate in predicates(table, path))
        for column, directions in path.order.items():
            yield from (replace(bare, order=(SortKey(column=column, direction=each),)) for each in directions)


def predicates(table: Table, path: AccessPath) -> Iterator[Predicate]:
    for name, operators in path.operators.items():
        for operator, pushdown in operators.items():
            for sample in SAMPLES[table.column(name).type_name]:
                value: Value = (sample,) if operator in {Operator.IN, Operator.NOT_IN} else sample
                value = None if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL} else value
                predicate = Predicate(column=name, operator=operator, value=value)
                is_known = pushdown.values is None or value in pushdown.values
                if is_known and grade_of(path, predicate) is not Grade.NONE:
                    yield predicate


def github_requests() -> list[Request]:
    found: list[Request] = []
    for table in GITHUB.tables.values():
        row: dict[str, Any] = {
            "base": {"repo": {"owner": {"login": "acme"}, "name": "web"}}, "number": 7, "sha": "0" * 40,
            "url": "https://api.github.com/repos/acme/web/commits/x",
        }  # fmt: skip
        found += [hydrate_request(GITHUB.manifest, table, each, row) for each in table.hydrate]
        for scan in scans(table.table):
            path = table.paths[scan.access_path]
            if path.counting is not None:
                continue
            listings = [reading.request for reading in readings(GITHUB, scan, {})]
            found += listings
            found += [spelling_request(GITHUB.manifest, path, key, scan) for key in path.spelled]
            if path.instead is not None:
                found += [asyncio.run(instead_of(scan, listings[0], login)) for login in ("acme", "ada")]
    return found


async def instead_of(scan: Scan, listing: Request, login: str) -> Request:
    return await repositories_of_user(Site(send=unasked, known={"login": login}), scan, listing)


async def unasked(request: Request) -> Response:
    raise AssertionError(request)


def jira_requests() -> list[Request]:
    found = [asked(template) for template in (FIELDS, *VOCABULARIES.values())]
    for table in JIRA.tables.values():
        for scan in scans(table.table):
            (reading,) = readings(JIRA, scan, {})
            found.append(reading.request)
            if scan.table == "issues":
                advance = with_cursor(table.paths[scan.access_path], "nextPageToken")
                found.append(advance(reading.request, "token"))
    return found


REQUESTS = {"github": github_requests, "jira": jira_requests}


@pytest.mark.parametrize("vendor", sorted(REQUESTS))
def test_every_request_is_well_formed(vendor: str) -> None:
    built = REQUESTS[vendor]()
    assert len(built) > 50
    for request in built:
        assert re.fullmatch(r"(/[A-Za-z0-9._~%-]+)+", request.path), request.path
        assert len(request.path.split("/")) == len(request.template.split("/"))
        names = [name for name, _ in request.parameters]
        assert all(text.strip() for _, text in request.parameters), request
        assert len(names) == len(set(names)) or "keys" in names, names
        assert urlsplit(request.path).query == ""


@pytest.mark.parametrize("vendor", sorted(REQUESTS))
def test_every_request_exists_in_the_description_of_the_vendor(vendor: str) -> None:
    described = description(vendor)
    if described is None:
        warnings.warn(f"no API description of {vendor} at {SPECIFICATIONS}: the gate is inactive", stacklevel=1)
        described = {request.template: None for request in REQUESTS[vendor]()}
    problems = set()
    for request in REQUESTS[vendor]():
        # The platform's description leaves the agile API out.
        if request.template.startswith("/rest/agile/"):
            continue
        if request.template not in described:
            problems.add(f"{request.template} does not exist")
            continue
        parameters = described[request.template]
        if parameters is None:
            continue
        for name, text in request.parameters:
            if name not in parameters:
                problems.add(f"{request.template} has no parameter {name}")
            elif parameters[name] and text not in parameters[name]:
                problems.add(f"{request.template} does not take {name}={text}")
    assert problems == set()


def test_every_query_follows_the_grammar() -> None:
    searches = [request for request in jira_requests() if request.template == "/rest/api/3/search/jql"]
    texts = {dict(request.parameters)["jql"] for request in searches}
    assert len(texts) > 60
    for text in texts:
        assert parse(text).where is not None


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_a_name_that_would_leave_its_segment_needs_no_request(name: str) -> None:
    scan = Scan(table="labels", access_path="by_repository", columns=("id",), keys={"owner": "acme", "repo": name})
    with pytest.raises(EmptyResult):
        readings(GITHUB, scan, {})


@lru_cache
def description(vendor: str) -> dict[str, dict[str, list[str]] | None] | None:
    """Read the paths of a vendor, for each its query parameters and their closed sets of values."""
    file = SPECIFICATIONS / FILES[vendor]
    if not file.is_file():
        return None
    document = json.loads(gzip.decompress(file.read_bytes()))
    return {
        template: {
            parameter["name"]: (parameter.get("schema") or {}).get("enum") or []
            for parameter in (resolved(document, each) for each in item["get"].get("parameters", []))
            if parameter["in"] == "query"
        }
        for template, item in document["paths"].items()
        if "get" in item
    }


def resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in found:
        target: Any = document
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        found = target
    return found
