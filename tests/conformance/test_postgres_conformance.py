"""Proves PostgreSQL as a source against a real server: every type, grade, order and key, and the way there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from encrypted_front import self_signed, tls_front
from external_postgres import PASSWORD, ExternalPostgres, external_postgres
from local_network import LOCAL_SETTINGS

from connectors.postgres.connector import PostgresConnection, PostgresConnector
from connectors.sdk.connector import Source
from connectors.sdk.errors import (
    ConnectorError,
    CredentialsRejected,
    DestinationRefused,
    Fatal,
    OptionInvalid,
    Retryable,
    SourceTimeout,
)
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, SortKey
from connectors.sdk.settings import TransportSettings
from connectors.sdk.sizes import TableSize
from connectors.sdk.table import AccessPath, Disjunctions, Table
from connectors.sdk.testing import prove_table

SCHEMA = """
CREATE ROLE reader LOGIN PASSWORD 'a secret of the source''s';
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO reader;
CREATE TYPE shop.state AS ENUM ('open', 'Paid', 'void');
CREATE DOMAIN shop.email AS varchar(200) CHECK (value LIKE '%@%');
CREATE TABLE shop.customers (
    id int PRIMARY KEY, email shop.email UNIQUE, name text COLLATE pg_catalog.pg_unicode_fast, nick text,
    code char(6), active bool NOT NULL, "Größe {x}" float8
);
INSERT INTO shop.customers SELECT n, 'u' || n || '@example.com',
    (ARRAY['Zoë', 'zebra', 'Ärger', 'apple', E'back\\\\slash', '100%', 'a_b', NULL])[1 + n % 8],
    (ARRAY['Bob', 'bob', 'BOB', NULL])[1 + n % 4], 'c' || n % 5, n % 3 = 0, n / 7.0 FROM generate_series(1, 40) AS n;
CREATE TABLE shop.orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), customer_id int NOT NULL REFERENCES shop.customers, state shop.state,
    total numeric(12, 2), weight float4, placed timestamptz, day date, local timestamp, at time, took interval,
    tags text[], amounts numeric[], moments timestamptz[], body jsonb, raw json, hash bytea, address inet, small int2,
    big int8, span int4range
);
CREATE INDEX ON shop.orders (customer_id);
CREATE INDEX ON shop.orders (abs(small), total);
CREATE INDEX ON shop.orders (big) WHERE big > 5;
INSERT INTO shop.orders SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 1 + n % 40,
    (ARRAY['open', 'Paid', 'void', NULL])[1 + n % 4]::shop.state, CASE n % 5 WHEN 0 THEN NULL
    ELSE n * 1.25 END, n / 3.0, '1969-12-31 23:59:59.999999Z'::timestamptz + n * interval '7 hours 1 microsecond',
    date '1999-12-30' + n, timestamp '2000-01-01' - n * interval '1 hour',
    time '23:59:59.999999' - n * '1 min'::interval,
    make_interval(months => n, days => -n, secs => n / 8.0), ARRAY['a', 'T' || n % 3, NULL], ARRAY[n, 0.5],
    ARRAY['2020-01-01 00:00Z'::timestamptz], jsonb_build_object('n', n), '{"b":1, "a":2}', decode('00ff', 'hex'),
    '10.0.0.1', n % 7, n * 10000000000, int4range(n, n + 5) FROM generate_series(1, 90) AS n;
CREATE TABLE shop.parted (id int, region text) PARTITION BY LIST (region);
CREATE TABLE shop.parted_eu PARTITION OF shop.parted FOR VALUES IN ('eu');
INSERT INTO shop.parted SELECT n, 'eu' FROM generate_series(1, 5) AS n;
CREATE VIEW shop."open.orders" AS SELECT id, total FROM shop.orders WHERE state = 'open';
CREATE TABLE shop.hidden (id int);
CREATE TABLE shop.odd (id int PRIMARY KEY, moment timestamptz, grid int[], price numeric, ratio float8);
INSERT INTO shop.odd VALUES (1, 'infinity', '{1}', 'NaN', 'NaN'),
    (2, '2020-01-01Z', '{{1,2},{3,4}}', 1e30, '-Infinity'),
    (3, '0044-03-15Z BC', NULL, NULL, NULL);
