"""More rows than parameters may carry: PostgreSQL reads them from temporary tables, of which nothing is left."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DATABASE, DemoServer, demo_directory, start_demo
from writing import WEB, refused, rows, tag

INLINE_BYTES = 2_000
TABLE_BYTES = 20_000
SETTINGS = {
    "OMNISQL_ENGINE_SPLICE_INLINE_BYTES_MAX": str(INLINE_BYTES),
    "OMNISQL_ENGINE_SPLICE_TABLE_BYTES_MAX": str(TABLE_BYTES),
}
SPLICED = "to_tsvector('simple', title) IS NOT NULL"
MANY = f"SELECT number, title, state, created_at, to_tsvector('simple', title) IS NULL FROM {WEB}"
FEW = f"SELECT number, to_tsvector('simple', title) FROM {WEB} AND number = 3"
TOO_MANY = f"SELECT * FROM {WEB} AND {SPLICED}"
WEB_AS_A = f"(SELECT number FROM {WEB}) AS a"
WEB_AS_B = f"(SELECT number, title FROM {WEB}) AS b"
MADE = "SELECT relname FROM pg_class WHERE relname LIKE 'omnisql\\_%' AND relpersistence = 't'"
USED = "SELECT pg_my_temp_schema() <> 0"


@pytest.fixture(scope="module")
def bounded() -> Iterator[DemoServer]:
    """Start a server of its own with low bounds."""
    with demo_directory() as directory:
        server = start_demo(directory, settings=SETTINGS)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def session(bounded: DemoServer) -> Iterator[psycopg.Connection]:
    bounded.reset()
    with psycopg.connect(**bounded.arguments("ana"), dbname=DATABASE, autocommit=True) as opened:
        yield opened


def answer(session: psycopg.Connection, sql: str) -> list[tuple[object, ...]]:
    """Give what DuckDB makes of the rows, which needs no tables."""
    return rows(session, sql.replace("to_tsvector('simple', title) IS NULL", "false"))


def test_many_rows_are_read_from_a_table_that_is_gone_afterwards(session: psycopg.Connection) -> None:
    assert rows(session, FEW) != []
    assert rows(session, USED) == [(False,)]
    expected = answer(session, MANY)
    assert len(expected) > 50
    assert rows(session, MANY) == expected
    assert rows(session, USED) == [(True,)]
    assert rows(session, MADE) == []


def test_within_a_block_nothing_is_left_for_the_statements_after_it(session: psycopg.Connection) -> None:
    expected = answer(session, MANY)
    with session.transaction():
        assert rows(session, MANY) == expected
        assert rows(session, MADE) == []
        assert rows(session, MANY) == expected
    assert rows(session, MADE) == []


def test_two_relations_have_a_table_each(session: psycopg.Connection) -> None:
    spliced = f"SELECT a.number, b.title FROM {WEB_AS_A} JOIN {WEB_AS_B} ON a.number = b.number"
    expected = rows(session, spliced)
    assert len(expected) > 50
    assert rows(session, f"{spliced} WHERE to_tsvector('simple', b.title) IS NOT NULL") == expected
    assert rows(session, MADE) == []


def test_a_statement_that_fails_over_the_table_takes_it_along(session: psycopg.Connection) -> None:
    failing = f"SELECT to_tsvector('simple', title), 1 / (number - number) FROM {WEB}"
    assert refused(session, failing).sqlstate == "22012"
    assert rows(session, MADE) == []
    with session.transaction():
        with pytest.raises(psycopg.errors.DivisionByZero), session.transaction():
            session.execute(failing.encode())
        assert rows(session, MADE) == []
        assert rows(session, MANY) == answer(session, MANY)


def test_rows_that_are_not_wanted_any_more_leave_the_table_to_the_transaction(session: psycopg.Connection) -> None:
    with session.transaction(), session.cursor() as cursor:
        assert len(list(zip(range(3), cursor.stream(MANY.encode()), strict=False))) == 3
    assert rows(session, MADE) == []


def test_cursors_read_on_until_the_transaction_ends(session: psycopg.Connection) -> None:
    expected = answer(session, MANY)
    with session.transaction():
        session.execute(f"DECLARE shown CURSOR FOR {MANY}".encode())
        session.execute(f"DECLARE held CURSOR WITH HOLD FOR {MANY}".encode())
        assert rows(session, "FETCH ALL FROM shown") == expected
    assert rows(session, MADE) == []
    assert rows(session, "FETCH ALL FROM held") == expected


def test_statements_that_write_take_their_rows_from_the_table(session: psycopg.Connection) -> None:
    expected = answer(session, MANY)
    session.execute("CREATE TEMP TABLE copied (number int, title text, state text, at timestamptz, none boolean)")
    assert tag(session, f"INSERT INTO copied {MANY}") == f"INSERT 0 {len(expected)}"
    assert rows(session, "SELECT * FROM copied") == expected
    assert rows(session, MADE) == []


def test_in_a_read_only_transaction_all_rows_are_parameters(session: psycopg.Connection) -> None:
    expected = answer(session, MANY)
    session.execute("SET default_transaction_read_only = on")
    assert rows(session, MANY) == expected
    assert rows(session, USED) == [(False,)]


def test_rows_that_a_view_may_hide_stand_in_no_table_of_the_session(
    bounded: DemoServer, session: psycopg.Connection
) -> None:
    columns = "number, title, state, created_at, owner, repo"
    view = f"CREATE VIEW public.some AS SELECT {columns} FROM {WEB} AND length(title) <> 20"
    many = MANY.replace("github.issues", "public.some")
    expected = [row for row in answer(session, MANY) if len(str(row[1])) != 20]
    with psycopg.connect(**bounded.arguments("admin"), dbname=DATABASE, autocommit=True) as admin:
        admin.execute(view.encode())
        admin.execute("GRANT SELECT ON public.some TO ana")
        assert rows(session, many) == expected
        assert rows(session, USED) == [(False,)]
        session.execute("SET log_parameter_max_length_on_error = -1")
        said = refused(session, many)
        assert (said.sqlstate, "log_parameter_max_length_on_error" in str(said.message_primary)) == ("0A000", True)
        admin.execute("DROP VIEW public.some")


def test_there_is_a_bound_on_tables_too(session: psycopg.Connection) -> None:
    said = refused(session, TOO_MANY)
    assert said.sqlstate == "54000"
    assert "engine.splice_table_bytes_max" in (said.message_hint or "")
    assert rows(session, MADE) == []
