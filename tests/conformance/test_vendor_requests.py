"""Every request that a connector can build is legal by what its vendor and others have published as packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import hooked_requests
import pytest
from emitted_requests import emitted
from legal_requests import GATES, Sent, graphql_schema, known_to, problems, sent
from salesforce_client import read_by_jsforce
from salesforce_requests import salesforce_requests

from connectors.declarative.accounts import check_request
from connectors.declarative.requests import graphql_request
from connectors.registry import manifest_named, manifest_names
from connectors.sdk.request import Request
from connectors.simulators.catalogue import NAMES, simulator_of
from connectors.simulators.company import build_company
from connectors.simulators.linear.schema import served_schema

pytestmark = pytest.mark.clients

BUILT: dict[str, Callable[[], Sequence[Request]]] = {
    "github": hooked_requests.github_requests,
    "jira": hooked_requests.jira_requests,
    "salesforce": salesforce_requests,
}
SAMPLES = {
    "version": "v66.0",
    "rest": "sobjects",
    "kind": "contacts",
    "job": "750000000105S73AAE",
    "repository_id": "7",
}
NOT_ASKED = {
    # Searches as they were until 2025, which are answered as those that are gone.
    ("jira", "GET /rest/api/3/search"),
    ("jira", "POST /rest/api/3/search"),
    # The versions that there are, for people; the pin of a server says which is asked.
    ("salesforce", "GET /services/data"),
}


def built(vendor: str) -> list[Request]:
    """Return the requests of a vendor's tables, and those that check an account."""
    found = list(BUILT.get(vendor, lambda: emitted(vendor))())
    if vendor in manifest_names():
        manifest = manifest_named(vendor).manifest
        if manifest.check.graphql is not None:
            found.append(graphql_request(manifest, manifest.check.graphql, {}))
        else:
            found.append(check_request(manifest, manifest.check.request or "", {}))
    return found


@pytest.mark.parametrize("vendor", NAMES)
def test_every_request_of_a_connector_is_legal(vendor: str) -> None:
    requests = built(vendor)
    assert len(requests) > 20
    assert {problem for request in requests for problem in problems(sent(vendor, request))} == set()


LEGAL: dict[str, Sent] = {
    "github": Sent(vendor="github", method="GET", path="/repos/acme/web/issues", parameters=(("state", "open"),)),
    "gitlab": Sent(vendor="gitlab", method="GET", path="/api/v4/projects/7/issues", parameters=(("state", "opened"),)),
    "hubspot": Sent(vendor="hubspot", method="GET", path="/crm/v3/pipelines/deals"),
    "jira": Sent(vendor="jira", method="GET", path="/rest/api/3/project/search", parameters=(("orderBy", "-key"),)),
    "notion": Sent(vendor="notion", method="POST", path="/v1/databases/1/query", body={"page_size": 3}),
    "pagerduty": Sent(vendor="pagerduty", method="GET", path="/incidents", parameters=(("statuses[]", "resolved"),)),
    "salesforce": Sent(
        vendor="salesforce",
        method="POST",
        path="/services/data/v66.0/jobs/query",
        body={"operation": "query", "query": "SELECT Id FROM Account"},
    ),
    "slack": Sent(vendor="slack", method="GET", path="/conversations.list", parameters=(("limit", "3"),)),
    "stripe": Sent(vendor="stripe", method="GET", path="/v1/prices", parameters=(("type", "recurring"),)),
    "zendesk": Sent(
        vendor="zendesk", method="GET", path="/api/v2/search/export", parameters=(("filter[type]", "user"),)
    ),
}


@pytest.mark.parametrize("vendor", sorted(LEGAL))
def test_a_path_a_parameter_and_a_member_that_are_made_up_are_told(vendor: str) -> None:
    legal = LEGAL[vendor]
    assert problems(legal) == set()
    assert "is known to none of" in str(problems(replace(legal, path=f"{legal.path}/of/nothing")))
    assert "has no parameter made_up" in str(problems(replace(legal, parameters=(("made_up", "1"),))))
    assert vendor == "slack" or "is known to none of" in str(problems(replace(legal, method="PATCH")))
    assert "has no member made_up" in str(problems(replace(legal, body={"made_up": 1})))


@pytest.mark.parametrize("vendor", ["github", "jira", "pagerduty", "salesforce", "stripe", "zendesk"])
def test_a_value_that_no_closed_set_has_is_told(vendor: str) -> None:
    legal = LEGAL[vendor]
    wrong = replace(
        legal,
        parameters=tuple((name, "made-up") for name, _ in legal.parameters),
        body=None if legal.body is None else {**legal.body, "operation": "made-up"},
    )
    assert "does not take" in str(problems(wrong))


