"""Joins and aggregates of one external PostgreSQL: as scans that are joined here, beside the statement sent whole.

What is measured is decision 30: the tables' rows come here by scans, with conditions and projection pushed, and DuckDB
joins and sums them. The statement sent whole is what a source without policy in between could be asked. Needs a
PostgreSQL to write to: it makes a schema `bench` there.
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


def _scan(table: str, columns: tuple[str, ...], *predicates: Predicate) -> Scan:
    return Scan(table=f"bench.{table}", access_path="scan", columns=columns, predicates=predicates)


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
    ),
    Question(
        title="sum of all orders by customer, the ten largest",
        sql="SELECT customer_id, sum(cents) FROM {orders} o GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
        scans={"orders": _scan("orders", ("customer_id", "cents"))},
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
        whole_ms = await timed(lambda sql=sql: direct.fetch(sql), arguments.rounds)  # type: ignore[misc]
        lines.append(
            [question.title, f"{moved:,}", f"{scanned_ms:.0f}", f"{whole_ms:.0f}", f"{scanned_ms / whole_ms:.1f}x"]
        )
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
    publish(
        Section(
            subject="Statements of one external PostgreSQL",
            header=["question", "rows that come by scans", "by scans, ms", "sent whole, ms", "ratio"],
            rows=asyncio.run(measured(parser.parse_args())),
            notes=["20,000 customers and 300,000 orders, median of 5 rounds; both ways gave the same rows."],
        )
    )
