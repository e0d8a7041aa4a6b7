"""Details of many pull requests by one query, and what is made of its answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from graphql import build_schema, parse, validate

from connectors.github.aliases import PULLS_MAX, Place, bodies, details_request
from connectors.sdk.errors import Fatal
from connectors.sdk.request import Response

HOST = "https://api.github.com"
COLUMNS = ("merged", "mergeable", "additions", "deletions", "changed_files", "commits")
# What the public schema says of the fields that are asked for.
SCHEMA = build_schema("""
type Query { repository(owner: String!, name: String!, followRenames: Boolean = true): Repository
  rateLimit(dryRun: Boolean = false): RateLimit }
type RateLimit { cost: Int! }
type Repository { pullRequest(number: Int!): PullRequest }
type PullRequest {
  additions: Int! changedFiles: Int! commits(after: String, first: Int): PullRequestCommitConnection! deletions: Int!
  mergeable: MergeableState! merged: Boolean!
}
type PullRequestCommitConnection { totalCount: Int! }
enum MergeableState { MERGEABLE CONFLICTING UNKNOWN }
""")
PLACES: list[Place] = [("acme", "web", 7), ("acme", "api", 7), ("acme", "web", 9)]


def answered(data: Any) -> Response:
    return Response(status=200, headers={}, body={"data": data}, url=f"{HOST}/graphql")


def found(**more: Any) -> dict[str, Any]:
    plain = {"merged": False, "mergeable": "UNKNOWN", "additions": 1, "deletions": 2, "changedFiles": 3}
    return {**plain, "commits": {"totalCount": 4}, **more}


@pytest.mark.parametrize("columns", [COLUMNS, ("commits",), ("merged", "mergeable")])
@pytest.mark.parametrize("places", [PLACES, [("acme", "web", at) for at in range(1, PULLS_MAX + 1)]])
def test_the_query_is_valid_and_holds_no_name(places: list[Place], columns: tuple[str, ...]) -> None:
    posted = msgspec.json.decode(details_request(places, columns, HOST).body or b"")
    assert validate(SCHEMA, parse(posted["query"])) == []
    assert "acme" not in posted["query"]
    assert set(posted["variables"].values()) == {name for place in places for name in place[:2]}
    assert posted["query"].count("pullRequest(") == len(places)


def test_bodies_have_the_form_of_the_rest_api_in_the_order_of_the_rows() -> None:
    data = {
        "r0": {"p7": found(mergeable="MERGEABLE"), "p9": found(mergeable="CONFLICTING", merged=True)},
        "r1": {"p7": found()},
    }
    rest = bodies(answered(data), PLACES)
    assert [row["mergeable"] for row in rest] == [True, None, False]
    assert [row["merged"] for row in rest] == [False, False, True]
    assert rest[0] | {"mergeable": None} == {
        "merged": False, "mergeable": None, "additions": 1, "deletions": 2, "changed_files": 3, "commits": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"r0": {"p7": found(), "p9": None}, "r1": {"p7": found()}}, "vanished"),
        ({"r0": {"p7": found(), "p9": found()}, "r1": None}, "vanished"),
        ({"r0": {"p7": found(), "p9": found()}}, "does not tell"),
        (None, "does not tell"),
        ({"r0": {"p7": found(), "p9": 3}, "r1": {"p7": found()}}, "does not tell"),
    ],
)
def test_what_is_missing_from_an_answer_is_an_error(data: Any, said: str) -> None:
    with pytest.raises(Fatal, match=said):
        bodies(answered(data), PLACES)
