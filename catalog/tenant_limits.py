"""The limits of tenants in the control database: numbers by the names of settings, which others read and judge.

Functions over a control connection; each is one statement, so that changes from two sides both count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from uuid import UUID

from catalog.connection import Connection

CHANGE_SQL = """
UPDATE control.tenants SET limits = (limits OPERATOR(pg_catalog.||) $2::jsonb) OPERATOR(pg_catalog.-) $3::text[]
 WHERE id OPERATOR(pg_catalog.=) $1
"""
OF_TENANTS_SQL = """
SELECT id, limits FROM control.tenants WHERE id OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.uuid[])
"""
OF_CLUSTER_SQL = "SELECT limits FROM control.tenants WHERE cluster OPERATOR(pg_catalog.=) $1"


async def change_limits(connection: Connection, tenant: UUID, changes: Mapping[str, float | None]) -> None:
    """Set some limits of a tenant and leave the others; None takes one away."""
    given = {key: value for key, value in changes.items() if value is not None}
    gone = [key for key, value in changes.items() if value is None]
    await connection.execute(CHANGE_SQL, tenant, json.dumps(given), gone)


async def limits_of_tenants(connection: Connection, tenants: Iterable[UUID]) -> dict[UUID, Mapping[str, object]]:
    """Read the limits of some tenants; those that are gone are left out."""
    rows = await connection.fetch(OF_TENANTS_SQL, list(tenants))
    return {row["id"]: json.loads(row["limits"]) for row in rows}


async def limits_of_cluster(connection: Connection, cluster: str) -> Mapping[str, object]:
    """Read the limits of the tenant whose cluster it is; none if it is nobody's."""
    text = await connection.fetchval(OF_CLUSTER_SQL, cluster)
    limits: Mapping[str, object] = json.loads(text) if text is not None else {}
    return limits
