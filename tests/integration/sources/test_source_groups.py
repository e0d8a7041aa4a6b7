"""Several accounts as one: views over the members of a group, whose rows say which member they are from."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from demo_server import DemoServer
from source_world import GOOD_TOKEN, Said, refusal


def run(session: psycopg.Connection, sql: str) -> list[Any]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


@pytest.fixture
def group(demo: DemoServer, owner: psycopg.Connection) -> str:
    """Make two servers that lead to the same simulator, a group `gh` of them, and import its tables into schema s."""
    for name in ("gh_eu", "gh_us"):
        run(owner, f"CREATE SERVER {name} FOREIGN DATA WRAPPER github OPTIONS (base_url '{demo.github.base_url}')")
        run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS (token '{GOOD_TOKEN}')")
    run(owner, "CREATE SERVER gh FOREIGN DATA WRAPPER github OPTIONS (members 'gh_eu, gh_us')")
    run(owner, "IMPORT FOREIGN SCHEMA github LIMIT TO (labels, repositories) FROM SERVER gh INTO s")
    demo.reset()
    return "gh"


LABELS = "FROM s.labels WHERE owner = 'acme' AND repo = 'web'"


def test_rows_of_all_members_say_whose_they_are(owner: psycopg.Connection, group: str) -> None:
    counted = run(owner, f"SELECT _source, count(*) {LABELS} GROUP BY 1 ORDER BY 1")
    assert [name for name, _ in counted] == ["gh_eu", "gh_us"]
    assert counted[0][1] == counted[1][1] > 0
    tables = run(owner, "SELECT relname, relkind FROM pg_class WHERE relnamespace = 's'::regnamespace ORDER BY 1")
    assert tables == [
        ("labels", "v"), ("labels@gh_eu", "f"), ("labels@gh_us", "f"),
        ("repositories", "v"), ("repositories@gh_eu", "f"), ("repositories@gh_us", "f"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        ("_source = 'gh_us'", {"gh_us"}),
        ("_source IN ('gh_eu', 'nowhere')", {"gh_eu"}),
        ("_source <> 'gh_eu'", {"gh_us"}),
        ("_source NOT IN ('gh_eu', 'gh_us')", set()),
        ("_source LIKE 'gh%'", {"gh_eu", "gh_us"}),
        ("(_source = 'gh_eu' OR _source = 'x')", {"gh_eu"}),
    ],
)
def test_conditions_on_the_source_ask_only_the_members_they_mean(
    demo: DemoServer, owner: psycopg.Connection, group: str, condition: str, asked: set[str]
) -> None:
    rows = run(owner, f"SELECT DISTINCT _source {LABELS} AND {condition}")
    assert {name for (name,) in rows} == asked
    reports = run(owner, "SELECT source, requests FROM omnisql.last_query_sources")
    assert {name for name, requests in reports if requests} == asked


def test_groups_join_by_source_and_keys(owner: psycopg.Connection, group: str) -> None:
    sql = (
        "SELECT r._source, r.name, count(*) FROM s.repositories r JOIN s.labels l"
        " ON l._source = r._source AND l.owner = r.owner AND l.repo = r.name"
        " WHERE r.owner = 'acme' AND r.name = 'web' AND r._source = 'gh_eu' GROUP BY 1, 2"
    )
    ((source, name, count),) = run(owner, sql)
    assert (source, name) == ("gh_eu", "web")
    assert count > 0


def test_a_member_that_fails_is_treated_as_the_session_wants(
    owner: psycopg.Connection, group: str, notices: list[Said]
) -> None:
    run(owner, "ALTER SERVER gh_us OPTIONS (SET base_url 'http://127.0.0.1:1')")
    run(owner, f"ALTER USER MAPPING FOR PUBLIC SERVER gh_us OPTIONS (SET token '{GOOD_TOKEN}')")
    assert refusal(owner, f"SELECT count(*) {LABELS}").sqlstate == "08006"
    run(owner, "SET omnisql.on_source_error = 'partial'")
    assert run(owner, f"SELECT DISTINCT _source {LABELS}") == [("gh_eu",)]
    assert notices[-1].severity == "WARNING"
    assert "gh_us" in notices[-1].message


def test_what_a_group_does_not_have_is_refused(owner: psycopg.Connection, group: str, notices: list[Said]) -> None:
    for sql, sqlstate in (
        ("CREATE USER MAPPING FOR PUBLIC SERVER gh OPTIONS (token 'x')", "0A000"),
        ("CREATE FOREIGN TABLE s.x (name text) SERVER gh OPTIONS (\"table\" 'labels')", "0A000"),
        ("ALTER SERVER gh OPTIONS (ADD base_url 'https://x.example')", "HV00D"),
        ("ALTER SERVER gh OPTIONS (SET members 'gh_eu,nowhere')", "HV00D"),
        ("ALTER SERVER gh OPTIONS (SET members 'gh_eu,gh_eu')", "HV00D"),
        ("ALTER SERVER gh OPTIONS (SET members 'gh')", "HV00D"),
        ("ALTER SERVER gh_eu OPTIONS (ADD members 'gh_us')", "HV00D"),
        ("CREATE SERVER g2 FOREIGN DATA WRAPPER jira OPTIONS (members 'gh_eu')", "HV00D"),
        ("CREATE SERVER g2 FOREIGN DATA WRAPPER github OPTIONS (members 'gh_eu', api_version 'x')", "HV00D"),
        ("CREATE SERVER g2 FOREIGN DATA WRAPPER github OPTIONS (members '')", "HV00D"),
    ):
        assert refusal(owner, sql).sqlstate == sqlstate, sql
    run(owner, "CALL omnisql.check_source('gh')")
    assert [said.message.split('"')[1] for said in notices[-2:]] == ["gh_eu", "gh_us"]
    run(owner, "ALTER SERVER gh OPTIONS (SET members 'gh_us')")