CREATE TABLE shop.many AS SELECT n AS id, n % 4 AS kind FROM generate_series(1, 25000) AS n;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO reader;
REVOKE SELECT ON shop.hidden FROM reader;
ANALYZE;
"""


@pytest.fixture(scope="module")
def external() -> Iterator[ExternalPostgres]:
    """Run a server with a schema of all kinds."""
    with external_postgres() as running:
        running.execute(SCHEMA)
        yield running


def source(external: ExternalPostgres, password: str = PASSWORD, **options: str) -> Source:
    given = {
        "host": "127.0.0.1",
        "port": str(external.port),
        "dbname": "postgres",
        "user": "reader",
        "sslmode": "disable",
        **options,
    }
    plain = {name: value for name, value in given.items() if value}
    return Source(tenant="t", server="erp", connector="postgres", options=plain, secrets={"password": password})


@pytest.fixture
async def connection(external: ExternalPostgres) -> AsyncIterator[PostgresConnection]:
    opened = await PostgresConnector(LOCAL_SETTINGS).connect(source(external))
    yield opened
    await opened.disconnect()


async def tables_of(connection: PostgresConnection) -> dict[str, Table]:
    return {table.name: table for table in await PostgresConnector().discover(connection)}


def with_its_conditions_once(table: Table) -> Table:
    """Return a table of whose paths the one that reads all is proven with every condition: they write them alike."""
    return replace(table, access_paths=tuple(_with_few(path) if path.keys else path for path in table.access_paths))


def _with_few(path: AccessPath) -> AccessPath:
    few = dict(list(path.operators.items())[:2])
    return replace(path, operators=few, disjunctions=Disjunctions(columns=frozenset(few)), order={})


async def read(connection: PostgresConnection, scan: Scan) -> list[dict[str, Any]]:
    return [row async for page in connection.fetch(scan, QUIET_CONTEXT) for row in page.rows.to_pylist()]


def whole(table: Table) -> Scan:
    return Scan(table=table.name, access_path="scan", columns=tuple(column.name for column in table.columns))


async def test_tables_are_those_that_the_role_may_read(connection: PostgresConnection) -> None:
    tables = await tables_of(connection)
    assert set(tables) == {
        "shop.customers", "shop.orders", "shop.parted", 'shop."open.orders"', "shop.odd", "shop.many",
    }  # fmt: skip
    orders = tables["shop.orders"]
    assert (orders.schema, orders.local_name, orders.primary_key) == ("shop", "orders", ("id",))
    assert [path.name for path in orders.access_paths] == ["scan", "count", "by_id", "by_customer_id"]
    assert orders.rows_expected == 90
    assert {column.name: column.type_name for column in tables["shop.customers"].columns} == {
        "id": "int4", "email": "varchar", "name": "text", "nick": "text", "code": "text", "active": "bool",
        "Größe {x}": "float8",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["shop.customers", "shop.orders"])
async def test_every_declaration_of_a_table_holds(connection: PostgresConnection, name: str) -> None:
    table = with_its_conditions_once((await tables_of(connection))[name])
    proof = await prove_table(connection, table, whole(table), QUIET_CONTEXT)
    assert proof.failures == []
    assert proof.check_count > 100


COUNTED = (("shop.many", ("kind",)), ("shop.customers", ("active",)), ("shop.orders", ()))


@pytest.mark.parametrize(("name", "columns"), COUNTED)
async def test_rows_are_counted_by_columns_of_few_values(
    connection: PostgresConnection, name: str, columns: tuple[str, ...]
) -> None:
    table = (await tables_of(connection))[name]
    count = next(path for path in table.access_paths if path.counts)
    assert set(columns) <= (count.columns or frozenset())
    listed = await read(connection, replace(whole(table), columns=columns))
    counted = await read(connection, Scan(table=name, access_path="count", columns=columns))
    assert sorted(map(str, counted)) == sorted(map(str, listed))
    assert await connection.measure(name, QUIET_CONTEXT) == TableSize(rows=len(listed))


async def test_texts_are_compared_and_sorted_by_their_bytes(connection: PostgresConnection) -> None:
    scan = Scan(table="shop.customers", access_path="scan", columns=("name",), order=(by("name"), by("id")))
    names = [row["name"] for row in await read(connection, scan)]
    assert names == sorted(names, key=lambda name: (name is None, (name or "").encode()))
    below = Predicate(column="name", operator=Operator.LT, value="a")
    assert {row["name"] for row in await read(connection, replace(scan, predicates=(below,)))} == {"Zoë", "100%"}
    like = Predicate(column="name", operator=Operator.LIKE, value="back\\\\slash")
    assert {row["name"] for row in await read(connection, replace(scan, predicates=(like,)))} == {"back\\slash"}


def by(column: str) -> SortKey:
    return SortKey(column=column, direction=Direction.ASC)


async def test_what_no_column_can_hold_is_refused_by_name(connection: PostgresConnection) -> None:
    def odd(column: str, *ids: int) -> Scan:
        return Scan(table="shop.odd", access_path="by_id", columns=(column,), keys={"id": ids})

    for column, number in (("moment", 1), ("grid", 2)):
        with pytest.raises(Fatal, match=f"a value of shop.odd.{column} does not fit"):
            await read(connection, odd(column, number))
    assert await read(connection, odd("grid", 1)) == [{"grid": [1]}]
    assert [row["price"] for row in await read(connection, odd("price", 1, 2, 3))] == ["NaN", f"1{30 * '0'}", None]
    assert [str(row["ratio"]) for row in await read(connection, odd("ratio", 1, 2))] == ["nan", "-inf"]
    # Older than any year of Python's: as a number, in microseconds.
    pages = [page async for page in connection.fetch(odd("moment", 2, 3), QUIET_CONTEXT)]
    assert pages[0].rows.column(0).cast("int64").to_pylist() == [1_577_836_800_000_000, -63_517_824_000_000_000]


async def test_long_tables_come_in_batches_and_stop_at_the_limit(connection: PostgresConnection) -> None:
    scan = Scan(table="shop.many", access_path="scan", columns=("id",))
    sizes = [page.rows.num_rows async for page in connection.fetch(scan, QUIET_CONTEXT)]
    assert sizes == [10_000, 10_000, 5_000]
    assert len(await read(connection, replace(scan, limit=12_000))) == 12_000


async def test_a_reading_that_ends_early_leaves_nothing_running(
    connection: PostgresConnection, external: ExternalPostgres
) -> None:
    pages = connection.fetch(Scan(table="shop.many", access_path="scan", columns=("id",)), QUIET_CONTEXT)
    assert (await anext(pages)).rows.num_rows == 10_000
    await pages.aclose()
    assert active(external) == []
    # Far longer than the test.
    external.execute(
        "CREATE OR REPLACE VIEW shop.slow AS SELECT count(*) AS n FROM shop.many a, shop.many b, shop.many c"
    )
    external.execute("GRANT SELECT ON shop.slow TO reader")
    slow = Scan(table="shop.slow", access_path="scan", columns=("n",))
    reading = asyncio.create_task(read(connection, slow))
    await asyncio.to_thread(wait_until, external, active_wanted=True)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.to_thread(wait_until, external, active_wanted=False)
    with pytest.raises(SourceTimeout, match="did not finish a query in time"):
        await anext(connection.fetch(slow, replace(QUIET_CONTEXT, timeout_s=0.3)))


def wait_until(external: ExternalPostgres, *, active_wanted: bool) -> None:
    while any("slow" in query for query in active(external)) is not active_wanted:
        pass


def active(external: ExternalPostgres) -> list[str]:
    """Return the queries that the reader's sessions carry out at the moment."""
    sql = "SELECT query FROM pg_stat_activity WHERE usename = 'reader' AND state <> 'idle'"
    with external.session() as session:
        return [query for (query,) in session.execute(sql)]


