"""A cluster above its disk quota is for reading and for giving room back, by whatever way somebody writes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from served import Served, until

ACME = "acme"
ROWS = 60
# Room on disk that no compression saves: above the quota together with what an empty cluster takes.
FILL = f"INSERT INTO filler SELECT repeat('x', 1000000) FROM generate_series(1, {ROWS})"
# It has written a row when it goes to sleep.
LASTING = "INSERT INTO kept SELECT g FROM generate_series(100, 101) g, pg_sleep((g - 100) * 600)"
_OF_LASTING = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE 'INSERT INTO kept%'"
LASTS = f"SELECT count(*) {_OF_LASTING}"
END_LASTING = f"SELECT pg_cancel_backend(pid) {_OF_LASTING}"


@pytest.fixture(scope="module")
def filled(served: Served) -> Iterator[tuple[psycopg.Connection, Future[None]]]:
    """Open a session of acme's owner, prepared to write in all ways, and another that writes; then fill the disk."""
    with ThreadPoolExecutor(1) as executor, served.connect(ACME) as session:
        session.execute("CREATE TABLE filler (t text); ALTER TABLE filler ALTER t SET STORAGE EXTERNAL")
        session.execute("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1), (2)")
        session.execute(
            "CREATE FUNCTION writes() RETURNS int LANGUAGE SQL AS 'INSERT INTO kept VALUES (3) RETURNING x'"
        )
        session.execute("PREPARE put AS INSERT INTO kept VALUES (4)")
        session.execute("ALTER ROLE ana SET default_transaction_read_only = off")
        lasting = executor.submit(_run, served, LASTING)
        until(lambda: session.execute(LASTS.encode()).fetchone() == (1,), 30.0)
        session.execute(FILL)
        yield session, lasting
        # It is over by now, unless what should have canceled it did not.
        session.execute(END_LASTING.encode())
        session.execute("DROP TABLE IF EXISTS filler")
        until(lambda: not _is_refused(session, "INSERT INTO kept VALUES (5)"), 30.0)
        session.execute("DROP TABLE kept; DROP FUNCTION writes; ALTER ROLE ana RESET default_transaction_read_only")


def _wait_until_full(session: psycopg.Connection) -> None:
    until(lambda: _is_refused(session, "CREATE TABLE more (x int)", but="DROP TABLE more"), 30.0)


def test_what_writes_meanwhile_is_canceled(
    filled: tuple[psycopg.Connection, Future[None]], writer: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.errors.DiskFull, match="disk quota is exceeded"):
        filled[1].result(30.0)
    assert writer.execute("SELECT count(*) FROM kept").fetchone() == (2,)


@pytest.fixture
def writer(filled: tuple[psycopg.Connection, Future[None]]) -> psycopg.Connection:
    """Give the owner's session."""
    return filled[0]


def _run(served: Served, sql: str) -> None:
    with served.connect(ACME) as session:
        session.execute(sql.encode())


def _is_refused(session: psycopg.Connection, sql: str, *, but: str | None = None) -> bool:
    try:
        session.execute(sql.encode())
    except psycopg.errors.DiskFull:
        return True
    if but is not None:
        session.execute(but.encode())
    return False


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO kept VALUES (6)",
        "UPDATE kept SET x = 0",
        "CREATE TABLE more (x int)",
        "CREATE TEMP TABLE more AS SELECT 1",
        "EXECUTE put",
        "SELECT writes()",
        "WITH w AS (INSERT INTO kept VALUES (7)) DELETE FROM kept",
        "DO 'BEGIN INSERT INTO kept VALUES (8); END'",
        "COPY kept FROM STDIN",
        "BEGIN READ WRITE",
        "SET default_transaction_read_only = off",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "DROP FUNCTION writes; INSERT INTO kept VALUES (9)",
        "ALTER ROLE admin SET default_transaction_read_only = off",
    ],
)
def test_nothing_writes(writer: psycopg.Connection, sql: str) -> None:
    _wait_until_full(writer)
    with pytest.raises(psycopg.errors.DiskFull) as caught:
        writer.execute(sql.encode())
    assert caught.value.diag.message_primary == "the tenant's disk quota is exceeded"
    assert "of 80 MB" in str(caught.value.diag.message_detail)
    assert str(caught.value.diag.message_hint).startswith("DROP or TRUNCATE")
    assert writer.execute("SELECT count(*), sum(x) FROM kept WHERE x < 3").fetchone() == (2, 3)


@pytest.mark.parametrize("sql", ["DELETE FROM kept", "INSERT INTO kept VALUES (10)"])
def test_nothing_writes_in_a_block(writer: psycopg.Connection, sql: str) -> None:
    writer.execute("BEGIN")
    try:
        assert writer.execute("SELECT count(*) FROM kept WHERE x < 3").fetchone() == (2,)
        assert _is_refused(writer, sql)
    finally:
        writer.execute("ROLLBACK")
    assert writer.execute("SELECT count(*) FROM kept WHERE x < 3").fetchone() == (2,)


def test_the_other_tenant_and_new_sessions_go_on(
    served: Served, writer: psycopg.Connection, neighbor: psycopg.Connection
) -> None:
    neighbor.execute("CREATE TEMP TABLE mine (x int)")
    with served.connect(ACME) as session:
        assert session.execute("SELECT count(*) FROM filler").fetchone() == (ROWS,)
        assert _is_refused(session, "INSERT INTO kept VALUES (11)")


@pytest.mark.parametrize("options", [{}, {"user": "admin", "options": "-c default_transaction_read_only=off"}])
def test_a_session_that_would_write_is_ended(
    served: Served, writer: psycopg.Connection, options: dict[str, str]
) -> None:
    def is_ended() -> bool:
        with served.connect(ACME, **{"user": "ana", **options}) as session:
            try:
                session.execute("SELECT 1")
            except psycopg.errors.AdminShutdown:
                return True
            return False

    until(is_ended, 30.0)
    assert is_ended()


@pytest.mark.parametrize("prepare", [False, True])
def test_room_is_given_back(writer: psycopg.Connection, prepare: bool) -> None:
    (before,) = writer.execute("SELECT count(*) FROM filler").fetchone() or (0,)
    assert writer.execute("DELETE FROM filler WHERE ctid = '(0,1)'", prepare=prepare).rowcount <= 1
    writer.execute("DELETE FROM kept WHERE x = %s", (99,), prepare=prepare)
    writer.execute("VACUUM kept")
    assert before == ROWS or prepare
    assert _is_refused(writer, "INSERT INTO kept VALUES (12)")


def test_dropping_a_table_ends_it(writer: psycopg.Connection) -> None:
    writer.execute("TRUNCATE filler")
    until(lambda: not _is_refused(writer, "INSERT INTO kept VALUES (13)"), 30.0)
    assert writer.execute("SHOW default_transaction_read_only").fetchone() == ("off",)
    writer.execute("CREATE TABLE again AS SELECT 1 AS x")
    writer.execute("DROP TABLE again")
