"""Golden requests of GitHub scans, as pure values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.declarative.readings import Reading
from connectors.declarative.readings import readings as readings_of
from connectors.registry import manifest_named
from connectors.sdk.errors import EmptyResult
from connectors.sdk.grades import grade_of
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import Grade

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
LOADED = manifest_named("github")
REPOSITORY: dict[str, Value] = {"owner": "acme", "repo": "web"}


def readings(asked: Scan) -> tuple[Reading, ...]:
    return readings_of(LOADED, asked, {})


def scan(table: str, path: str, *where: tuple[str, Operator, Value], **more: Any) -> Scan:
    predicates = tuple(Predicate(column=column, operator=operator, value=value) for column, operator, value in where)
    more.setdefault("keys", REPOSITORY)
    more.setdefault("columns", ("id",))
    return Scan(table=table, access_path=path, predicates=predicates, **more)


def order(column: str, direction: Direction) -> tuple[SortKey, ...]:
    return (SortKey(column=column, direction=direction),)


OLDEST = "sort=created&direction=asc"
GOLDEN: list[tuple[Scan, str]] = [
    (scan("issues", "by_repository"), f"/repos/acme/web/issues?state=all&{OLDEST}&per_page=100"),
    (
        scan("issues", "by_repository", ("state", Operator.EQ, "open"), limit=5),
        f"/repos/acme/web/issues?state=open&{OLDEST}&per_page=5",
    ),
    (
        scan(
            "issues",
            "by_repository",
            ("labels", Operator.CONTAINS, ("bug", "p 1")),
            ("labels", Operator.CONTAINS, ("ui",)),
            ("assignee_login", Operator.IS_NULL, None),
            ("milestone_number", Operator.EQ, 3),
            ("updated_at", Operator.GT, MOMENT),
            order=order("updated_at", Direction.DESC),
        ),
        "/repos/acme/web/issues?state=all&labels=bug,p 1,ui&assignee=none&milestone=3&sort=updated&direction=desc"
        "&since=2026-01-02T03:04:05Z&per_page=100",
    ),
    (scan("issues", "by_number", keys={**REPOSITORY, "number": 7}), "/repos/acme/web/issues/7?"),
    (
        scan("pull_requests", "by_repository", ("updated_at", Operator.GE, MOMENT)),
        "/repos/acme/web/pulls?state=all&sort=updated&direction=desc&per_page=100",
    ),
    (
        scan(
            "pull_requests",
            "by_repository",
            ("updated_at", Operator.GE, MOMENT),
            ("base_ref", Operator.EQ, "main"),
            order=order("created_at", Direction.DESC),
        ),
        "/repos/acme/web/pulls?state=all&base=main&sort=created&direction=desc&per_page=100",
    ),
    (
        scan("issue_comments", "by_repository", ("updated_at", Operator.GE, MOMENT)),
        f"/repos/acme/web/issues/comments?since=2026-01-02T03:04:05Z&{OLDEST}&per_page=100",
    ),
    (
        scan("issue_comments", "by_issue", keys={**REPOSITORY, "issue_number": 7}),
        "/repos/acme/web/issues/7/comments?per_page=100",
    ),
    (
        scan(
            "commits",
            "by_repository",
            ("committer_date", Operator.GE, MOMENT),
            ("committer_date", Operator.LT, MOMENT),
            ("author_login", Operator.EQ, "ada"),
            columns=("sha",),
        ),
        "/repos/acme/web/commits?since=2026-01-02T03:04:05Z&until=2026-01-02T03:04:06Z&author=ada&per_page=100",
    ),
    (scan("workflow_runs", "by_repository"), "/repos/acme/web/actions/runs?per_page=100"),
    (
        scan(
            "workflow_runs",
            "by_repository_filtered",
            ("status", Operator.EQ, "completed"),
            ("conclusion", Operator.EQ, "failure"),
            ("created_at", Operator.GE, MOMENT),
            ("created_at", Operator.LE, MOMENT),
        ),
        "/repos/acme/web/actions/runs?status=failure&created=2026-01-02T03:04:05Z..2026-01-02T03:04:06Z&per_page=100",
    ),
    (
        scan("workflow_runs", "by_repository_filtered", ("created_at", Operator.LT, MOMENT)),
        "/repos/acme/web/actions/runs?created=<=2026-01-02T03:04:06Z&per_page=100",
    ),
    (scan("repositories", "mine", keys={}), f"/user/repos?{OLDEST}&per_page=100"),
    (
        scan("repositories", "by_owner", ("fork", Operator.EQ, False), keys={"owner": "acme"}),
        f"/orgs/acme/repos?type=sources&{OLDEST}&per_page=100",
    ),
    (scan("repositories", "by_full_name", keys={"full_name": "acme/web"}), "/repos/acme/web?"),
    (
        scan("labels", "by_repository", keys={"owner": "a/b?", "repo": "ü"}),
        "/repos/a%2Fb%3F/%C3%BC/labels?per_page=100",
    ),
]


@pytest.mark.parametrize(("asked", "written"), GOLDEN)
def test_a_scan_becomes_one_request(asked: Scan, written: str) -> None:
    (reading,) = readings(asked)
    request = reading.request
    path, _, query = written.partition("?")
    assert request.path == path
    assert sorted(f"{name}={text}" for name, text in request.parameters) == sorted(filter(None, query.split("&")))


def test_pull_requests_stop_at_a_boundary_only_when_read_newest_first() -> None:
    bound = ("updated_at", Operator.GE, MOMENT)
    (unordered,) = readings(scan("pull_requests", "by_repository", bound))
    (otherwise,) = readings(scan("pull_requests", "by_repository", bound, order=order("updated_at", Direction.ASC)))
    assert (unordered.boundary, otherwise.boundary) == (MOMENT, None)


def test_only_a_filtered_listing_of_runs_is_capped() -> None:
    (whole,) = readings(scan("workflow_runs", "by_repository"))
    (filtered,) = readings(scan("workflow_runs", "by_repository_filtered", ("event", Operator.EQ, "push")))
    assert (whole.rows_max, filtered.rows_max) == (None, 1000)


def test_roles_of_members_are_asked_for_one_by_one() -> None:
    both = readings(scan("org_members", "by_org", keys={"org": "acme"}, columns=("login", "role")))
    assert [dict(reading.echo) for reading in both] == [{"role": "admin"}, {"role": "member"}]
    (one,) = readings(scan("org_members", "by_org", ("role", Operator.EQ, "admin"), keys={"org": "acme"}))
    assert dict(one.echo) == {"role": "admin"}
    (none,) = readings(scan("org_members", "by_org", keys={"org": "acme"}, columns=("login",)))
    assert dict(none.request.parameters) == {"per_page": "100"}


@pytest.mark.parametrize(
    ("table", "path", "keys"),
    [
        ("commits", "by_sha", {**REPOSITORY, "sha": "main"}),
        ("commits", "by_sha", {**REPOSITORY, "sha": "0123abc"}),
        ("issues", "by_number", {**REPOSITORY, "number": 0}),
        ("repositories", "by_full_name", {"full_name": "web"}),
        ("repositories", "by_full_name", {"full_name": "a/b/c"}),
        ("issues", "by_repository", {"owner": "..", "repo": "web"}),
    ],
)
def test_a_key_that_nothing_can_have_needs_no_request(table: str, path: str, keys: dict[str, Value]) -> None:
    with pytest.raises(EmptyResult):
        readings(scan(table, path, keys=keys))


@pytest.mark.parametrize(
    ("table", "path", "column", "operator", "value", "grade"),
    [
        ("issues", "by_repository", "state", Operator.EQ, "open", Grade.EXACT),
        ("issues", "by_repository", "labels", Operator.CONTAINS, ("bug",), Grade.SUPERSET),
        ("issues", "by_repository", "labels", Operator.CONTAINS, ("a,b",), Grade.NONE),
        ("issues", "by_repository", "labels", Operator.CONTAINS, (), Grade.NONE),
        ("issues", "by_repository", "assignee_login", Operator.EQ, "none", Grade.NONE),
        ("issues", "by_repository", "user_login", Operator.EQ, "dependabot[bot]", Grade.NONE),
        ("issues", "by_repository", "updated_at", Operator.LT, MOMENT, Grade.NONE),
        ("workflow_runs", "by_repository_filtered", "conclusion", Operator.EQ, "startup_failure", Grade.NONE),
        ("repositories", "mine", "private", Operator.EQ, True, Grade.NONE),
    ],
)
def test_grades_depend_on_the_literal(
    table: str, path: str, column: str, operator: Operator, value: Value, grade: Grade
) -> None:
    declared = LOADED.tables[table].table
    access_path = next(found for found in declared.access_paths if found.name == path)
    assert grade_of(access_path, Predicate(column=column, operator=operator, value=value)) is grade
