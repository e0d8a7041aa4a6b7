"""Statements over views that another session made a moment ago, inside transactions, as dbt sends them."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from writing import FIRST, tag

Connect = Callable[..., psycopg.Connection]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE made AS SELECT * FROM vo.first",
        "SELECT * INTO TEMP made FROM vo.renamed",
        "CREATE TEMP TABLE made AS (WITH one AS (SELECT f.* FROM vo.first f JOIN vo.second USING (number)) TABLE one)",
        "INSERT INTO copied SELECT * FROM vo.second",
    ],
)
def test_views_made_in_one_session_are_read_by_a_block_of_another(connect: Connect, statement: str) -> None:
    dropped = connect("admin", autocommit=True)
    dropped.execute("DROP SCHEMA IF EXISTS vo CASCADE")
    maker, reader = connect("admin", autocommit=False), connect("admin", autocommit=False)
    reader.execute("CREATE TEMP TABLE copied (number int, title text)")
    maker.execute("CREATE SCHEMA vo")
    maker.execute(f"CREATE VIEW vo.first AS {FIRST}".encode())
    maker.execute("CREATE VIEW vo.second AS SELECT * FROM vo.first")
    maker.execute("CREATE VIEW vo.named AS SELECT * FROM vo.first")
    maker.execute("ALTER VIEW vo.named RENAME TO renamed")
    maker.commit()
    try:
        assert tag(reader, statement) in ("SELECT 5", "INSERT 0 5")
    finally:
        reader.rollback()
        dropped.execute("DROP SCHEMA vo CASCADE")


def test_a_cursor_reads_a_view(ana: psycopg.Connection) -> None:
    ana.execute(f"CREATE TEMP VIEW seen AS {FIRST}".encode())
    with ana.transaction(), ana.cursor("few") as cursor:
        cursor.execute("SELECT number FROM seen ORDER BY number")
        assert cursor.fetchmany(2) == [(1,), (2,)]
