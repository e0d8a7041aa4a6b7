"""Mirrors a tenant's roles into the control database, so that a log-in needs no running cluster.

Roles and passwords are PostgreSQL's: CREATE ROLE, ALTER ROLE .. PASSWORD, VALID UNTIL, RENAME and DROP ROLE are relayed
and take effect with their transaction, also from DO blocks and restores. What PostgreSQL then holds in `pg_authid` is
copied; PostgreSQL hashes the password itself, and only the SCRAM verifier is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.connection import Connection

# Roles of the system and of OmniSQL itself are nobody's log-in.
ROLES_SQL = """
SELECT r.oid, r.rolname, r.rolvaliduntil,
    CASE WHEN r.rolcanlogin AND r.rolpassword OPERATOR(pg_catalog.~) '^SCRAM-SHA-256[$]' THEN r.rolpassword END
        AS verifier
FROM pg_catalog.pg_authid r
WHERE NOT r.rolsuper AND r.rolname OPERATOR(pg_catalog.!~) '^(pg_|omnisql_)' ORDER BY r.rolname
"""
FOUND_WITH = """
WITH found AS (
    SELECT * FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.oid[]), pg_catalog.unnest($3::pg_catalog.text[]),
        pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.timestamptz[]))
        AS f(role_oid, name, verifier, valid_until)
)
"""
SAME_ROLE = "(p.role_oid = f.role_oid OR (p.role_oid IS NULL AND p.name = f.name))"
DELETED, RENAMED, CHANGED, MADE = "dropped", "renamed to", "changed", "made"
# In this order: names that are exchanged must not meet, and a new role may have the name of one that is gone.
MIRROR_SQL = (
    (
        DELETED,
        f"{FOUND_WITH} DELETE FROM control.principals p WHERE p.tenant = $1"
        f" AND NOT EXISTS (SELECT FROM found f WHERE {SAME_ROLE}) RETURNING p.name",
    ),
    (
        RENAMED,
        f"{FOUND_WITH} UPDATE control.principals p SET name = 'omnisql_' || f.role_oid, role_oid = f.role_oid"
        f" FROM found f WHERE p.tenant = $1 AND {SAME_ROLE} AND p.name <> f.name RETURNING f.name",
    ),
    (
        CHANGED,
        f"{FOUND_WITH} UPDATE control.principals p SET name = f.name, role_oid = f.role_oid, verifier = f.verifier,"
        f" valid_until = f.valid_until FROM found f WHERE p.tenant = $1 AND {SAME_ROLE}"
        " AND (p.name, p.role_oid, p.verifier, p.valid_until)"
        " IS DISTINCT FROM (f.name, f.role_oid, f.verifier, f.valid_until) RETURNING f.name",
    ),
    (
        MADE,
        f"{FOUND_WITH} INSERT INTO control.principals (tenant, name, role_oid, verifier, valid_until)"
        " SELECT $1, f.name, f.role_oid, f.verifier, f.valid_until FROM found f"
        f" WHERE NOT EXISTS (SELECT FROM control.principals p WHERE p.tenant = $1 AND {SAME_ROLE}) RETURNING name",
    ),
)

Tell = Callable[[tuple[str, ...]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleState:
    """A role as PostgreSQL has it; `verifier` is None where it may not log in by password."""

    oid: int
    name: str
    verifier: str | None
    valid_until: datetime | None


async def read_roles(connection: Connection) -> tuple[RoleState, ...]:
    """Read a cluster's roles over its superuser's connection, by name."""
    rows = await connection.fetch(ROLES_SQL)
    # PostgreSQL's infinity comes as the last or first moment Python knows, which compares as it should.
    return tuple(
        RoleState(oid=row["oid"], name=row["rolname"], verifier=row["verifier"], valid_until=row["rolvaliduntil"])
        for row in rows
    )


async def mirror_roles(control: Connection, tenant: UUID, roles: Sequence[RoleState], tell: Tell) -> None:
    """Make a tenant's principals those roles: new ones are added, changed ones changed, others forgotten.

    `tell` learns what changes, such as `made ana`, before it holds; if it fails, nothing changes.
    A role is known by its OID: attributes and groups follow it to another name, and go with it when it is dropped, so
    that another role of the same name does not inherit them.
    """
    values = (
        [role.oid for role in roles],
        [role.name for role in roles],
        [role.verifier for role in roles],
        [role.valid_until for role in roles],
    )
    async with control.transaction():
        changes: list[str] = []
        for what, statement in MIRROR_SQL:
            changes += [f"{what} {row['name']}" for row in await control.fetch(statement, tenant, *values)]
        if changes:
            await tell(tuple(changes))
