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
from arena_rows import COLUMNS, arrow_tables

from catalog.clusters import EmbeddedCluster, EmbeddedSettings

VIEWS = (
    "CREATE VIEW app.small AS SELECT id, n4 AS number, t, labels FROM app.t WHERE n4 < 100",
    "CREATE VIEW app.nested AS SELECT s.id, s.number, u.name FROM app.small s LEFT JOIN app.u ON u.tid = s.id",
    'CREATE VIEW app.renamed("a b", "C") AS SELECT k, "Mixed" FROM app."Odd Name"',
    "CREATE VIEW app.with_local AS SELECT t.id, lookup.word FROM app.t JOIN app.lookup ON lookup.id = t.id",
)


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
    connection.execute("CREATE SCHEMA app")
    connection.execute("SET search_path = app, public")
    connection.execute("SET TimeZone = 'UTC'")
    for name, columns in COLUMNS.items():
        declared = ", ".join(f'"{column}" {type_name}' for column, type_name in columns.items())
        connection.execute(f'CREATE TABLE app."{name}" ({declared})')
        places = ", ".join(f"%s::{type_name}" for type_name in columns.values())
        rows = list(zip(*(column.to_pylist() for column in tables[name].columns), strict=True))
        with connection.cursor() as cursor:
            cursor.executemany(f'INSERT INTO app."{name}" VALUES ({places})', rows)
    connection.execute("CREATE TABLE app.lookup AS SELECT i AS id, 'w' || i AS word FROM generate_series(1, 9) i")
    for view in VIEWS:
        connection.execute(view)


@pytest.fixture(scope="session")
def arena(connection: psycopg.Connection[Any], arrow_rows: Mapping[str, pa.Table]) -> Iterator[Arena]:
    arena = Arena(connection, arrow_rows)
    yield arena
    arena.close()
