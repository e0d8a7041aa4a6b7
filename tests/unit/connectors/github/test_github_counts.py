"""The query that counts issues and pull requests, and what is made of its answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from graphql import build_schema, parse, validate

from connectors.declarative.judge import judge_of
from connectors.github.counts import count_request, counted_rows
from connectors.registry import manifest_named
from connectors.sdk.errors import Fatal, RateLimited
from connectors.sdk.request import Response
from connectors.sdk.scan import Scan, Value
from connectors.sdk.verdicts import Setting

GITHUB = manifest_named("github")
judge = judge_of(GITHUB.manifest, GITHUB.hooks)
HOST = "https://api.github.com"
# What the public schema says of the fields that are asked for.
SCHEMA = build_schema("""
type Query { repository(owner: String!, name: String!, followRenames: Boolean = true): Repository
  rateLimit(dryRun: Boolean = false): RateLimit }
type RateLimit { cost: Int! }
type Repository {
  name: String! owner: RepositoryOwner! hasIssuesEnabled: Boolean!
  issues(states: [IssueState!], first: Int): IssueConnection!
  pullRequests(states: [PullRequestState!], first: Int): PullRequestConnection!
}
type RepositoryOwner { login: String! }
type IssueConnection { totalCount: Int! }
type PullRequestConnection { totalCount: Int! }
enum IssueState { OPEN CLOSED }
enum PullRequestState { OPEN CLOSED MERGED }
""")


def scan(table: str = "issues", repo: Value = ("web", "api")) -> Scan:
    return Scan(
        table=table, access_path="counted", columns=("owner", "repo", "state"), keys={"owner": "acme", "repo": repo}
    )


def answered(data: Any, status: int = 200, headers: dict[str, str] | None = None, **more: Any) -> Response:
    return Response(status=status, headers=headers or {}, body={"data": data, **more}, url=f"{HOST}/graphql")


def repository(name: str = "web", *, issues: bool = True, **counts: int) -> dict[str, Any]:
    aliases = ("openIssues", "closedIssues", "openPulls", "closedPulls")
    totals = {alias: {"totalCount": counts.get(alias, 0)} for alias in aliases}
    return {"name": name, "owner": {"login": "acme"}, "hasIssuesEnabled": issues, **totals}


@pytest.mark.parametrize("table", ["issues", "pull_requests"])
@pytest.mark.parametrize("repo", ["web", tuple(f"r{at}" for at in range(50))])
def test_the_query_is_valid_and_holds_no_value(table: str, repo: Value) -> None:
    request = count_request(scan(table, repo), HOST)
    posted = msgspec.json.decode(request.body or b"")
    assert validate(SCHEMA, parse(posted["query"])) == []
    assert "acme" not in posted["query"]
    names = repo if isinstance(repo, tuple) else (repo,)
    assert set(posted["variables"].values()) == {"acme", *names}


@pytest.mark.parametrize(("table", "repos", "points"), [("issues", 1, 1), ("issues", 37, 1), ("issues", 38, 2)])
def test_a_query_costs_a_point_for_a_hundred_connections(table: str, repos: int, points: int) -> None:
    request = count_request(scan(table, tuple(f"r{at}" for at in range(repos))), HOST)
    assert (request.bucket, request.cost) == ("graphql", points)


@pytest.mark.parametrize("table", ["issues", "pull_requests"])
def test_the_most_that_a_query_costs_is_declared(table: str) -> None:
    path = next(one for one in GITHUB.tables[table].table.access_paths if one.name == "counted")
    repos = tuple(f"r{at}" for at in range(path.batch_keys_max))
    request = count_request(scan(table, repos), HOST)
    assert (path.pays, path.cost) == (request.bucket, request.cost)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (HOST, None),
        ("https://git.example.com/api/v3", "https://git.example.com/api/graphql"),
        ("https://git.example.com/api/v3/", "https://git.example.com/api/graphql"),
    ],
)
def test_an_enterprise_server_is_asked_beside_its_rest_api(base_url: str, url: str | None) -> None:
    request = count_request(scan(), base_url)
    assert (request.path, request.url) == ("/graphql", url)


def test_rows_are_counted_by_kind_and_state() -> None:
    found = repository(openIssues=3, closedIssues=5, openPulls=2, closedPulls=7)
    rows = list(counted_rows(scan(), answered({"r0": found, "r1": None})))
    assert {(r.values["repo"], r.values["state"], r.values["is_pull_request"]): r.count for r in rows} == {
        ("web", "open", False): 3,
        ("web", "closed", False): 5,
        ("web", "open", True): 2,
        ("web", "closed", True): 7,
    }


def test_a_repository_of_another_spelling_has_no_rows() -> None:
    assert list(counted_rows(scan(repo="WEB"), answered({"r0": repository("web", openIssues=3)}))) == []


def test_issues_that_are_turned_off_are_not_counted_but_pull_requests_are() -> None:
    answer = answered({"r0": repository(issues=False, openPulls=2)})
    assert list(counted_rows(scan(repo="web"), answer)) == []
    assert sum(row.count for row in counted_rows(scan("pull_requests", "web"), answer)) == 2


@pytest.mark.parametrize("data", [None, {}, {"r0": {"name": "web"}}, {"r0": {**repository(), "openIssues": None}}])
def test_an_answer_of_another_form_is_an_error(data: Any) -> None:
    with pytest.raises(Fatal):
        list(counted_rows(scan(repo="web"), answered(data)))


def judged(kind: str, **more: Any) -> Any:
    request = count_request(scan(), HOST)
    return judge(request, answered(None, errors=[{"type": kind}], **more), Setting(server="forge", now_s=1000.0))


def test_errors_inside_an_answer_are_taken_by_recovery() -> None:
    limited = judged("RATE_LIMITED", headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030"})
    assert isinstance(limited, RateLimited)
    assert limited.retry_after_s == 30
    assert judged("FORBIDDEN").sqlstate == "42501"
    assert isinstance(judged("SOMETHING_ELSE"), Fatal)
    assert judged("NOT_FOUND") is None
