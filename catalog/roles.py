"""Mirrors a tenant's roles into the control database, so that a log-in needs no running cluster.

Roles and passwords are PostgreSQL's: CREATE ROLE, ALTER ROLE .. PASSWORD, VALID UNTIL, RENAME and DROP ROLE are relayed
and take effect with their transaction, also from DO blocks and restores. What PostgreSQL then holds in `pg_authid` is
copied; PostgreSQL hashes the password itself, and only the SCRAM verifier is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.connection import Connection

# Roles of the system and of OmniSQL itself are nobody's log-in.
ROLES_SQL = """
SELECT r.rolname, r.rolvaliduntil,
    CASE WHEN r.rolcanlogin AND r.rolpassword OPERATOR(pg_catalog.~) '^SCRAM-SHA-256[$]' THEN r.rolpassword END
        AS verifier
FROM pg_catalog.pg_authid r
WHERE NOT r.rolsuper AND r.rolname OPERATOR(pg_catalog.!~) '^(pg_|omnisql_)' ORDER BY r.rolname
"""
MIRROR_SQL = """
WITH found AS (
    SELECT * FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]),
        pg_catalog.unnest($4::pg_catalog.timestamptz[])) AS f(name, verifier, valid_until)
), gone AS (
    DELETE FROM control.principals p WHERE p.tenant OPERATOR(pg_catalog.=) $1
        AND NOT EXISTS (SELECT FROM found f WHERE f.name OPERATOR(pg_catalog.=) p.name)
)
INSERT INTO control.principals (tenant, name, verifier, valid_until)
SELECT $1, f.name, f.verifier, f.valid_until FROM found f
ON CONFLICT (tenant, name) DO UPDATE SET verifier = EXCLUDED.verifier, valid_until = EXCLUDED.valid_until
WHERE (principals.verifier, principals.valid_until) IS DISTINCT FROM (EXCLUDED.verifier, EXCLUDED.valid_until)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleState:
    """A role as PostgreSQL has it; `verifier` is None where it may not log in by password."""

    name: str
    verifier: str | None
    valid_until: datetime | None


async def read_roles(connection: Connection) -> tuple[RoleState, ...]:
    """Read a cluster's roles over its superuser's connection, by name."""
    rows = await connection.fetch(ROLES_SQL)
    # PostgreSQL's infinity comes as the last or first moment Python knows, which compares as it should.
    return tuple(
        RoleState(name=row["rolname"], verifier=row["verifier"], valid_until=row["rolvaliduntil"]) for row in rows
    )


async def mirror_roles(control: Connection, tenant: UUID, roles: Sequence[RoleState]) -> None:
    """Make a tenant's principals those roles: new ones are added, changed ones changed, others forgotten.

    Attributes and groups of principals that stay are kept; those of a dropped role go with it, so that another role of
    the same name does not inherit them.
    """
    await control.execute(
        MIRROR_SQL,
        tenant,
        [role.name for role in roles],
        [role.verifier for role in roles],
        [role.valid_until for role in roles],
    )