async def checked(
    external: ExternalPostgres, options: dict[str, str], settings: TransportSettings = LOCAL_SETTINGS
) -> str:
    opened = await PostgresConnector(settings).connect(source(external, **options))
    try:
        return await opened.check()
    finally:
        await opened.disconnect()


async def test_the_name_in_the_certificate_is_the_hosts(external: ExternalPostgres, tmp_path: Path) -> None:
    context, pem = self_signed(tmp_path, ("localhost",))
    trusted = {"sslmode": "verify-full", "root_certificates": pem}
    async with tls_front(external.port, context) as port:
        assert await checked(external, {"host": "localhost", "port": str(port), **trusted}) == "reader"
        # The same server, reached under a name that its certificate does not have; and one whose signer is unknown.
        for wrong in ({"host": "127.0.0.1", **trusted}, {"host": "localhost", "sslmode": "verify-full"}):
            with pytest.raises(Fatal, match="does not prove with its certificate who it is"):
                await checked(external, {"port": str(port), **wrong})
    with pytest.raises(Retryable, match="cannot be used at the moment"):
        # It does not encrypt at all: nothing is sent.
        await checked(external, trusted, HASTY)


HASTY = replace(LOCAL_SETTINGS, retry=RetryPolicy(attempts_max=2, delay_initial_s=0.001))
PROXIED = replace(LOCAL_SETTINGS, outbound=replace(LOCAL_SETTINGS.outbound, proxy_url="http://127.0.0.1:1"))
WRONG: tuple[tuple[dict[str, str], TransportSettings, type[ConnectorError], str], ...] = (
    ({"password": "mistyped"}, HASTY, CredentialsRejected, "does not accept its credentials"),
    ({"dbname": "nowhere"}, HASTY, CredentialsRejected, "does not accept its credentials"),
    ({"port": "1"}, HASTY, Retryable, "cannot be used at the moment"),
    ({}, TransportSettings(), DestinationRefused, "has no address that may be connected to"),
    ({"host": "localhost"}, TransportSettings(), DestinationRefused, "has no address that may be connected to"),
    ({}, PROXIED, DestinationRefused, "cannot be reached through the HTTP proxy"),
    ({"user": ""}, HASTY, OptionInvalid, "lacks option user"),
    ({"host": "/var/run/postgresql"}, HASTY, OptionInvalid, "not the name or address of one host"),
    ({"host": "127.0.0.1,10.0.0.1"}, HASTY, OptionInvalid, "not the name or address of one host"),
    ({"port": "0"}, HASTY, OptionInvalid, "not a port"),
    ({"sslmode": "require"}, HASTY, OptionInvalid, "neither verify-full nor disable"),
    ({"root_certificates": "/etc/ssl/ca.pem"}, HASTY, OptionInvalid, "no certificate in PEM form"),
)


