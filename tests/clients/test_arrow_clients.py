"""Clients that read everything by COPY in binary: ADBC, and DuckDB with a tenant attached."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import adbc_driver_postgresql.dbapi
import duckdb
import duckdb_extensions
import psycopg
import pyarrow as pa
import pytest
from client_script import LONG_STATEMENT, WHERE, Seen
from demo_server import DATABASE, PASSWORD, DemoServer
from served import until

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

LATENCY_MS = 30_000
FIRST = f"SELECT repo, number FROM github.issues WHERE {WHERE} AND number <= 4 ORDER BY repo, number"


@pytest.fixture
def first(company: Company) -> list[tuple[Any, ...]]:
    """Return the rows of FIRST as ana sees them."""
    numbers = Seen(company, ("web", "api", "data", "mobile")).numbers(4)
    return [(repo, int(number or 0)) for repo, number in numbers]


@pytest.fixture
def adbc(demo: DemoServer) -> Iterator[Any]:
    """Connect by ADBC."""
    uri = f"postgresql://ana:{PASSWORD}@127.0.0.1:{demo.port}/{DATABASE}?sslmode=require&channel_binding=require"
    with adbc_driver_postgresql.dbapi.connect(uri) as session:
        yield session


@pytest.fixture
def attached(demo: DemoServer) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach the tenant in a DuckDB of its own."""
    with duckdb.connect() as engine:
        duckdb_extensions.import_extension("postgres_scanner", con=engine)
        engine.execute("LOAD postgres_scanner")
        engine.execute(
            f"ATTACH 'host=127.0.0.1 port={demo.port} dbname={DATABASE} user=ana password={PASSWORD} sslmode=require'"
            " AS acme (TYPE postgres)"
        )
        yield engine


def test_adbc_reads_arrow(adbc: Any, first: list[tuple[Any, ...]]) -> None:
    with adbc.cursor() as cursor:
        cursor.execute(FIRST)
        table = cursor.fetch_arrow_table()
        assert table.schema.types == [pa.string(), pa.int32()]
        assert list(zip(*table.to_pydict().values(), strict=True)) == first
        cursor.execute(f"SELECT count(*) FROM github.issues WHERE {WHERE} AND number <= $1", (4,))
        assert cursor.fetchall() == [(len(first),)]


def test_adbc_pages_and_cancels(adbc: Any, demo: DemoServer, first: list[tuple[Any, ...]]) -> None:
    with adbc.cursor() as cursor:
        cursor.execute(FIRST)
        pages = [page.num_rows for page in cursor.fetch_record_batch()]
        assert sum(pages) == len(first)
    with adbc.cursor() as cursor:

        def cancel() -> None:
            until(lambda: bool(demo.jira.requests()))
            cursor.adbc_cancel()

        demo.jira.reset()
        demo.jira.configure(latency_ms=LATENCY_MS)
        canceling = threading.Thread(target=cancel)
        canceling.start()
        with pytest.raises(adbc_driver_postgresql.dbapi.Error, match="canceling statement"):
            cursor.execute(LONG_STATEMENT)
        canceling.join()
        demo.jira.reset()


def test_adbc_introspects_and_ingests(adbc: Any, first: list[tuple[Any, ...]]) -> None:
    assert adbc.adbc_get_table_schema("boards", db_schema_filter="jira").names[:2] == ["id", "name"]
    objects = adbc.adbc_get_objects(depth="tables", db_schema_filter="jira").read_all().to_pylist()
    schemas = [schema for catalog in objects for schema in catalog["catalog_db_schemas"] or ()]
    tables = {table["table_name"]: table["table_type"] for schema in schemas for table in schema["db_schema_tables"]}
    assert tables["issues"] == "foreign table"
    with adbc.cursor() as cursor:
        cursor.execute(FIRST)
        read = cursor.fetch_arrow_table()
        assert cursor.adbc_ingest("adbc_kept", read, mode="create", temporary=True) == len(first)
        cursor.execute("SELECT * FROM adbc_kept ORDER BY 1, 2")
        assert cursor.fetchall() == first
    adbc.rollback()


def test_duckdb_reads_attached_tables(attached: duckdb.DuckDBPyConnection, first: list[tuple[Any, ...]]) -> None:
    tables = attached.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'jira'").fetchall()
    boards = attached.sql("SELECT count(*), min(name) FROM acme.jira.boards").fetchall()
    assert ("boards",) in tables
    assert boards == [(4, "API board")]
    assert attached.sql(f"SELECT * FROM postgres_query('acme', $${FIRST}$$)").fetchall() == first


def test_duckdb_filters_where_the_api_needs_it(
    attached: duckdb.DuckDBPyConnection, first: list[tuple[Any, ...]]
) -> None:
    attached.execute("SET pg_experimental_filter_pushdown = true")
    assert attached.sql(FIRST.replace("github.", "acme.github.")).fetchall() == first


def test_duckdb_is_canceled_by_another_session(attached: duckdb.DuckDBPyConnection, demo: DemoServer) -> None:
    """The extension sends no cancel itself: an interrupt waits for what is under way."""
    victim = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'ana' AND query LIKE %s"

    def cancel() -> None:
        until(lambda: bool(demo.jira.requests()))
        with psycopg.connect(**demo.arguments("ana"), dbname=DATABASE, autocommit=True) as other:
            until(lambda: bool(other.execute(victim, ["%story_points%jira%"]).fetchall()))

    demo.jira.reset()
    demo.jira.configure(latency_ms=LATENCY_MS)
    canceling = threading.Thread(target=cancel)
    canceling.start()
    with pytest.raises(duckdb.Error, match="canceling statement"):
        attached.sql("SELECT * FROM postgres_query('acme', 'SELECT story_points FROM jira.issues')").fetchall()
    canceling.join()
    demo.jira.reset()
    assert attached.sql("SELECT * FROM postgres_query('acme', 'SELECT 1')").fetchall() == [(1,)]


def test_duckdb_writes_into_a_table_of_ones_own(demo: DemoServer, first: list[tuple[Any, ...]]) -> None:
    with duckdb.connect() as engine:
        duckdb_extensions.import_extension("postgres_scanner", con=engine)
        engine.execute("LOAD postgres_scanner")
        address = f"host=127.0.0.1 port={demo.port} dbname={DATABASE} user=admin password={PASSWORD} sslmode=require"
        engine.execute(f"ATTACH '{address}' AS acme (TYPE postgres)")
        try:
            engine.execute(f"CREATE TABLE acme.public.duck_kept AS FROM postgres_query('acme', $${FIRST}$$)")
            assert engine.sql("SELECT * FROM acme.public.duck_kept ORDER BY 1, 2").fetchall() == first
        finally:
            engine.execute("DROP TABLE IF EXISTS acme.public.duck_kept")
