"""`omnisql.max_api_calls` while a statement runs: it stops before the call that would be one too many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from sessions import WEB, asked, refused, rows_of, value_of

from omnisql_server.admin.channel import ask_running_server

# Seven tickets a page, which nobody can know before: 43 pages, where three are expected.
TICKETS = "SELECT key, summary FROM jira.issues WHERE created >= '2000-01-01 00:00:00+00'"
ALLOWED = 5


@pytest.fixture
def paged(demo: DemoServer, ana: psycopg.Connection) -> psycopg.Connection:
    """Let the source give small pages to a session of few calls that has learned the size of the table."""
    rows_of(ana, TICKETS)
    demo.reset()
    demo.jira.configure(page_rows_max=7)
    ana.execute(f"SET omnisql.max_api_calls = {ALLOWED}".encode())
    return ana


def test_a_statement_stops_at_its_last_call(demo: DemoServer, paged: psycopg.Connection) -> None:
    error = refused(paged, TICKETS)
    assert error.sqlstate == "54000"
    assert error.diag.message_primary == (
        f"the statement was stopped after {ALLOWED} API calls, the most that it may make"
    )
    assert error.diag.message_detail == "It was expected to need 3."
    assert "omnisql.max_api_calls" in (error.diag.message_hint or "")
    assert len(asked(demo.jira)) == ALLOWED


def test_what_was_read_by_then_is_a_partial_answer(demo: DemoServer, paged: psycopg.Connection) -> None:
    notices: list[str] = []
    paged.add_notice_handler(lambda notice: notices.append(notice.sqlstate or ""))
    paged.execute("SET omnisql.on_source_error = 'partial'")
    assert len(rows_of(paged, TICKETS)) == 7 * ALLOWED
    assert notices == ["01000"]
    ((requests, complete, reason),) = rows_of(
        paged, "SELECT requests, complete, incomplete_reason FROM omnisql.last_query_sources"
    )
    assert (requests, complete) == (ALLOWED, False)
    assert reason.startswith("the statement was stopped after")
    assert len(asked(demo.jira)) == ALLOWED


def test_the_scans_of_a_statement_share_its_calls(demo: DemoServer, paged: psycopg.Connection) -> None:
    paged.execute("SET omnisql.max_api_calls = 7")
    sql = f"SELECT count(t.summary) FROM ({TICKETS}) t, github.issues i WHERE {WEB} AND i.title <> ''"
    assert refused(paged, sql).sqlstate == "54000"
    assert len(asked(demo.jira)) + len(asked(demo.github)) <= 7


def test_what_is_kept_costs_no_calls(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = "SELECT count(title) FROM github.issues WHERE owner = 'acme' AND repo IN ('web', 'api', 'billing')"
    ana.execute("SET omnisql.max_staleness = '5 min'")
    whole = value_of(ana, sql)
    ana.execute("SET omnisql.max_api_calls = 1")
    assert value_of(ana, sql) == whole
    ana.execute("SET omnisql.max_staleness = 0")
    assert refused(ana, sql).sqlstate == "54000"


@pytest.fixture
def bounded(demo: DemoServer) -> Iterator[int]:
    """Give the tenant fewer calls for a statement than the server does."""

    def alter(calls: int | None) -> None:
        given = {"name": DATABASE, "limits": {"fetch.api_calls_max": calls}}
        asyncio.run(ask_running_server(demo.directory / "data", "alter", given))

    alter(ALLOWED)
    yield ALLOWED
    alter(None)


def test_no_session_gets_more_calls_than_its_tenant(demo: DemoServer, paged: psycopg.Connection, bounded: int) -> None:
    paged.execute("SET omnisql.max_api_calls = 1000000")
    assert refused(paged, TICKETS).sqlstate == "54000"
    assert len(asked(demo.jira)) == bounded
