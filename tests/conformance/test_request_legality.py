"""Checks every request that the connectors of GitHub and Jira can build against the vendors' own API descriptions.

The descriptions are third-party files that are not part of the project: they are read from the folder `shared/specs`
beside the checkout. Where that is missing, the structural checks alone run here, and the report says so; packages that
say the same judge all the same (`tests/conformance/test_vendor_requests.py`).
"""

from __future__ import annotations

import gzip
import json
import re
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hooked_requests import GITHUB, github_requests, jira_requests

from connectors.declarative.readings import readings
from connectors.sdk.errors import EmptyResult
from connectors.sdk.scan import Scan
from connectors.simulators.jira.jql import parse

SPECIFICATIONS = Path(__file__).parents[3] / "shared" / "specs"
FILES = {"github": "github-openapi.json.gz", "jira": "jira-v3-openapi.json.gz"}
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
