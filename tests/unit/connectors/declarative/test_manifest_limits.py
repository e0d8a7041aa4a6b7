"""Rate limits that manifests declare: what each kind of request pays, beside what else, and what answers tell of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.judge import quota_of
from connectors.declarative.load import load_text
from connectors.registry import manifest_named, manifest_names, shipped_file
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.limits import charges_beside, charges_made, quotas_told
from connectors.sdk.request import Charge, Request, Response
from connectors.simulators.slack.app import _TIER_OF as TIER_OF
from connectors.simulators.slack.app import TIERS


def paid(name: str) -> Iterator[tuple[str, str]]:
    """Yield the request and the limit that it pays of each path of a manifest."""
    for each in manifest_named(name).tables.values():
        for path in each.table.access_paths:
            yield path.request.split(",")[0], path.pays or each.table.pays


def limits(name: str) -> DeclarativeConnector:
    return DeclarativeConnector(manifest_named(name))


def answer(body: object = None, **headers: str) -> Response:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Response(status=200, headers=named, body=body, url="")


@pytest.mark.parametrize("name", manifest_names())
def test_what_is_paid_is_declared_where_limits_are(name: str) -> None:
    declared = limits(name).limits
    assert not declared or {limit for _, limit in paid(name)} <= set(declared)


def test_each_method_of_slack_has_the_limit_of_its_tier() -> None:
    declared = limits("slack").limits
    for request, limit in paid("slack"):
        tier = TIER_OF.get(request.removeprefix("GET /"), 3)
        assert (declared[limit].points, declared[limit].every_s) == (TIERS[tier], 60), request
    # No two methods share one, but for those that are left.
    apart = [limit for _, limit in paid("slack") if limit != "requests"]
    assert len(apart) == len(set(apart))


def test_searches_of_hubspot_have_their_own_limit_of_which_no_header_tells() -> None:
    search = {limit for request, limit in paid("hubspot") if request.endswith("/search")}
    others = {limit for request, limit in paid("hubspot") if not request.endswith("/search")}
    assert (search, others) == ({"search"}, {"requests"})
    told = quotas_told(
        quota_of(manifest_named("hubspot").manifest),
        limits("hubspot").limits,
        Request(template="/search", path="/search", bucket="search"),
        answer(x_hubspot_ratelimit_max="100", x_hubspot_ratelimit_remaining="7"),
        0.0,
    )
    assert [(each.bucket, each.remaining) for each in told] == [("requests", 7)]


def test_exports_of_zendesk_count_as_requests_besides() -> None:
    declared = limits("zendesk").limits
    found = {limit for request, limit in paid("zendesk") if "incremental" in request or "export" in request}
    assert found == {"incremental", "export"}
    for limit in found:
        request = Request(template="/a", path="/a", bucket=limit)
        assert charges_beside(declared, request) == (Charge(limit="requests", points=1),)
    assert charges_beside(declared, Request(template="/a", path="/a", bucket="requests")) == ()


def test_github_is_asked_no_faster_than_its_secondary_limits_allow_and_tells_what_queries_cost() -> None:
    declared = limits("github").limits
    by_limit = {}
    for limit in ("core", "search", "graphql"):
        asked = Request(template="/a", path="/a", bucket=limit, cost=3)
        by_limit[limit] = charges_made(declared, asked, 200, answer({"data": {}}))
    assert {limit: [each.limit for each in found] for limit, found in by_limit.items()} == {
        "core": ["core", "rest_per_minute"],
        "search": ["search", "rest_per_minute"],
        "graphql": ["graphql", "graphql_per_minute"],
    }
    query = Request(template="/graphql", path="/graphql", bucket="graphql", cost=3)
    told = charges_made(declared, query, 200, answer({"data": {"rateLimit": {"cost": 2}}}))
    assert told[0] == Charge(limit="graphql", points=2, told=True)
    # An Enterprise Server without limits says null.
    untold = charges_made(declared, query, 200, answer({"data": {"rateLimit": None}}))
    assert untold[0] == Charge(limit="graphql", points=3)


def test_one_limit_counts_the_fields_of_queries() -> None:
    text = shipped_file("linear").read_text(encoding="utf-8")
    counted = next(line.strip() for line in text.splitlines() if line.strip().startswith("complexity: {"))
    twice = text.replace("requests: {points: 1500, every_s: 3600}", f"requests: {{points: 1500, {counted}}}")
    with pytest.raises(ManifestInvalid, match="limit requests counts the fields of queries already"):
        load_text(twice, "linear.yaml")


def test_a_column_whose_selection_cannot_be_read_is_refused() -> None:
    text = shipped_file("linear").read_text(encoding="utf-8")
    broken = text.replace("select: labels(first:50){nodes{name}", "select: labels(first:50){nodes{name}}")
    with pytest.raises(ManifestInvalid, match="is no selection of GraphQL"):
        load_text(broken, "linear.yaml")
