"""Statements that end early: a client that leaves, a cancel, a timeout. Nothing goes on afterwards."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import psycopg
from demo_server import DATABASE, DemoServer
from sessions import SLOW_MS, WEB, WEB_COUNT, ConnectAsync, asked, eventually, refused, value_of

LONG = "SELECT count(summary) FROM jira.issues WHERE created >= '2001-01-01 00:00:00+00'"
BACKENDS = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = "
INTERRUPT_MAX_S = 1.0


async def test_a_client_that_vanishes_leaves_nothing_behind(demo: DemoServer, ana: psycopg.Connection) -> None:
    value_of(ana, "SELECT count(*) FROM jira.projects")
    leaving = await asyncpg.connect(**demo.arguments("ana"), database=DATABASE)
    backend = await leaving.fetchval("SELECT pg_catalog.pg_backend_pid()")
    demo.reset()
    demo.jira.configure(latency_ms=SLOW_MS)
    statement = asyncio.ensure_future(leaving.fetch(LONG))
    await eventually(lambda: len(asked(demo.jira)) == 1)
    open_before = demo.sockets_to(demo.jira)
    leaving.terminate()
    await eventually(lambda: value_of(ana, f"{BACKENDS}{backend}") == 0, INTERRUPT_MAX_S)
    await eventually(lambda: demo.sockets_to(demo.jira) == open_before - 1, INTERRUPT_MAX_S)
    await asyncio.wait([statement], timeout=5)
    assert isinstance(statement.exception(), asyncpg.PostgresConnectionError | asyncpg.InterfaceError | OSError)
    demo.jira.configure(latency_ms=0)
    # The source is free for others, and nobody asked it for what the lost client wanted.
    assert value_of(ana, "SELECT count(*) FROM jira.boards") > 0
    assert len([path for path, _ in asked(demo.jira) if path.endswith("/search/jql")]) == 1


async def test_cancel_ends_a_fetch_at_once(demo: DemoServer, connect_async: ConnectAsync) -> None:
    session = await connect_async()
    demo.jira.configure(latency_ms=SLOW_MS)
    statement = asyncio.ensure_future(session.execute(LONG.encode()))
    await eventually(lambda: bool(asked(demo.jira)))
    started_s = time.monotonic()
    await session.cancel_safe()
    failure = (await asyncio.gather(statement, return_exceptions=True))[0]
    assert time.monotonic() - started_s < INTERRUPT_MAX_S
    assert isinstance(failure, psycopg.errors.QueryCanceled)
    assert failure.diag.message_primary == "canceling statement due to user request"
    demo.reset()
    assert (await (await session.execute("SELECT count(*) FROM jira.projects")).fetchone()) == (4,)


async def test_another_session_ends_a_fetch(
    demo: DemoServer, ana: psycopg.Connection, connect_async: ConnectAsync
) -> None:
    session = await connect_async()
    backend = session.info.backend_pid
    demo.jira.configure(latency_ms=SLOW_MS)
    statement = asyncio.ensure_future(session.execute(LONG.encode()))
    shown = f"FROM pg_catalog.pg_stat_activity WHERE pid = {backend} AND wait_event = 'PgSleep'"
    await eventually(lambda: value_of(ana, f"SELECT count(*) {shown}") == 1)
    (state, query), *_ = ana.execute(f"SELECT state, query {shown}".encode()).fetchall()
    assert (state, query[: len(LONG) + 6]) == ("active", f"/* {LONG} */")
    started_s = time.monotonic()
    assert value_of(ana, f"SELECT pg_catalog.pg_cancel_backend({backend})") is True
    failure = (await asyncio.gather(statement, return_exceptions=True))[0]
    assert time.monotonic() - started_s < INTERRUPT_MAX_S
    assert isinstance(failure, psycopg.errors.QueryCanceled)
    assert failure.diag.message_primary == "canceling statement due to user request"
    demo.reset()
    assert (await (await session.execute("SELECT count(*) FROM jira.projects")).fetchone()) == (4,)


async def test_cancel_ends_a_wait_for_a_rate_limit(demo: DemoServer, connect_async: ConnectAsync) -> None:
    session = await connect_async()
    demo.github.configure(next=[{"status": 429, "headers": {"retry-after": "2"}}])
    sql = f"SELECT count(*) FROM github.issues WHERE {WEB} AND updated_at >= '2003-01-01 00:00:00+00'"
    statement = asyncio.ensure_future(session.execute(sql.encode()))
    await eventually(lambda: [request["status"] for request in demo.github.requests()] == [429])
    started_s = time.monotonic()
    await session.cancel_safe()
    failure = (await asyncio.gather(statement, return_exceptions=True))[0]
    assert time.monotonic() - started_s < INTERRUPT_MAX_S
    assert isinstance(failure, psycopg.errors.QueryCanceled)
    assert len(asked(demo.github)) == 1


async def test_cancel_inside_a_block_fails_the_block(demo: DemoServer, connect_async: ConnectAsync) -> None:
    session = await connect_async()
    await session.execute("BEGIN")
    demo.jira.configure(latency_ms=SLOW_MS)
    statement = asyncio.ensure_future(session.execute(LONG.encode()))
    await eventually(lambda: bool(asked(demo.jira)))
    await session.cancel_safe()
    failure = (await asyncio.gather(statement, return_exceptions=True))[0]
    assert isinstance(failure, psycopg.errors.QueryCanceled)
    assert session.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
    await session.execute("ROLLBACK")


async def test_cancel_of_an_idle_session_does_nothing(connect_async: ConnectAsync) -> None:
    session = await connect_async()
    await session.execute("SELECT 1")
    await session.cancel_safe()
    count = await session.execute(f"SELECT count(*) FROM github.issues WHERE {WEB}".encode())
    assert await count.fetchone() == (WEB_COUNT,)


def test_statement_timeout_is_honored(demo: DemoServer, ana: psycopg.Connection) -> None:
    demo.jira.configure(latency_ms=SLOW_MS)
    ana.execute("SET statement_timeout = '300ms'")
    started_s = time.monotonic()
    error = refused(ana, LONG)
    assert 0.3 <= time.monotonic() - started_s < 0.3 + INTERRUPT_MAX_S
    assert error.sqlstate == "57014"
    assert error.diag.message_primary == "canceling statement due to statement timeout"
    demo.reset()
    ana.execute("RESET statement_timeout")
    assert value_of(ana, "SELECT count(*) FROM jira.projects") == 4


async def test_a_fetch_outlives_the_idle_timeout_of_its_block(demo: DemoServer, connect_async: ConnectAsync) -> None:
    session = await connect_async()
    await session.execute("SET idle_in_transaction_session_timeout = '300ms'")
    demo.jira.configure(latency_ms=1000)
    await session.execute("BEGIN")
    count = await session.execute(b"SELECT count(*) FROM jira.projects")
    assert await count.fetchone() == (4,)
    await session.execute("COMMIT")


async def test_fifty_sessions_at_once(demo: DemoServer, connect_async: ConnectAsync) -> None:
    sessions = await asyncio.gather(*(connect_async(user) for user in ["ana", "eve"] * 25))
    sql = (
        "SELECT count(DISTINCT repo), count(*) > 84 FROM github.issues WHERE owner = 'acme' AND repo IN ('web', 'api')"
    )
    cursors = await asyncio.gather(*(session.execute(sql.encode()) for session in sessions))
    answers = [await cursor.fetchone() for cursor in cursors]
    assert answers == [(2, True), (1, False)] * 25
    relayed = await asyncio.gather(*(session.execute("SELECT current_user") for session in sessions))
    assert [await cursor.fetchone() for cursor in relayed] == [("ana",), ("eve",)] * 25


async def test_many_cancels_leave_no_socket_open(demo: DemoServer, connect_async: ConnectAsync) -> None:
    sessions = await asyncio.gather(*(connect_async() for _ in range(5)))
    demo.jira.configure(latency_ms=SLOW_MS)
    statements = [asyncio.ensure_future(session.execute(LONG.encode())) for session in sessions]
    await eventually(lambda: len(asked(demo.jira)) == 5)
    open_before = demo.sockets_to(demo.jira)
    await asyncio.gather(*(session.cancel_safe() for session in sessions))
    failures = await asyncio.gather(*statements, return_exceptions=True)
    assert {type(failure) for failure in failures} == {psycopg.errors.QueryCanceled}
    await eventually(lambda: demo.sockets_to(demo.jira) == open_before - 5, INTERRUPT_MAX_S)
