"""Every request that the manifests of Stripe, GitLab and Notion can build is one that a typed client knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from client_programs import notion_client, python_packages
from emitted_requests import emitted
from vendor_clients import Described, gitlab_requests, notion_requests, stripe_requests

from connectors.sdk.request import Request

CLIENTS: dict[str, tuple[Callable[[], Path], Callable[[Path], Described], int]] = {
    "gitlab": (lambda: python_packages() / "gitlab", gitlab_requests, 200),
    "notion": (notion_client, notion_requests, 20),
    "stripe": (lambda: python_packages() / "stripe", stripe_requests, 60),
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


def problems(name: str, described: Described, request: Request) -> set[str]:
    """Tell what of a request the client does not know."""
    at = (request.method, re.sub(r"\{\w+\}", "{}", request.template))
    if at not in described:
        return {f"{at} does not exist"}
    known = described[at]
    body = msgspec.json.decode(request.body) if request.body else {}
    found = {f"{at} has no member {member}" for member in body if member not in known}
    for parameter, text in request.parameters:
        plain = parameter.removesuffix("[]")
        if plain not in known and parameter not in KNOWN_GAPS.get(name, ()):
            found.add(f"{at} has no parameter {parameter}")
        elif known.get(plain) and text not in known[plain]:
            found.add(f"{at} does not take {parameter}={text}")
    return found
