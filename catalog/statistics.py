"""The statistics of a tenant's API tables in the control database: plain rows, whose meaning is the server's.

Functions over a control connection; each is one statement, so that each is atomic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.connection import Connection

LOAD_SQL = """
SELECT server_oid, api_table, shape, rows, pages, calls, latency_ms, sightings, seen_at, origin, stale, literal
FROM control.statistics WHERE tenant = $1 AND literal = $2 AND ($4::timestamptz IS NULL OR seen_at > $4)
ORDER BY seen_at DESC LIMIT $3
"""
PUT_SQL = """
INSERT INTO control.statistics
    (tenant, server_oid, api_table, shape, rows, pages, calls, latency_ms, sightings, seen_at, origin, stale, literal)
SELECT t.id, u.server_oid, u.api_table, u.shape::pg_catalog.jsonb, u.rows, u.pages, u.calls, u.latency_ms, u.sightings,
    u.seen_at, u.origin, u.stale, u.literal
FROM ROWS FROM (pg_catalog.unnest($2::oid[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]),
    pg_catalog.unnest($5::float8[]), pg_catalog.unnest($6::float8[]), pg_catalog.unnest($7::float8[]),
    pg_catalog.unnest($8::float8[]), pg_catalog.unnest($9::integer[]), pg_catalog.unnest($10::timestamptz[]),
    pg_catalog.unnest($11::text[]), pg_catalog.unnest($12::boolean[]), pg_catalog.unnest($13::boolean[]))
    AS u(server_oid, api_table, shape, rows, pages, calls, latency_ms, sightings, seen_at, origin, stale, literal)
JOIN control.tenants AS t ON t.id = $1
ON CONFLICT (tenant, server_oid, api_table, shape) DO UPDATE
SET rows = EXCLUDED.rows, pages = EXCLUDED.pages, calls = EXCLUDED.calls, latency_ms = EXCLUDED.latency_ms,
    sightings = EXCLUDED.sightings, seen_at = EXCLUDED.seen_at, origin = EXCLUDED.origin, stale = EXCLUDED.stale
"""
TABLES_SQL = "SELECT DISTINCT server_oid, api_table FROM control.statistics WHERE tenant = $1"
FORGET_SQL = """
DELETE FROM control.statistics AS s
USING ROWS FROM (pg_catalog.unnest($2::oid[]), pg_catalog.unnest($3::text[])) AS gone(server_oid, api_table)
WHERE s.tenant = $1 AND s.server_oid = gone.server_oid AND s.api_table = gone.api_table
"""
SURPLUS_SQL = """
DELETE FROM control.statistics WHERE (tenant, server_oid, api_table, shape) IN (
    SELECT tenant, server_oid, api_table, shape FROM control.statistics WHERE tenant = $1 AND literal = $2
    ORDER BY seen_at DESC OFFSET $3)
"""

ShapeRow = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticRecord:
    """One row of `control.statistics`, without its tenant; `literal` says that its shape has digests of literals."""

    server_oid: int
    api_table: str
    shape: ShapeRow
    rows: float
    pages: float
    calls: float
    latency_ms: float
    sightings: int
    seen_at: datetime
    origin: str
    stale: bool
    literal: bool = False


async def load_statistics(
    connection: Connection, tenant: UUID, count_max: int, *, literal: bool = False, after: datetime | None = None
) -> tuple[StatisticRecord, ...]:
    """Read a tenant's statistics of one kind, seen later than `after`, the last first, `count_max` at most."""
    rows = await connection.fetch(LOAD_SQL, tenant, literal, count_max, after)
    return tuple(StatisticRecord(**{**dict(row), "shape": _read_shape(row["shape"])}) for row in rows)


async def put_statistics(
    connection: Connection, tenant: UUID, records: Sequence[StatisticRecord], count_max: int, literal_max: int = 0
) -> None:
    """Keep statistics, in place of those of the same shape, and of each kind so many seen last.

    Nothing is kept for a tenant that is gone.
    """
    columns = (
        [record.server_oid for record in records],
        [record.api_table for record in records],
        [json.dumps(record.shape) for record in records],
        [record.rows for record in records],
        [record.pages for record in records],
        [record.calls for record in records],
        [record.latency_ms for record in records],
        [record.sightings for record in records],
        [record.seen_at for record in records],
        [record.origin for record in records],
        [record.stale for record in records],
        [record.literal for record in records],
    )
    await connection.execute(PUT_SQL, tenant, *columns)
    for literal, most in ((False, count_max), (True, literal_max)):
        await connection.execute(SURPLUS_SQL, tenant, literal, most)


async def tables_with_statistics(connection: Connection, tenant: UUID) -> frozenset[tuple[int, str]]:
    """List the API tables that there are statistics of, each with the OID of its server."""
    return frozenset((row["server_oid"], row["api_table"]) for row in await connection.fetch(TABLES_SQL, tenant))


async def forget_statistics(connection: Connection, tenant: UUID, tables: Iterable[tuple[int, str]]) -> None:
    """Delete all statistics of some API tables."""
    gone = list(tables)
    await connection.execute(FORGET_SQL, tenant, [oid for oid, _ in gone], [name for _, name in gone])


def _read_shape(text: str) -> ShapeRow:
    return tuple((str(column), str(operator), str(values)) for column, operator, values in json.loads(text))
