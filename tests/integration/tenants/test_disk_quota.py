"""A cluster above its disk quota is for reading and for giving room back, by whatever way somebody writes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from served import Served, until

ACME = "acme"
# Room on disk that no compression saves: above the quota together with what an empty cluster takes.
FILL = "INSERT INTO filler SELECT repeat('x', 1000000) FROM generate_series(1, 110)"


@pytest.fixture(scope="module")
def writer(served: Served) -> Iterator[psycopg.Connection]:
    """Open a session of acme's owner, prepared to write in all ways before the quota is exceeded."""
    with served.connect(ACME) as session:
        session.execute("CREATE TABLE filler (t text); ALTER TABLE filler ALTER t SET STORAGE EXTERNAL")
        session.execute("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1), (2)")
        session.execute(
            "CREATE FUNCTION writes() RETURNS int LANGUAGE SQL AS 'INSERT INTO kept VALUES (3) RETURNING x'"
        )
        session.execute("PREPARE put AS INSERT INTO kept VALUES (4)")
        session.execute(FILL)
        until(lambda: _is_refused(session, "CREATE TABLE more (x int)", but="DROP TABLE more"), 30.0)
        yield session
        session.execute("DROP TABLE IF EXISTS filler")
        until(lambda: not _is_refused(session, "INSERT INTO kept VALUES (5)"), 30.0)
        session.execute("DROP TABLE kept; DROP FUNCTION writes")


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
    with pytest.raises(psycopg.errors.DiskFull) as caught:
        writer.execute(sql.encode())
    assert caught.value.diag.message_primary == "the tenant's disk quota is exceeded"
    assert "of 120 MB" in str(caught.value.diag.message_detail)
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
        assert session.execute("SELECT count(*) FROM filler").fetchone() == (110,)
        assert _is_refused(session, "INSERT INTO kept VALUES (11)")


@pytest.mark.parametrize("prepare", [False, True])
def test_room_is_given_back(writer: psycopg.Connection, prepare: bool) -> None:
    (before,) = writer.execute("SELECT count(*) FROM filler").fetchone() or (0,)
    assert writer.execute("DELETE FROM filler WHERE ctid = '(0,1)'", prepare=prepare).rowcount <= 1
    writer.execute("DELETE FROM kept WHERE x = %s", (99,), prepare=prepare)
    writer.execute("VACUUM kept")
    assert before == 110 or prepare
    assert _is_refused(writer, "INSERT INTO kept VALUES (12)")


def test_dropping_a_table_ends_it(writer: psycopg.Connection) -> None:
    writer.execute("TRUNCATE filler")
    until(lambda: not _is_refused(writer, "INSERT INTO kept VALUES (13)"), 30.0)
    assert writer.execute("SHOW default_transaction_read_only").fetchone() == ("off",)
    writer.execute("CREATE TABLE again AS SELECT 1 AS x")
    writer.execute("DROP TABLE again")
