"""Answers that are kept as they were sent: that they are given, and that nothing that changes lets one pass."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from demo_server import DATABASE, DemoServer

TITLES = (
    "SELECT number, title, created_at FROM github.issues WHERE owner = 'acme' AND repo = 'web' ORDER BY number LIMIT 3"
)
KEPT = "the answer is kept as it was sent"
REPORT = "SELECT requests, cache_hits, calls_saved, age_ms, rows_returned, cache_note FROM omnisql.last_query_sources"


@pytest.fixture
def server(demo: DemoServer) -> Iterator[DemoServer]:
    """Give the demo with nothing kept."""
    demo.reset()
    yield demo
    demo.reset()


class Binary(psycopg.Cursor[tuple[object, ...]]):
    """Sends everything as an unnamed statement and wants binary values, in whole units of the extended protocol."""

    def __init__(self, connection: psycopg.Connection, **options: Any) -> None:
        super().__init__(connection, **options)
        self.format = psycopg.pq.Format.BINARY


def connect(server: DemoServer, user: str = "ana", way: str = "simple") -> psycopg.Connection:
    threshold = 0 if way == "prepared" else None
    arguments: dict[str, Any] = {"dbname": DATABASE, "autocommit": True, "prepare_threshold": threshold}
    connection = psycopg.connect(**server.arguments(user), **arguments)
    if way == "unnamed":
        connection.cursor_factory = Binary
    connection.execute("SET omnisql.max_staleness = '5 min'")
    return connection


@pytest.fixture
def ana(server: DemoServer, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    with connect(server, way=getattr(request, "param", "simple")) as connection:
        yield connection


in_all_ways = pytest.mark.parametrize("ana", ["simple", "unnamed", "prepared"], indirect=True)
"""The simple protocol, and units of the extended one with an unnamed and with a named statement."""


@pytest.fixture
def admin(server: DemoServer) -> Iterator[psycopg.Connection]:
    with connect(server, "admin") as connection:
        yield connection


def rows(connection: psycopg.Connection, sql: str = TITLES) -> list[tuple[object, ...]]:
    return connection.execute(sql.encode()).fetchall()


def is_kept(connection: psycopg.Connection, sql: str = TITLES) -> bool:
    """Say whether EXPLAIN says that a statement's answer is kept."""
    return any(KEPT in row[0] for row in connection.execute(f"EXPLAIN {sql}".encode()).fetchall())


def repeat(connection: psycopg.Connection, sql: str = TITLES) -> list[tuple[object, ...]]:
    """Run a statement until its answer is kept, and return that."""
    for _ in range(4):
        answer = rows(connection, sql)
    is_simple = connection.prepare_threshold is None and connection.cursor_factory is not Binary
    # EXPLAIN wants text, and so tells of answers in text.
    assert not is_simple or is_kept(connection, sql)
    assert rows(connection, sql) == answer
    return answer


@contextmanager
def stopped(process_id: int) -> Iterator[None]:
    """Have a process stand still, for a few seconds at most should a test wait for it."""
    waking = threading.Timer(20, os.kill, (process_id, signal.SIGCONT))
    waking.start()
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        waking.cancel()
        os.kill(process_id, signal.SIGCONT)


