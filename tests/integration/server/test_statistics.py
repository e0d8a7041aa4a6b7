"""Statistics of API tables, from fetch to EXPLAIN: learned, shown, refreshed by ANALYZE, kept by restarts, dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from demo_server import DemoServer, company, demo_directory, start_demo
from served import until
from sessions import WEB, WEB_COUNT, Connect, open_session, refused, rows_of, value_of

ISSUES = f"SELECT title FROM github.issues WHERE {WEB}"
KEYED = ["owner = 1", "repo = 1"]
MISSES = "SELECT table_name, condition, statements, calls FROM omnisql.pushdown_misses ORDER BY 2"


def known(session: psycopg.Connection, table: str) -> dict[tuple[str, ...], tuple[float, str, bool, int]]:
    """Return what the server shows of a table: rows, origin, stale and sightings by shape."""
    schema, _, name = table.partition(".")
    sql = (
        "SELECT shape, rows, origin, stale, sightings FROM omnisql.statistics"
        f" WHERE schema_name = '{schema}' AND table_name = '{name}'"
    )
    return {tuple(shape): (rows, origin, stale, count) for shape, rows, origin, stale, count in rows_of(session, sql)}


def scan_of(session: psycopg.Connection, sql: str) -> dict[str, Any]:
    """Return the only scan of a plan."""
    plan = value_of(session, f"EXPLAIN (FORMAT JSON) {sql}")
    (scan,) = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plans"]
    found: dict[str, Any] = scan
    return found


@pytest.fixture
def told(admin: psycopg.Connection) -> list[tuple[str, str]]:
    """Collect the messages and details that the owner's session is told."""
    heard: list[tuple[str, str]] = []
    admin.add_notice_handler(lambda d: heard.append((d.message_primary or "", d.message_detail or "")))
    return heard


