"""Conditions that no API evaluated, added up for a tenant in the control database, by whichever server saw them.

Functions over a control connection; each is one statement, so that each is atomic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.connection import Connection

LOAD_SQL = """
SELECT relation_oid, condition, reason, rewrite, statements, calls, rows_fetched, seen_at
FROM control.pushdown_misses WHERE tenant = $1 ORDER BY seen_at DESC LIMIT $2
"""
ADD_SQL = """
INSERT INTO control.pushdown_misses AS m
    (tenant, relation_oid, condition, reason, rewrite, statements, calls, rows_fetched, seen_at)
SELECT t.id, u.relation_oid, u.condition, u.reason, u.rewrite, u.statements, u.calls, u.rows_fetched, u.seen_at
FROM ROWS FROM (pg_catalog.unnest($2::oid[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]),
    pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::int8[]), pg_catalog.unnest($7::int8[]),
    pg_catalog.unnest($8::int8[]), pg_catalog.unnest($9::timestamptz[]))
    AS u(relation_oid, condition, reason, rewrite, statements, calls, rows_fetched, seen_at)
JOIN control.tenants AS t ON t.id = $1
ON CONFLICT (tenant, relation_oid, condition) DO UPDATE
SET reason = EXCLUDED.reason, statements = m.statements + EXCLUDED.statements, calls = m.calls + EXCLUDED.calls,
    rows_fetched = m.rows_fetched + EXCLUDED.rows_fetched, seen_at = GREATEST(m.seen_at, EXCLUDED.seen_at),
    rewrite = CASE WHEN EXCLUDED.rewrite = '' THEN m.rewrite ELSE EXCLUDED.rewrite END
"""
SURPLUS_SQL = """
DELETE FROM control.pushdown_misses WHERE (tenant, relation_oid, condition) IN (
    SELECT tenant, relation_oid, condition FROM control.pushdown_misses WHERE tenant = $1
    ORDER BY seen_at DESC OFFSET $2)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """One condition over one foreign table: statements with it, their calls to the source, and rows that came back."""

    relation_oid: int
    condition: str
    reason: str
    rewrite: str
    statements: int
    calls: int
    rows_fetched: int
    seen_at: datetime


async def load_misses(connection: Connection, tenant: UUID, count_max: int) -> tuple[Miss, ...]:
    """Read a tenant's conditions, those seen last first, `count_max` at most."""
    return tuple(Miss(**dict(row)) for row in await connection.fetch(LOAD_SQL, tenant, count_max))


async def add_misses(connection: Connection, tenant: UUID, seen: Sequence[Miss], count_max: int) -> None:
    """Add what was seen, and keep the `count_max` seen last; nothing is kept for a tenant that is gone."""
    columns = (
        [miss.relation_oid for miss in seen],
        [miss.condition for miss in seen],
        [miss.reason for miss in seen],
        [miss.rewrite for miss in seen],
        [miss.statements for miss in seen],
        [miss.calls for miss in seen],
        [miss.rows_fetched for miss in seen],
        [miss.seen_at for miss in seen],
    )
    await connection.execute(ADD_SQL, tenant, *columns)
    await connection.execute(SURPLUS_SQL, tenant, count_max)
