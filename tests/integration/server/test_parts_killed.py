"""A part that dies or hangs while a statement works: the client is told, nothing hangs, the next statement works."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from demo_server import DemoServer, demo_directory, start_demo
from sessions import SLOW_MS, WEB, WEB_COUNT, asked, eventually, open_async, open_session, refused, value_of

COUNT = f"SELECT count(*) FROM github.issues WHERE {WEB}"
LONG = "SELECT count(summary) FROM jira.issues WHERE created >= '2001-01-01 00:00:00+00'"
HANG_MAX_S = 10.0
PATIENT = {"OMNISQL_FETCH_SCAN_TIMEOUT_S": "30"}


def _postmaster(server: DemoServer) -> psutil.Process:
    return psutil.Process(int((server.cluster / "postmaster.pid").read_text().splitlines()[0]))


def _valkey(server: DemoServer) -> psutil.Process:
    return next(each for each in server.children() if "valkey" in each.name())


@pytest.fixture(params=[False, True], ids=["limits closed", "limits open"])
def limited(request: pytest.FixtureRequest) -> Iterator[tuple[DemoServer, bool]]:
    with demo_directory() as directory:
        server = start_demo(directory, settings={**PATIENT, "OMNISQL_LIMITS_FAIL_OPEN": str(request.param).lower()})
        try:
            yield server, request.param
        finally:
            assert server.stop() == 0


def test_without_valkey_limits_fail_as_configured_and_the_log_says_so(limited: tuple[DemoServer, bool]) -> None:
    server, is_open = limited
    with open_session(server, "ana") as session:
        assert value_of(session, COUNT) == WEB_COUNT
        hung = _valkey(server)
        hung.send_signal(signal.SIGSTOP)
        try:
            started_s = time.monotonic()
            if is_open:
                assert value_of(session, COUNT) == WEB_COUNT
            else:
                failure = refused(session, COUNT)
                assert (failure.sqlstate, "cannot be checked" in str(failure)) == ("08006", True)
            assert time.monotonic() - started_s < HANG_MAX_S * 2
        finally:
            hung.send_signal(signal.SIGCONT)
        assert "rate_limit_unchecked" in (server.directory / "log").read_text()
        _valkey(server).kill()
        assert _comes_back(session) <= {"08006"}


def _comes_back(session: psycopg.Connection) -> set[str | None]:
    """Ask until the child has been started again, and return the errors until then."""
    errors: set[str | None] = set()
    give_up_s = time.monotonic() + HANG_MAX_S
    while time.monotonic() < give_up_s:
        try:
            if value_of(session, COUNT) == WEB_COUNT:
                return errors
        except psycopg.Error as error:
            errors.add(error.sqlstate)
    raise AssertionError(f"it did not come back: {errors}")


async def test_a_cluster_killed_during_a_run_statement_ends_the_session_and_its_requests() -> None:
    with demo_directory() as directory:
        server = start_demo(directory)
        try:
            session = await open_async(server, "ana")
            await session.execute("CREATE TABLE kept AS SELECT 7 AS x")
            server.jira.configure(latency_ms=SLOW_MS)
            statement = asyncio.ensure_future(session.execute(LONG.encode()))
            await eventually(lambda: len(asked(server.jira)) >= 1)
            _postmaster(server).kill()
            async with asyncio.timeout(HANG_MAX_S):
                (failure,) = await asyncio.gather(statement, return_exceptions=True)
            assert isinstance(failure, psycopg.errors.AdminShutdown)
            await eventually(lambda: server.sockets_to(server.jira) == 0)
            server.jira.reset()
            with open_session(server, "ana") as again:
                assert value_of(again, "SELECT x FROM kept") == 7
                assert value_of(again, COUNT) == WEB_COUNT
            await session.close()
        finally:
            assert server.stop() == 0
