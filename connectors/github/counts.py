"""Issues and pull requests counted by state with GitHub's GraphQL API, many repositories in one request. Pure.

After the public schema: `totalCount` of a connection is the number of its items, read from the same records as the
listings of the REST API. Its search would count them as well, but out of an index that follows them at a distance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from connectors.sdk.counted import CountedRows
from connectors.sdk.errors import Fatal
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Scan

TEMPLATE = "/graphql"
BUCKET = "graphql"
COST = "rateLimit { cost }"
"""Asked with every query: the points that it takes, as GitHub counts them."""
_ENTERPRISE = "/api/v3"

# Alias, connection, states in GraphQL, and the values of the table's columns.
_Kind = tuple[str, str, str, Mapping[str, str | bool]]
_PULLS: tuple[_Kind, ...] = (
    ("openPulls", "pullRequests", "OPEN", {"state": "open"}),
    ("closedPulls", "pullRequests", "CLOSED, MERGED", {"state": "closed"}),
)
_KINDS: Mapping[str, tuple[_Kind, ...]] = {
    "pull_requests": _PULLS,
    "issues": (
        ("openIssues", "issues", "OPEN", {"state": "open", "is_pull_request": False}),
        ("closedIssues", "issues", "CLOSED", {"state": "closed", "is_pull_request": False}),
        *((alias, name, states, {**values, "is_pull_request": True}) for alias, name, states, values in _PULLS),
    ),
}


def count_request(scan: Scan, base_url: str) -> Request:
    """Return the request that counts the rows of some repositories of one owner."""
    names = _names(scan)
    declared = ", ".join(["$owner: String!", *(f"$name{at}: String!" for at in range(len(names)))])
    fields = " ".join(
        f"{alias}: {name}(states: [{states}]) {{ totalCount }}" for alias, name, states, _ in _KINDS[scan.table]
    )
    asked = " ".join(
        f"r{at}: repository(owner: $owner, name: $name{at}) {{ name owner {{ login }} hasIssuesEnabled {fields} }}"
        for at in range(len(names))
    )
    variables = {"owner": str(scan.keys["owner"]), **{f"name{at}": name for at, name in enumerate(names)}}
    request = graphql_request(f"query({declared}) {{ {COST} {asked} }}", variables, base_url)
    return replace(request, cost=points(len(names) * len(_KINDS[scan.table])))


def points(connections: int) -> int:
    """Return what a query costs of the rate limit: a point for a hundred connections that it reads, one at least.

    Source: GitHub, "Rate limits and query limits for the GraphQL API", primary rate limit.
    """
    return max(1, (connections + 50) // 100)


def graphql_request(query: str, variables: Mapping[str, object], base_url: str) -> Request:
    """Return the request for a query; an Enterprise Server has both APIs beside each other."""
    body = msgspec.json.encode({"query": query, "variables": variables})
    root = base_url.rstrip("/")
    url = root.removesuffix(_ENTERPRISE) + "/api/graphql" if root.endswith(_ENTERPRISE) else None
    return Request(
        template=TEMPLATE, path=TEMPLATE, method="POST", body=body, url=url, conditional=False, bucket=BUCKET
    )


def counted_rows(scan: Scan, response: Response) -> Iterator[CountedRows]:
    """Yield what an answer counts; a repository that does not exist, or is spelled otherwise, has no rows.

    Raises:
        Fatal: SQLSTATE HV000, the answer has another form.
    """
    try:
        data = response.body["data"]  # type: ignore[index]
        for at, asked in enumerate(_names(scan)):
            found = data[f"r{at}"]
            if found is None or (found["owner"]["login"], found["name"]) != (scan.keys["owner"], asked):
                continue
            if scan.table == "issues" and not found["hasIssuesEnabled"]:
                continue
            for alias, _, _, values in _KINDS[scan.table]:
                row = {"owner": found["owner"]["login"], "repo": asked, **values}
                yield CountedRows(values=row, count=int(found[alias]["totalCount"]))
    except (KeyError, TypeError, ValueError):
        raise Fatal(message=f"the answer of {TEMPLATE} does not count what was asked for") from None


def _names(scan: Scan) -> tuple[str, ...]:
    asked = scan.keys["repo"]
    return tuple(dict.fromkeys(map(str, asked if isinstance(asked, tuple) else (asked,))))
