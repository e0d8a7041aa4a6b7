"""What a tenant's catalog is at, so that two moments can be told apart that it may have changed between.

Objects, and privileges on them, move the DDL sequence by an event trigger. Roles and memberships, which no such trigger
sees, are told apart by the transactions that wrote them (xmin). Needs a control connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.connection import Connection
from catalog.errors import ClusterUnavailable
from catalog.tenants import DDL_LOCK_CLASS, DDL_LOCK_OBJECT
from catalog.validators import CATALOG_SCHEMA

MOMENT_SQL = "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text"
"""The transactions that a statement sees: as long as it is the same, no transaction of the cluster has ended that could
have changed anything."""

# The sequence is read before the locks: whoever sees its new value sees the lock, or the transaction's end (see
# `tenants.NOTE_DDL_BODY`).
VERSION_SQL = f"""
WITH seen AS MATERIALIZED (SELECT d.last_value FROM {CATALOG_SCHEMA}.ddl_sequence d)
SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text AS moment, seen.last_value AS sequence,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_locks l
           WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = {DDL_LOCK_CLASS}
             AND l.objid = {DDL_LOCK_OBJECT} AND seen.last_value IS NOT NULL
             AND l.database = (
                 SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = pg_catalog.current_database()
             )
       ) AS settled,
       (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashtextextended(w.written, 0)))
          FROM (SELECT pg_catalog.concat('r', a.oid, ':', a.xmin) AS written FROM pg_catalog.pg_authid a
                UNION ALL
                SELECT pg_catalog.concat('m', m.oid, ':', m.xmin) FROM pg_catalog.pg_auth_members m) w) AS roles
FROM seen
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A catalog as it was once; equal ones mean the same while they are `settled`.

    One that is not was read while a transaction with DDL was open. `moment` says more than is needed: versions of
    different moments may be equal.
    """

    sequence: int
    roles: str
    settled: bool
    moment: str = field(compare=False)


async def read_version(connection: Connection, known: Version | None) -> Version:
    """Read the version; `known` is returned again where nothing at all has happened since it was read.

    Raises: ClusterUnavailable (57P03).
    """
    if known is not None and known.settled and await connection.fetchval(MOMENT_SQL) == known.moment:
        return known
    row = await connection.fetchrow(VERSION_SQL)
    if row is None:
        raise ClusterUnavailable("the catalog cannot be read")
    return Version(**dict(row))
