"""Cursors over API tables: PostgreSQL's own, declared over the rows that were fetched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg
import psycopg
import pytest
from demo_server import DemoServer
from writing import WEB, paths, refused, rows, tag

NUMBERS = f"SELECT number FROM {WEB} AND number <= 20 ORDER BY number"


def fetched(session: psycopg.Connection, sql: str) -> list[Any]:
    """Run a FETCH and return the values of its only column, in order."""
    return [value for (value,) in session.execute(sql.encode()).fetchall()]


def test_a_scroll_cursor_moves_as_in_postgresql(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    assert tag(ana, f"DECLARE k SCROLL CURSOR FOR {NUMBERS}") == "DECLARE CURSOR"
    assert fetched(ana, "FETCH 2 FROM k") == [1, 2]
    assert tag(ana, "MOVE 5 IN k") == "MOVE 5"
    assert fetched(ana, "FETCH BACKWARD 3 FROM k") == [6, 5, 4]
    assert fetched(ana, "FETCH ABSOLUTE -1 FROM k") == [20]
    assert fetched(ana, "FETCH RELATIVE -2 FROM k") == [18]
    assert fetched(ana, "FETCH ALL FROM k") == [19, 20]
    assert fetched(ana, "FETCH NEXT FROM k") == []
    assert rows(ana, "SELECT name, is_scrollable, is_holdable FROM pg_cursors") == [("k", True, False)]
    assert tag(ana, "CLOSE k") == "CLOSE CURSOR"
    assert refused(ana, "FETCH k").sqlstate == "34000"
    assert len(paths(demo.github)) == 1
    ana.execute("ROLLBACK")


def test_a_cursor_that_may_not_scroll_does_not(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute(f"DECLARE k NO SCROLL CURSOR FOR {NUMBERS}".encode())
    assert fetched(ana, "FETCH 3 FROM k") == [1, 2, 3]
    said = refused(ana, "FETCH BACKWARD 1 FROM k")
    assert (said.sqlstate, said.message_primary) == ("55000", "cursor can only scan forward")
    ana.execute("ROLLBACK")


@pytest.mark.parametrize("prepare", [False, True])
def test_a_cursor_needs_a_transaction_block_unless_it_is_held(
    demo: DemoServer, ana: psycopg.Connection, prepare: bool
) -> None:
    with pytest.raises(psycopg.errors.NoActiveSqlTransaction) as raised:
        ana.execute(f"DECLARE k CURSOR FOR {NUMBERS}".encode(), prepare=prepare)
    assert raised.value.diag.message_primary == "DECLARE CURSOR can only be used in transaction blocks"
    assert paths(demo.github) == []
    ana.execute(f"DECLARE k CURSOR WITH HOLD FOR {NUMBERS}".encode(), prepare=prepare)
    assert fetched(ana, "FETCH 2 FROM k") == [1, 2]
    ana.execute("CLOSE k")


def test_a_binary_cursor_gives_binary_values(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute(f"DECLARE k BINARY CURSOR FOR {NUMBERS}".encode())
    given = ana.pgconn.exec_(b"FETCH 1 FROM k")
    assert (given.fformat(0), given.get_value(0, 0)) == (1, b"\x00\x00\x00\x01")
    ana.execute("ROLLBACK")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_cursor_dies_with_its_transaction(ana: psycopg.Connection, end: str) -> None:
    ana.execute("BEGIN")
    ana.execute(f"DECLARE k CURSOR FOR {NUMBERS}".encode())
    assert fetched(ana, "FETCH k") == [1]
    ana.execute(end.encode())
    said = refused(ana, "FETCH k")
    assert (said.sqlstate, said.message_primary) == ("34000", 'cursor "k" does not exist')


def test_a_cursor_dies_with_its_savepoint(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute("SAVEPOINT before")
    ana.execute(f"DECLARE k CURSOR FOR {NUMBERS}".encode())
    ana.execute("ROLLBACK TO before")
    assert refused(ana, "FETCH k").sqlstate == "34000"
    ana.execute("ROLLBACK")


def test_a_cursor_with_hold_outlives_its_transaction(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute(f"DECLARE k CURSOR WITH HOLD FOR {NUMBERS}".encode())
    assert fetched(ana, "FETCH 2 FROM k") == [1, 2]
    ana.execute("COMMIT")
    assert fetched(ana, "FETCH 2 FROM k") == [3, 4]
    ana.execute("CLOSE ALL")
    assert refused(ana, "FETCH k").sqlstate == "34000"


def test_a_cursor_keeps_its_rows_while_others_are_written(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute(f"DECLARE k CURSOR FOR SELECT number FROM {WEB} AND number <= 3 ORDER BY number".encode())
    ana.execute("INSERT INTO copied SELECT id, name FROM jira.boards")
    assert fetched(ana, "FETCH ALL FROM k") == [1, 2, 3]
    ana.execute("ROLLBACK")


def test_a_declaration_and_its_fetch_may_share_a_message(ana: psycopg.Connection) -> None:
    cursor = ana.execute(f"DECLARE k CURSOR FOR {NUMBERS}; FETCH 2 FROM k".encode())
    assert cursor.statusmessage == "DECLARE CURSOR"
    assert cursor.nextset()
    assert cursor.fetchall() == [(1,), (2,)]
    assert refused(ana, "FETCH k").sqlstate == "34000"


def test_named_cursors_of_psycopg_page(connect: Callable[..., psycopg.Connection]) -> None:
    session = connect("ana", autocommit=False)
    with session.cursor("pages") as pages:
        pages.execute(f"SELECT number FROM {WEB} AND number < %s ORDER BY number".encode(), (20,))
        pages.itersize = 7
        assert pages.fetchone() == (1,)
        assert pages.fetchmany(3) == [(2,), (3,), (4,)]
        assert [number for (number,) in pages] == list(range(5, 20))
    session.rollback()


def test_named_cursors_of_psycopg_scroll_and_hold(connect: Callable[..., psycopg.Connection]) -> None:
    session = connect("ana", autocommit=False)
    with session.cursor("pages", scrollable=True, withhold=True) as pages:
        pages.execute(NUMBERS.encode())
        pages.scroll(3)
        assert pages.fetchone() == (4,)
        pages.scroll(0, mode="absolute")
        assert pages.fetchone() == (1,)
        session.commit()
        assert pages.fetchone() == (2,)
    session.rollback()


async def test_cursors_of_asyncpg_page(asyncpg_ana: asyncpg.Connection) -> None:
    async with asyncpg_ana.transaction():
        cursor = await asyncpg_ana.cursor(f"SELECT number FROM {WEB} AND number > $1 ORDER BY number", 5)
        assert [record["number"] for record in await cursor.fetch(2)] == [6, 7]
        assert [record["number"] for record in await cursor.fetch(1)] == [8]
        seen = [record["number"] async for record in asyncpg_ana.cursor(NUMBERS, prefetch=7)]
        assert seen == list(range(1, 21))
        assert [record["number"] for record in await cursor.fetch(1)] == [9]


def test_a_user_sees_only_her_rows_through_a_cursor(connect: Callable[..., psycopg.Connection]) -> None:
    eve = connect("eve")
    eve.execute("BEGIN")
    eve.execute("DECLARE k CURSOR FOR SELECT DISTINCT project_key FROM jira.issues")
    assert fetched(eve, "FETCH ALL FROM k") == ["WEB"]
    eve.execute("ROLLBACK")


def test_explain_analyze_reads_for_a_cursor_and_opens_none(demo: DemoServer, ana: psycopg.Connection) -> None:
    lines = rows(ana, f"EXPLAIN (ANALYZE) DECLARE k SCROLL CURSOR FOR {NUMBERS}")
    assert "->  API Scan on github.issues  (actual" in "\n".join(line for (line,) in lines)
    assert len(paths(demo.github)) == 1
    assert rows(ana, "SELECT name FROM pg_cursors") == []
    wrong = f"EXPLAIN (ANALYZE) DECLARE k CURSOR FOR SELECT nope FROM {WEB}"
    assert refused(ana, wrong).statement_position == str(wrong.index("nope") + 1)
    assert refused(ana, f"EXPLAIN (ANALYZE) DECLARE k SCROLL NO SCROLL CURSOR FOR {NUMBERS}").sqlstate == "42P11"