@pytest.mark.parametrize(("options", "settings", "kind", "words"), WRONG)
async def test_what_is_wrong_with_the_way_there_is_said(
    external: ExternalPostgres,
    options: dict[str, str],
    settings: TransportSettings,
    kind: type[ConnectorError],
    words: str,
) -> None:
    with pytest.raises(kind, match=words) as raised:
        await checked(external, options, settings)
    assert PASSWORD not in f"{raised.value.message} {raised.value.detail} {raised.value.hint}"


async def test_a_connection_that_broke_is_replaced(connection: PostgresConnection, external: ExternalPostgres) -> None:
    scan = Scan(table="shop.many", access_path="count", columns=())
    assert len(await read(connection, scan)) == 25_000
    external.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'reader'")
    assert len(await read(connection, scan)) == 25_000


async def test_what_vanished_or_is_forbidden_is_named(
    connection: PostgresConnection, external: ExternalPostgres
) -> None:
    scan = Scan(table="shop.parted", access_path="scan", columns=("id", "region"))
    assert len(await read(connection, scan)) == 5
    external.execute("REVOKE SELECT ON shop.parted FROM reader")
    with pytest.raises(Fatal, match="denies access") as denied:
        await read(connection, scan)
    assert denied.value.sqlstate == "42501"
    external.execute("GRANT SELECT ON shop.parted TO reader; ALTER TABLE shop.parted RENAME TO split")
    with pytest.raises(Fatal, match="does not have a table or column any more") as gone:
        await read(connection, scan)
    assert gone.value.sqlstate == "HV00R"
    external.execute("ALTER TABLE shop.split RENAME TO parted")
    unknown = replace(scan, table="shop.nothing")
    with pytest.raises(Fatal, match="that may be read"):
        await read(connection, unknown)
