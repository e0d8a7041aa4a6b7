"""information_schema can be read whole where there are API tables, and views that reach them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

READ_WHOLE = ("tables", "columns", "views", "triggered_update_columns", "view_column_usage")


@pytest.fixture
def views(ana: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Have views in the session's temporary schema: over an API table, over that, beside a local table, over one."""
    for statement in (
        "CREATE TEMP TABLE kept (id int8)",
        "CREATE TEMP VIEW reads AS SELECT id, name FROM jira.boards",
        "CREATE TEMP VIEW reads_view AS SELECT * FROM reads",
        "CREATE TEMP VIEW reads_beside AS SELECT * FROM kept WHERE id IN (SELECT id FROM jira.boards)",
        "CREATE TEMP VIEW local AS SELECT * FROM kept",
    ):
        ana.execute(statement.encode())
    yield ana
    ana.execute("DROP TABLE kept CASCADE; DROP VIEW reads CASCADE")


@pytest.mark.parametrize("view", READ_WHOLE)
def test_it_is_read_whole(views: psycopg.Connection, view: str) -> None:
    assert views.execute(f"SELECT * FROM information_schema.{view}".encode()).description


def test_only_what_reaches_no_api_table_is_said_to_be_writable(views: psycopg.Connection) -> None:
    for question in (
        "SELECT table_name FROM information_schema.tables WHERE is_insertable_into = 'YES'",
        "SELECT table_name FROM information_schema.columns WHERE is_updatable = 'YES'",
    ):
        found = {row[0] for row in views.execute(f"{question} AND table_schema LIKE 'pg_temp%'".encode())}
        assert found == {"kept", "local"}
