"""Joins and aggregates of one external PostgreSQL: as scans that are joined here, beside the statement sent whole.

By scans (decision 30) the tables' rows come here, with conditions and projection pushed, and DuckDB joins and sums
them. Sent whole (decision 42) the connector has the statement carried out there. Beside them stands the text as its
user wrote it, asked directly. Needs a PostgreSQL to write to: it makes a schema `bench` there.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import asyncpg
import duckdb
import pyarrow as pa

from benchmarks.report import Section, median, publish
from connectors.postgres.connector import PostgresConnection, PostgresConnector
from connectors.sdk.addresses import Fence
from connectors.sdk.connector import Source
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.settings import Outbound, TransportSettings
from connectors.sdk.whole import WHOLE, WholeRelation, WholeStatement

LOCAL = TransportSettings(outbound=Outbound(fence=Fence(allowed_networks=(ip_network("127.0.0.0/8"),))))
MADE = """
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE TABLE bench.customers AS SELECT n::int AS id, 'c' || n % 30 AS country, n % 3 = 0 AS active
    FROM generate_series(1, 20000) AS n;
ALTER TABLE bench.customers ADD PRIMARY KEY (id);
CREATE TABLE bench.orders AS SELECT n::int AS id, (1 + n % 20000)::int AS customer_id, (n % 1000)::int8 * 125 AS cents,
    '2020-01-01Z'::timestamptz + n * interval '5 minutes' AS placed FROM generate_series(1, 300000) AS n;
ALTER TABLE bench.orders ADD PRIMARY KEY (id);
CREATE INDEX ON bench.orders (customer_id);
ANALYZE bench.customers, bench.orders;
"""
BOUND = datetime(2022, 7, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A statement, and the scans that a plan makes of it."""

    title: str
    sql: str
    scans: dict[str, Scan]
    columns: tuple[WholeRelation, ...]
    type_oids: tuple[int, ...]

    @property
    def whole(self) -> Scan:
        """Return the scan that has the statement carried out there."""
        text = self.sql.format(**{name: name for name in self.scans})
        statement = WholeStatement(sql=text, relations=self.columns, type_oids=self.type_oids)
        outputs = tuple(f"c{place}" for place in range(len(self.type_oids)))
        return Scan(table=WHOLE, access_path=WHOLE, columns=outputs, whole=statement)


def _scan(table: str, columns: tuple[str, ...], *predicates: Predicate) -> Scan:
    return Scan(table=f"bench.{table}", access_path="scan", columns=columns, predicates=predicates)


def _relation(table: str, **types: str) -> WholeRelation:
    columns = tuple((name, name, type_name) for name, type_name in types.items())
    return WholeRelation(name=table, table=f"bench.{table}", columns=columns)


RECENT = Predicate(column="placed", operator=Operator.GE, value=BOUND)
QUESTIONS = (
    Question(
        title="sum of recent orders by country of the customer",
        sql="SELECT country, count(*), sum(cents) FROM {orders} o JOIN {customers} c ON c.id = o.customer_id "
        "WHERE placed >= '2022-07-01 00:00:00+00' GROUP BY country ORDER BY country",
        scans={
            "orders": _scan("orders", ("customer_id", "cents", "placed"), RECENT),
            "customers": _scan("customers", ("id", "country")),
        },
        columns=(
            _relation("orders", customer_id="int4", cents="int8", placed="timestamptz"),
            _relation("customers", id="int4", country="text"),
        ),
        type_oids=(25, 20, 1700),
    ),
    Question(
        title="sum of all orders by customer, the ten largest",
        sql="SELECT customer_id, sum(cents) FROM {orders} o GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
        scans={"orders": _scan("orders", ("customer_id", "cents"))},
        columns=(_relation("orders", customer_id="int4", cents="int8"),),
        type_oids=(23, 1700),
    ),
)


async def by_scans(connection: PostgresConnection, question: Question) -> tuple[list[tuple[object, ...]], int]:
    """Read the scans at once, as a statement does, and answer from their rows; tell how many came."""
    names = list(question.scans)
    tables = await asyncio.gather(*(_table(connection, question.scans[name]) for name in names))
    with duckdb.connect() as engine:
        for name, table in zip(names, tables, strict=True):
            engine.register(name, table)
        rows = engine.execute(question.sql.format(**dict(zip(names, names, strict=True)))).fetchall()
    return rows, sum(table.num_rows for table in tables)


async def _table(connection: PostgresConnection, scan: Scan) -> pa.Table:
    return pa.Table.from_batches([page.rows async for page in connection.fetch(scan, QUIET_CONTEXT)])


async def timed(act: Callable[[], Awaitable[object]], rounds: int) -> float:
    """Return the median milliseconds of some rounds."""
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        await act()
        spent.append((time.perf_counter() - started) * 1000)
    return median(spent)


async def measured(arguments: argparse.Namespace) -> list[list[str]]:
    """Make the data, then ask each question both ways."""
    password = arguments.password_file.read_text(encoding="utf-8").strip()
    reach = {"host": "127.0.0.1", "port": arguments.port, "user": arguments.user, "password": password}
    direct = await asyncpg.connect(**reach, database=arguments.database)
    await direct.execute(MADE)
    options = {"host": "127.0.0.1", "port": str(arguments.port), "dbname": arguments.database, "sslmode": "disable"}
    source = Source(
        tenant="bench", server="erp", connector="postgres", options={**options, "user": arguments.user},
        secrets={"password": password},
    )  # fmt: skip
    connection = await PostgresConnector(LOCAL).connect(source)
    await PostgresConnector(LOCAL).discover(connection)
    lines = []
    for question in QUESTIONS:
        sql = question.sql.format(orders="bench.orders", customers="bench.customers")
        told, moved = await by_scans(connection, question)
        assert [tuple(row) for row in await direct.fetch(sql)] == told
        scanned_ms = await timed(lambda question=question: by_scans(connection, question), arguments.rounds)  # type: ignore[misc]
        whole = question.whole
        given = await _table(connection, whole)
        assert [tuple(map(str, row.values())) for row in given.to_pylist()] == [tuple(map(str, row)) for row in told]
        whole_ms = await timed(lambda whole=whole: _table(connection, whole), arguments.rounds)  # type: ignore[misc]
        direct_ms = await timed(lambda sql=sql: direct.fetch(sql), arguments.rounds)  # type: ignore[misc]
        ratio = f"{scanned_ms / whole_ms:.1f}x"
        lines.append([question.title, f"{moved:,}", f"{scanned_ms:.0f}", f"{whole_ms:.0f}", f"{direct_ms:.0f}", ratio])
    await connection.disconnect()
    await direct.close()
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="postgres")
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--database", default="postgres")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    publish(
        Section(
            subject="Statements of one external PostgreSQL",
            header=[
                "question",
                "rows that come by scans",
                "by scans, ms",
                "sent whole, ms",
                "asked directly, ms",
                "ratio",
            ],
            rows=asyncio.run(measured(arguments)),
            notes=[f"20,000 customers, 300,000 orders, median of {arguments.rounds} rounds; all gave the same rows."],
        )
    )