def test_a_search_of_hubspot_with_a_wrong_comparison_is_told() -> None:
    def search(**changed: str) -> Sent:
        condition = {"propertyName": "email", "operator": "EQ", "value": "a@b.example", **changed}
        body = {"filterGroups": [{"filters": [condition]}], "limit": 3}
        return Sent(vendor="hubspot", method="POST", path="/crm/v3/objects/contacts/search", body=body)

    assert problems(search()) == set()
    assert "'LIKE' is not one of" in str(problems(search(operator="LIKE")))
    assert "there is no key made_up" in str(problems(search(made_up="1")))


@pytest.mark.parametrize(
    ("query", "variables", "problem"),
    [
        ("{ issues(first: 1) { nodes { id } } }", {}, ""),
        ("{ issues(first: 1) { nodes { made_up } } }", {}, "Cannot query field 'made_up' on type 'Issue'"),
        ("{ issues(made_up: 1) { nodes { id } } }", {}, "Unknown argument 'made_up'"),
        ("query($f: IssueFilter) { issues(filter: $f) { nodes { id } } }", {"f": {"made_up": 1}}, "is not defined by"),
        (
            "query($o: PaginationOrderBy) { issues(orderBy: $o) { nodes { id } } }",
            {"o": "made_up"},
            "does not exist in",
        ),
    ],
)
def test_a_query_to_linear_that_its_schema_does_not_have_is_told(
    query: str, variables: dict[str, object], problem: str
) -> None:
    asked = Sent(vendor="linear", method="POST", path="/graphql", body={"query": query, "variables": variables})
    assert problems(asked) == set() if not problem else problem in str(problems(asked))


def test_a_query_to_github_that_its_schema_does_not_have_is_told() -> None:
    asked = Sent(vendor="github", method="POST", path="/graphql", body={"query": "{ viewer { made_up } }"})
    assert "Cannot query field 'made_up' on type 'User'" in str(problems(asked))


def test_a_part_of_a_composite_request_is_judged_as_a_request() -> None:
    def composite(url: str) -> Sent:
        part = {"method": "GET", "url": url, "referenceId": "r0"}
        body = {"allOrNone": False, "compositeRequest": [part]}
        return Sent(vendor="salesforce", method="POST", path="/services/data/v66.0/composite", body=body)

    assert problems(composite("/services/data/v66.0/sobjects/Account/describe")) == set()
    assert "is known to none of" in str(problems(composite("/services/data/v66.0/sobjects/Account/made_up")))
    assert "has no parameter made_up" in str(problems(composite("/services/data/v66.0/query?made_up=1")))


def test_jsforce_reads_what_the_simulator_of_salesforce_holds() -> None:
    said, log = read_by_jsforce()
    assert said["objects"] > 10
    assert said["fields"] > 30
    assert (said["done"], said["more"], said["rows"]) == (False, 200, 100)
    assert said["count"] > 400
    assert (said["state"], said["refused"]) == ("Aborted", "invalid_client_id")
    assert {record["status"] for record in log} <= {200, 204, 400}


def test_the_simulator_serves_a_part_of_the_schema_that_linear_publishes() -> None:
    # The types of the client are spelled in Pascal's way, IDComparator as IdComparator. Those of late 2026 take a slug
    # in the place of an identifier as well, where the simulator takes what was before.
    theirs = {name.lower(): declared for name, declared in graphql_schema("linear").type_map.items()}
    for name, served in served_schema().type_map.items():
        if not name.startswith("__") and hasattr(served, "fields"):
            for field, declared in served.fields.items():
                known = theirs[name.lower()].fields[field]  # type: ignore[attr-defined]
                told = str(known.type).lower().replace("entityidentifieridcomparator", "idcomparator")
                assert told == str(declared.type).lower(), f"{name}.{field}"


def test_every_way_into_a_simulator_is_known_to_a_gate() -> None:
    unknown = set()
    company = build_company(issues=50)
    for vendor in NAMES:
        for route in simulator_of(vendor, company, token="token").router.routes():
            assert route.resource is not None
            template = route.resource.canonical
            path = re.sub(r"\{(\w+)\}", lambda found: SAMPLES.get(found[1], "12"), template)
            if template.startswith("/_sim/") or route.method == "HEAD" or template == "/graphql":
                continue
            if not known_to(Sent(vendor=vendor, method=route.method, path=path)):
                unknown.add((vendor, f"{route.method} {template}"))
    assert unknown == NOT_ASKED


def test_every_vendor_has_a_gate() -> None:
    assert {*GATES, "linear"} == set(NAMES)