def test_a_fetch_is_learned_from_and_prices_the_next_one(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    admin.execute("ANALYZE github.issues")
    assert value_of(ana, f"SELECT count(*) FROM ({ISSUES}) s") == WEB_COUNT
    (before,) = (shown for shape, shown in known(ana, "github.issues").items() if list(shape) == KEYED)
    assert (before[1], before[3]) == ("source", 2)
    state = f"{ISSUES} AND state = 'open'"
    opened = len(rows_of(ana, state))
    rows, origin, stale, sightings = known(ana, "github.issues")[("owner = 1", "repo = 1", "state = 1")]
    assert (rows, origin, stale, sightings) == (opened, "observed", False, 1)
    scan = scan_of(ana, state)
    assert scan["Expected Rows"] == opened
    assert scan["Statistic"]["Origin"] == "observed"
    assert scan["Expected API Calls"] == max(1, -(-opened // 100))


def test_what_was_cut_short_is_not_learned_from(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    admin.execute("ANALYZE github.releases")
    before = known(ana, "github.releases")
    rows_of(ana, f"SELECT tag_name FROM github.releases WHERE {WEB} LIMIT 1")
    assert known(ana, "github.releases") == before


def test_analyze_asks_jira_for_a_count_and_says_what_it_cost(
    demo: DemoServer, admin: psycopg.Connection, told: list[tuple[str, str]]
) -> None:
    total = value_of(admin, "SELECT count(*) FROM jira.issues")
    demo.jira.reset()
    assert admin.execute("ANALYZE jira.issues").statusmessage == "ANALYZE"
    assert told == [
        (
            f"API table jira.issues was analyzed: about {total} rows",
            "POST /rest/api/3/search/approximate-count: 1 API call.",
        )
    ]
    assert [request["path"] for request in demo.jira.requests()] == ["/rest/api/3/search/approximate-count"]
    assert known(admin, "jira.issues")[()] == (total, "source", False, 1)
    assert scan_of(admin, "SELECT key FROM jira.issues")["Expected Rows"] == total


def test_analyze_counts_issues_of_all_repositories_by_search(
    demo: DemoServer, admin: psycopg.Connection, told: list[tuple[str, str]]
) -> None:
    admin.execute("ANALYZE github.issues (title)")
    forge = company().forge
    own = [repository for repository in forge.repositories if repository.owner == "acme"]
    mean = sum(len(forge.items(repository)) for repository in own) / len(own)
    (message, detail) = told[0]
    assert message == f"API table github.issues was analyzed: about {mean:.1f} rows for each owner, repo"
    assert detail == "GET /search/issues, total_count: 3 API calls."
    assert [request["path"] for request in demo.github.requests()] == [
        "/user/repos",
        "/search/issues",
        "/search/issues",
    ]


def test_a_table_whose_size_nobody_tells_has_its_statistics_marked_stale(
    demo: DemoServer, ana: psycopg.Connection, admin: psycopg.Connection, told: list[tuple[str, str]]
) -> None:
    rows_of(ana, "SELECT id FROM jira.sprints WHERE board_id = 1")
    demo.jira.reset()
    admin.execute("ANALYZE jira.sprints")
    assert demo.jira.requests() == []
    assert told[0][0] == "API table jira.sprints was analyzed: its size cannot be asked for"
    assert told[0][1].startswith("Its API gives no total; no API call was made. ")
    assert all(stale for _, _, stale, _ in known(ana, "jira.sprints").values())
    found = len(rows_of(ana, "SELECT id FROM jira.sprints WHERE board_id = 1"))
    assert known(ana, "jira.sprints")[("board_id = 1",)] == (found, "observed", False, 1)


def test_errors_of_the_source_are_errors_of_analyze(demo: DemoServer, admin: psycopg.Connection) -> None:
    before = known(admin, "jira.issues")
    demo.jira.configure(next=[{"status": 401}])
    assert refused(admin, "ANALYZE jira.issues").sqlstate == "28000"
    demo.jira.configure(next=[{"status": 429, "headers": {"Retry-After": "600"}}])
    assert refused(admin, "ANALYZE jira.issues").sqlstate == "53400"
    demo.jira.reset()
    # The limit that the source named holds for ANALYZE as for any statement: nothing more is asked.
    assert refused(admin, "ANALYZE jira.issues").sqlstate == "53400"
    assert demo.jira.requests() == []
    assert known(admin, "jira.issues") == before


def test_statistics_are_shown_to_those_who_may_read_the_table(connect: Connect, admin: psycopg.Connection) -> None:
    admin.execute("ANALYZE jira.boards")
    ana = connect("ana")
    assert known(ana, "jira.boards") == known(admin, "jira.boards") != {}
    # Policy hides rows of it.
    assert known(connect("eve"), "jira.boards") == {}
    admin.execute("CREATE SCHEMA hidden")
    try:
        admin.execute("IMPORT FOREIGN SCHEMA jira LIMIT TO (boards) FROM SERVER jira INTO hidden")
        assert known(admin, "hidden.boards") == known(admin, "jira.boards")
        assert known(ana, "hidden.boards") == {}
    finally:
        admin.execute("DROP SCHEMA hidden CASCADE")


def test_a_key_join_is_taken_where_statistics_say_that_it_is_cheaper(demo: DemoServer, ana: psycopg.Connection) -> None:
    issues = f"SELECT number FROM github.issues WHERE {WEB}"
    last = f"SELECT number FROM github.pull_requests WHERE {WEB} AND state = 'open' AND base_ref = 'nowhere'"
    sql = f"{issues} AND number IN ({last})"
    rows_of(ana, issues)
    rows_of(ana, last)
    demo.github.reset()
    assert rows_of(ana, sql) == []
    # Without open pull requests there is no key, and the issues are not asked for at all.
    assert [request["path"] for request in demo.github.requests()] == ["/repos/acme/web/pulls"]


@pytest.fixture
def directory() -> Iterator[Path]:
    with demo_directory() as made:
        yield made


def test_a_restart_keeps_them_and_a_dropped_table_takes_them_along(directory: Path) -> None:
    settings = {"OMNISQL_CREDENTIALS_SWEEP_INTERVAL_S": "0.2"}
    first = start_demo(directory, issues=50, settings=settings)
    with closing(open_session(first, "admin")) as session:
        session.execute("ANALYZE jira.issues, jira.boards")
        rows_of(session, ISSUES)
        rows_of(session, f"{ISSUES} AND state = 'closed' AND upper(title) LIKE 'X%'")
        missed = rows_of(session, MISSES)
        closed = scan_of(session, f"{ISSUES} AND state = 'closed'")["Expected Rows"]
        rows_of(session, f"{ISSUES} AND state = 'open'")
        before = {table: known(session, table) for table in ("jira.issues", "jira.boards", "github.issues")}
    assert all(before.values())
    assert first.stop() == 0

    second = start_demo(directory, issues=50, settings=settings)
    try:
        with closing(open_session(second, "admin")) as session:
            assert {table: known(session, table) for table in before} == before
            assert rows_of(session, MISSES) == missed != []
            # What that state gave, and not the mean over both.
            until(lambda: scan_of(session, f"{ISSUES} AND state = 'closed'")["Expected Rows"] == closed)
            assert scan_of(session, f"{ISSUES} AND state = 'open'")["Expected Rows"] != closed
            assert scan_of(session, "SELECT key FROM jira.issues")["Statistic"]["Origin"] == "source"
            session.execute("DROP FOREIGN TABLE jira.boards")
            session.execute("CREATE SCHEMA again")
            until(lambda: not _kept(session), limit_s=30)
            assert known(session, "jira.issues") == before["jira.issues"]
    finally:
        assert second.stop() == 0


def _kept(session: psycopg.Connection) -> bool:
    """Say whether there are statistics of boards, by making a foreign table that would show them."""
    session.execute("IMPORT FOREIGN SCHEMA jira LIMIT TO (boards) FROM SERVER jira INTO again")
    try:
        return bool(known(session, "again.boards"))
    finally:
        session.execute("DROP FOREIGN TABLE again.boards")
