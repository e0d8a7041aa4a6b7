"""Every request that the manifests of REST APIs can build is one that a client of others knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from client_programs import notion_client, python_packages
from emitted_requests import emitted, scans
from vendor_clients import (
    Described,
    gitlab_requests,
    jira_agile_requests,
    notion_requests,
    pagerduty_requests,
    slack_requests,
    stripe_requests,
    zendesk_requests,
)

from connectors.declarative.requests import first_request
from connectors.registry import manifest_named
from connectors.sdk.request import Request

CLIENTS: dict[str, tuple[Callable[[], Path], Callable[[Path], Described], int]] = {
    "gitlab": (lambda: python_packages() / "gitlab", gitlab_requests, 200),
    "notion": (notion_client, notion_requests, 20),
    "pagerduty": (lambda: python_packages() / "pagerduty", pagerduty_requests, 100),
    "slack": (lambda: python_packages() / "slack_sdk", slack_requests, 200),
    "stripe": (lambda: python_packages() / "stripe", stripe_requests, 60),
    "zendesk": (lambda: python_packages() / "zenpy", zendesk_requests, 100),
}
KNOWN_GAPS = {"gitlab": frozenset({"author_username", "updated_after", "updated_before"})}
"""Parameters that GitLab documents for issues, merge requests and pipelines, and python-gitlab lists for some of them.

Pipelines have had theirs since GitLab 12.6 (its merge request 21133); glab and labclient send them, too.
"""


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_every_request_of_a_manifest_is_known_to_a_client_of_the_vendor(name: str) -> None:
    package, read, count = CLIENTS[name]
    described = read(package())
    assert len(described) > count
    assert {problem for request in emitted(name) for problem in problems(name, described, request)} == set()


def test_every_request_to_the_agile_api_of_jira_is_known_to_a_client_of_others() -> None:
    described = jira_agile_requests(python_packages() / "jira")
    jira = manifest_named("jira")
    agile = [
        first_request(jira.manifest, jira.tables[name], scan, {})
        for name in ("boards", "sprints")
        for scan in scans(jira.tables[name])
    ]
    assert len({request.template for request in agile}) == 2
    assert {problem for request in agile for problem in problems("jira", described, request)} == set()


def problems(name: str, described: Described, request: Request) -> set[str]:
    """Tell what of a request the client does not know."""
    at = (request.method, re.sub(r"\{\w+\}", "{}", request.template))
    if at not in described:
        return {f"{at} does not exist"}
    known = described[at]
    if known is None:
        return set()
    body = msgspec.json.decode(request.body) if request.body else {}
    found = {f"{at} has no member {member}" for member in body if member not in known}
    for parameter, text in request.parameters:
        plain = parameter.removesuffix("[]")
        if plain not in known and parameter not in KNOWN_GAPS.get(name, ()):
            found.add(f"{at} has no parameter {parameter}")
        elif known.get(plain) and text not in known[plain]:
            found.add(f"{at} does not take {parameter}={text}")
    return found
