"""A real PostgreSQL 18 with the arena's tables and views, once for the whole run."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from arena import Arena
from arena_objects import LOCAL_OBJECTS, VIEWS, local_tables
from arena_rows import ALL_COLUMNS, arrow_tables, sql_text

from catalog.clusters import EmbeddedCluster, EmbeddedSettings


@pytest.fixture(scope="session")
def arrow_rows() -> dict[str, pa.Table]:
    return arrow_tables()


@pytest.fixture(scope="session")
def connection(arrow_rows: Mapping[str, pa.Table]) -> Iterator[psycopg.Connection[Any]]:
    data_root = Path(tempfile.mkdtemp(prefix="omnisql-differential-"))
    with asyncio.Runner() as runner:
        cluster = EmbeddedCluster("arena", EmbeddedSettings(data_root=data_root, max_connections=5))
        runner.run(cluster.start())
        try:
            with psycopg.connect(
                host=str(cluster.socket_directory),
                port=cluster.port,
                user=cluster.superuser,
                dbname="postgres",
                autocommit=True,
            ) as connection:
                _fill(connection, arrow_rows)
                yield connection
        finally:
            runner.run(cluster.stop())
            shutil.rmtree(data_root)


def _fill(connection: psycopg.Connection[Any], tables: Mapping[str, pa.Table]) -> None:
    for statement in ("CREATE SCHEMA app", "SET search_path = app, public", "SET TimeZone = 'UTC'", *local_tables()):
        connection.execute(statement.encode())
    fill(connection, tables)
    for statement in (*LOCAL_OBJECTS, *VIEWS):
        connection.execute(statement.encode())


def fill(connection: psycopg.Connection[Any], tables: Mapping[str, pa.Table]) -> None:
    """Put the rows into the local tables."""
    for name, columns in ALL_COLUMNS.items():
        places = ", ".join(f"%s::{type_name}" for type_name in columns.values())
        rows = [tuple(map(sql_text, row)) for row in zip(*(c.to_pylist() for c in tables[name].columns), strict=True)]
        with connection.cursor() as cursor:
            cursor.executemany(f'INSERT INTO app."{name}" VALUES ({places})'.encode(), rows)


@pytest.fixture(scope="session")
def arena(connection: psycopg.Connection[Any], arrow_rows: Mapping[str, pa.Table]) -> Iterator[Arena]:
    arena = Arena(connection, arrow_rows)
    yield arena
    arena.close()
