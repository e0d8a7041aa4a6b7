"""All local tables of a run statement are read by one statement of the session's own backend, so at one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from writing import refused, rows

SUM = "(SELECT sum(n) FROM snap.a) + (SELECT sum(n) FROM snap.b)"
OVER_BOTH = f"SELECT {SUM} AS total FROM jira.boards LIMIT 1"
READS = 25


@pytest.fixture
def ana(connect: Callable[..., psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """Open a session beside two tables whose sums are 100 together; they are gone after the test."""
    admin = connect("admin")
    admin.execute("CREATE SCHEMA snap")
    admin.execute("CREATE TABLE snap.a AS SELECT 100 AS n")
    admin.execute("CREATE TABLE snap.b AS SELECT 0 AS n")
    admin.execute("GRANT ALL ON SCHEMA snap TO ana")
    admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA snap TO ana")
    session = connect("ana")
    session.execute("CREATE TABLE snap.seen (total bigint)")
    yield session
    session.execute("ROLLBACK")
    admin.execute("DROP SCHEMA snap CASCADE")


@contextmanager
def moving(connect: Callable[..., psycopg.Connection]) -> Iterator[list[int]]:
    """Move ones between the tables, each by a transaction of its own, as long as the block runs; count the moves."""
    stopped, started, moves = threading.Event(), threading.Event(), [0]
    session = connect("admin")

    def move() -> None:
        while not stopped.is_set():
            step = 1 if moves[0] % 2 else -1
            with session.transaction():
                session.execute("UPDATE snap.a SET n = n + %s", (step,))
                session.execute("UPDATE snap.b SET n = n - %s", (step,))
            moves[0] += 1
            started.set()

    writer = threading.Thread(target=move)
    writer.start()
    assert started.wait(30)
    try:
        yield moves
    finally:
        stopped.set()
        writer.join()


@pytest.mark.parametrize(
    "statement",
    [
        OVER_BOTH,
        "SELECT sum(n) FROM (SELECT n FROM snap.a UNION ALL SELECT n FROM snap.b) AS t, jira.boards WHERE id = 1",
        f"INSERT INTO snap.seen {OVER_BOTH} RETURNING total",
        f"WITH new AS (INSERT INTO snap.seen {OVER_BOTH} RETURNING total) SELECT total FROM new",
        f"UPDATE snap.seen SET total = {SUM} FROM jira.boards WHERE id = 1 RETURNING total",
        f"MERGE INTO snap.seen USING (SELECT id FROM jira.boards WHERE id = 1) AS b ON true"
        f" WHEN MATCHED THEN UPDATE SET total = {SUM} RETURNING total",
        "EXECUTE kept",
    ],
)
def test_a_sum_over_two_tables_never_changes(
    connect: Callable[..., psycopg.Connection], ana: psycopg.Connection, statement: str
) -> None:
    ana.execute("INSERT INTO snap.seen VALUES (0)")
    ana.execute(f"PREPARE kept AS {OVER_BOTH}".encode())
    with moving(connect) as moves:
        before = moves[0]
        for _ in range(READS):
            assert {int(total) for (total,) in rows(ana, statement)} == {100}
        assert moves[0] > before


def test_a_table_or_a_cursor_holds_one_moment(
    connect: Callable[..., psycopg.Connection], ana: psycopg.Connection
) -> None:
    with moving(connect) as moves:
        before = moves[0]
        for _ in range(READS):
            ana.execute("BEGIN")
            ana.execute(f"CREATE TEMP TABLE held ON COMMIT DROP AS {OVER_BOTH}".encode())
            ana.execute(f"DECLARE k CURSOR FOR {OVER_BOTH}".encode())
            assert rows(ana, "SELECT total FROM held UNION ALL (SELECT 100)") == [(100,), (100,)]
            assert rows(ana, "FETCH ALL FROM k") == [(100,)]
            ana.execute("COMMIT")
        assert moves[0] > before


def test_the_whole_statement_is_never_left_to_duckdb(ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.engine = 'duckdb'")
    assert refused(ana, OVER_BOTH).sqlstate == "0A000"


@pytest.mark.parametrize("clause", ["FOR UPDATE", "FOR UPDATE OF a", "FOR KEY SHARE OF a SKIP LOCKED"])
def test_rows_are_locked_or_refused_and_never_merely_read(ana: psycopg.Connection, clause: str) -> None:
    said = refused(ana, f"SELECT a.n FROM snap.a AS a JOIN jira.boards AS b ON b.id = 1 {clause}")
    assert (said.sqlstate, said.message_primary) == ("0A000", "rows of an API table cannot be locked")