def backend_of(connection: psycopg.Connection) -> int:
    (process_id,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return int(process_id)


@in_all_ways
def test_a_session_that_only_repeats_needs_no_backend(ana: psycopg.Connection) -> None:
    backend = backend_of(ana)
    answer = repeat(ana)
    with stopped(backend):
        assert [rows(ana) for _ in range(3)] == [answer] * 3
        assert psutil.Process(backend).status() == psutil.STATUS_STOPPED
    assert rows(ana, REPORT)[0][0] == 0


@in_all_ways
def test_what_is_told_of_a_repeated_statement_is_what_is_told_of_one_that_is_run(ana: psycopg.Connection) -> None:
    repeat(ana)
    rows(ana)
    (first,) = rows(ana, REPORT)
    rows(ana)
    (second,) = rows(ana, REPORT)
    assert (first[0], first[1], first[5]) == (0, 1, None)
    assert (second[:3], second[4:]) == (first[:3], first[4:])
    assert 0 < float(str(first[3])) < float(str(second[3]))


@in_all_ways
def test_a_relayed_statement_has_the_settings_read_again(ana: psycopg.Connection) -> None:
    answer = ana.execute(TITLES).fetchall()
    repeat(ana)
    ana.execute("SET TimeZone = 'Asia/Tokyo'")
    moved = ana.execute(TITLES).fetchall()
    assert moved == answer
    assert [str(row[2]) for row in moved] != [str(row[2]) for row in answer]
    repeat(ana)
    ana.execute("SET TimeZone = 'UTC'")
    assert [str(row[2]) for row in ana.execute(TITLES).fetchall()] == [str(row[2]) for row in answer]
    ana.execute("SET omnisql.max_staleness = '0'")
    rows(ana)
    assert rows(ana, REPORT)[0][0] != 0


@in_all_ways
def test_what_a_name_means_is_looked_up_again(ana: psycopg.Connection) -> None:
    ana.execute("SET search_path = github")
    short = TITLES.replace("github.", "")
    repeat(ana, short)
    ana.execute("CREATE TEMPORARY TABLE issues (owner text, repo text, number int, title text, created_at timestamptz)")
    assert rows(ana, short) == []
    ana.execute("DROP TABLE pg_temp.issues")
    assert len(rows(ana, short)) == 3


@in_all_ways
def test_what_is_taken_away_is_missed_by_the_next_statement(
    server: DemoServer, ana: psycopg.Connection, admin: psycopg.Connection
) -> None:
    admin.execute("CREATE ROLE readers")
    try:
        for take, give in (
            ("REVOKE SELECT ON github.issues FROM ana", "GRANT SELECT ON github.issues TO ana"),
            ("REVOKE USAGE ON SCHEMA github FROM ana", "GRANT USAGE ON SCHEMA github TO ana"),
        ):
            repeat(ana)
            admin.execute(take.encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rows(ana)
            admin.execute(give.encode())
            assert len(rows(ana)) == 3
        admin.execute("GRANT SELECT ON github.issues TO readers")
        admin.execute("GRANT readers TO ana")
        admin.execute("REVOKE SELECT ON github.issues FROM ana")
        repeat(ana)
        admin.execute("REVOKE readers FROM ana")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(ana)
    finally:
        admin.execute("GRANT SELECT ON github.issues TO ana")
        admin.execute("REVOKE ALL ON github.issues FROM readers")
        admin.execute("DROP ROLE readers")


@in_all_ways
def test_a_view_that_is_replaced_is_read_anew(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    admin.execute("CREATE VIEW public.shown AS SELECT * FROM github.issues WHERE owner = 'acme' AND repo = 'web'")
    try:
        admin.execute("GRANT SELECT ON public.shown TO ana")
        counted = "SELECT count(*) FROM public.shown"
        ((everything,),) = repeat(ana, counted)
        admin.execute("BEGIN")
        admin.execute(
            "CREATE OR REPLACE VIEW public.shown AS SELECT * FROM github.issues WHERE owner = 'acme' AND repo = 'api'"
        )
        admin.execute("COMMIT")
        ((others,),) = rows(ana, counted)
        assert others != everything
    finally:
        admin.execute("ROLLBACK")
        admin.execute("DROP VIEW public.shown")


@in_all_ways
def test_what_is_invalidated_or_too_old_is_asked_for(server: DemoServer, ana: psycopg.Connection) -> None:
    repeat(ana)
    asked = len(server.github.requests())
    ana.execute("CALL omnisql.invalidate('github.issues')")
    rows(ana)
    assert len(server.github.requests()) > asked
    young = TITLES.replace("SELECT", "SELECT /*+ max_staleness(1 us) */")
    asked = len(server.github.requests())
    rows(ana, young)
    rows(ana, young)
    assert len(server.github.requests()) > asked


def test_users_see_what_policy_lets_each_see(server: DemoServer, ana: psycopg.Connection) -> None:
    both = "SELECT DISTINCT repo FROM github.issues WHERE owner = 'acme' AND repo IN ('web', 'api') ORDER BY 1"
    assert repeat(ana, both) == [("api",), ("web",)]
    with connect(server, "eve") as eve:
        assert repeat(eve, both) == [("web",)]
    assert rows(ana, both) == [("api",), ("web",)]


def test_what_depends_on_the_moment_is_run_each_time(ana: psycopg.Connection) -> None:
    for moving in ("now() - interval '1 hour'", "'today'", "current_date"):
        sql = TITLES.replace("ORDER", f"AND created_at < {moving} ORDER")
        for _ in range(3):
            rows(ana, sql)
        assert not is_kept(ana, sql)
    fixed = TITLES.replace("ORDER", "AND created_at < '2030-01-01' ORDER")
    repeat(ana, fixed)


def test_a_transaction_block_and_a_portal_have_the_same_answer(ana: psycopg.Connection) -> None:
    answer = repeat(ana)
    with ana.transaction():
        assert rows(ana) == answer
    assert ana.execute(TITLES + " OFFSET %s", (0,)).fetchall() == answer
    assert ana.execute(TITLES.replace("LIMIT 3", "LIMIT 2")).fetchall() == answer[:2]


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        ("SET DateStyle = 'ISO, DMY'", "SET DateStyle = 'ISO, MDY'"),
        ("SET TimeZone = 'Asia/Tokyo'", "SET TimeZone = 'UTC'"),
        ("SET extra_float_digits = 0", "SET extra_float_digits = 1"),
        ("SET omnisql.engine = 'duckdb'", "SET omnisql.engine = 'auto'"),
        ("SET omnisql.max_staleness = '6 min'", "SET omnisql.max_staleness = '5 min'"),
        ("SET omnisql.purpose = 'billing'", "RESET omnisql.purpose"),
    ],
)
def test_another_setting_has_another_answer(ana: psycopg.Connection, change: str, undo: str) -> None:
    ana.execute("SET TimeZone = 'UTC'")
    answer = repeat(ana)
    ana.execute(change.encode())
    assert not is_kept(ana)
    rows(ana)
    ana.execute(undo.encode())
    assert rows(ana) == answer
    assert is_kept(ana)


def test_another_parameter_has_another_answer(ana: psycopg.Connection) -> None:
    counted = TITLES.replace("LIMIT 3", "OFFSET %s LIMIT 2")
    answers = [[ana.execute(counted, (offset,)).fetchall() for _ in range(4)] for offset in (0, 1)]
    assert [len({str(one) for one in some}) for some in answers] == [1, 1]
    assert answers[0][0][1:] == answers[1][0][:1]


def test_a_newer_reading_and_a_replaced_credential_have_another_answer(
    ana: psycopg.Connection, admin: psycopg.Connection
) -> None:
    answer = repeat(ana)
    admin.execute("CALL omnisql.refresh('github.issues', 'owner = ''acme'' AND repo = ''web''')")
    assert not is_kept(ana)
    assert repeat(ana) == answer
    admin.execute("ALTER USER MAPPING FOR PUBLIC SERVER github OPTIONS (SET token 'simulated-token')")
    assert not is_kept(ana)
    rows(ana)
    assert rows(ana, REPORT)[0][0] != 0
