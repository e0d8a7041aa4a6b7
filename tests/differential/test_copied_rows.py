"""Rows of every type that are copied into a table are those that PostgreSQL was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from arena_rows import ALL_COLUMNS

from catalog.types import BY_SQL_NAME
from omnisql_server.execute.arrays import copy_lines


@pytest.mark.parametrize("name", ALL_COLUMNS)
def test_copied_rows_are_the_rows(
    connection: psycopg.Connection[Any], arrow_rows: Mapping[str, pa.Table], name: str
) -> None:
    kinds = ALL_COLUMNS[name]
    columns = ", ".join(f"c{place} {BY_SQL_NAME[kind].sql_name}" for place, kind in enumerate(kinds.values()))
    shown = ", ".join(f"c{place}::text" for place in range(len(kinds)))
    original = ", ".join(f'"{column}"::text' for column in kinds)
    with connection.transaction(force_rollback=True):
        connection.execute(f"CREATE TEMP TABLE copied ({columns})".encode())
        with (
            connection.cursor() as cursor,
            cursor.copy(b"COPY copied FROM STDIN (FORMAT text, ENCODING 'UTF8')") as copy,
        ):
            for batch in arrow_rows[name].to_batches(max_chunksize=7):
                copy.write(copy_lines(batch))
        copied = connection.execute(f"SELECT {shown} FROM copied ORDER BY c0".encode()).fetchall()
        first = next(iter(kinds))
        assert (
            copied == connection.execute(f'SELECT {original} FROM app."{name}" ORDER BY "{first}"'.encode()).fetchall()
        )
    assert len(copied) == arrow_rows[name].num_rows > 0
