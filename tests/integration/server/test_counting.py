"""Statements that only count what a source can count for them: one request, and PostgreSQL's answer."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest
from demo_server import DemoServer, company
from sessions import asked, rows_of, value_of

OWN = "owner = 'acme' AND repo IN ('web', 'api', 'billing')"


def items(*repositories: str) -> Counter[tuple[str, str, bool]]:
    """Count the items of repositories by name, state and kind."""
    forge = company().forge
    return Counter(
        (found.name, item.state, item.pull_request is not None)
        for found in forge.repositories
        if found.owner == "acme" and found.name in repositories
        for item in forge.items(found)
    )


def test_open_items_of_three_repositories_are_counted_by_one_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    count = value_of(ana, f"SELECT count(*) FROM github.issues WHERE {OWN} AND state = 'open'")
    assert count == sum(n for (_, state, _), n in items("web", "api", "billing").items() if state == "open")
    assert [path for path, _ in asked(demo.github)] == ["/graphql"]


def test_groups_are_counted_by_the_same_request(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"SELECT repo, state, is_pull_request, count(*) FROM github.issues WHERE {OWN} GROUP BY 1, 2, 3"
    assert {row[:3]: row[3] for row in rows_of(ana, sql)} == dict(items("web", "api", "billing"))
    assert [path for path, _ in asked(demo.github)] == ["/graphql"]


def test_pull_requests_are_counted(ana: psycopg.Connection) -> None:
    sql = "SELECT state, count(*) FROM github.pull_requests WHERE owner = 'acme' AND repo = 'web' GROUP BY state"
    expected: Counter[str] = Counter()
    for (_, state, is_pull_request), count in items("web").items():
        expected[state] += count * is_pull_request
    assert dict(rows_of(ana, sql)) == dict(expected)


@pytest.mark.parametrize("repo", ["WEB", "no-such-repository", "", 'we"b', "web') { x }"])
def test_a_repository_of_another_name_has_no_items(ana: psycopg.Connection, repo: str) -> None:
    sql = "SELECT count(*) FROM github.issues WHERE owner = 'acme' AND repo = $1"
    assert rows_of(ana, sql, (repo,)) == [(0,)]


def test_a_row_filter_decides_what_is_counted(demo: DemoServer, eve: psycopg.Connection) -> None:
    assert value_of(eve, f"SELECT count(*) FROM github.issues WHERE {OWN}") == items("web").total()
    bodies = [request["body"] for request in demo.github.requests()]
    assert not any("billing" in str(body) for body in bodies)


def test_any_other_column_is_listed(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"SELECT count(user_login) FROM github.issues WHERE {OWN} AND state = 'open'"
    assert value_of(ana, sql) > 0
    assert "/graphql" not in {path for path, _ in asked(demo.github)}


def test_tickets_are_counted_by_their_keys(demo: DemoServer, ana: psycopg.Connection) -> None:
    count = value_of(ana, "SELECT count(*) FROM jira.issues WHERE project_key = 'WEB'")
    assert count == len(company().tracker.project_issues("WEB"))
    ((_, parameters),) = asked(demo.jira)
    assert (parameters["fields"], parameters["maxResults"]) == ("key", "5000")


@pytest.mark.parametrize("table", ["labels", "issues", "releases"])
def test_one_repository_named_twice_is_read_once(ana: psycopg.Connection, table: str) -> None:
    once = rows_of(ana, f"SELECT repo, id FROM github.{table} WHERE owner = 'acme' AND repo = 'web' ORDER BY 2")
    twice = f"SELECT repo, id FROM github.{table} WHERE owner = 'acme' AND repo IN ('web', 'WEB', 'Web') ORDER BY 2"
    assert rows_of(ana, twice) == once


def test_explain_shows_what_is_counted(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = f"SELECT repo, count(*) FROM github.issues WHERE {OWN} AND state = 'open' GROUP BY repo"
    lines = [line.strip() for (line,) in rows_of(ana, f"EXPLAIN {sql}")]
    assert "Access Path: counted, POST /graphql, totalCount" in lines
    assert (
        'Not Pushed: "issues"."state" = \'open\': it is evaluated over what was counted, which costs no request'
        in lines
    )
    assert "API Calls: minimum 1, expected 1, maximum 1" in lines
    assert asked(demo.github) == []
