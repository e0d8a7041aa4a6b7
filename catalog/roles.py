"""Mirrors a tenant's roles into the control database, so that a log-in needs no running cluster.

Roles and passwords are PostgreSQL's: CREATE ROLE, ALTER ROLE .. PASSWORD, VALID UNTIL, RENAME and DROP ROLE are relayed
and take effect with their transaction, also from DO blocks and restores. What PostgreSQL then holds in `pg_authid` is
copied; PostgreSQL hashes the password itself, and only the SCRAM verifier is read. So are the roles that a role is a
member of, with what they grant or as what it may be SET: they are its groups in policies.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog.connection import Connection

# Roles of the system and of OmniSQL itself are nobody's log-in.
# That somebody may only hand a role on, as whoever made it may, makes nobody a member here.
ROLES_SQL = """
WITH RECURSIVE direct AS (
    SELECT m.member, m.roleid FROM pg_catalog.pg_auth_members m WHERE m.inherit_option OR m.set_option
), held AS (
    SELECT d.member, d.roleid FROM direct d
    UNION SELECT h.member, d.roleid FROM held h JOIN direct d ON d.member OPERATOR(pg_catalog.=) h.roleid
)
SELECT r.oid, r.rolname, r.rolcanlogin, r.rolvaliduntil,
    CASE WHEN r.rolcanlogin AND r.rolpassword OPERATOR(pg_catalog.~) '^SCRAM-SHA-256[$]' THEN r.rolpassword END
        AS verifier,
    ARRAY(
        SELECT g.rolname FROM held h JOIN pg_catalog.pg_authid g ON g.oid OPERATOR(pg_catalog.=) h.roleid
         WHERE h.member OPERATOR(pg_catalog.=) r.oid AND g.rolname OPERATOR(pg_catalog.!~) '^(pg_|omnisql_)'
         ORDER BY g.rolname
    ) AS groups
FROM pg_catalog.pg_authid r
WHERE NOT r.rolsuper AND r.rolname OPERATOR(pg_catalog.!~) '^(pg_|omnisql_)' ORDER BY r.rolname
"""
FOUND_WITH = """
WITH found AS (
    SELECT f.role_oid, f.name, f.verifier, f.valid_until, f.may_log_in,
        ARRAY(SELECT pg_catalog.jsonb_array_elements_text(f.groups::pg_catalog.jsonb)) AS roles
    FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.oid[]), pg_catalog.unnest($3::pg_catalog.text[]),
        pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.timestamptz[]),
        pg_catalog.unnest($6::pg_catalog.bool[]), pg_catalog.unnest($7::pg_catalog.text[]))
        AS f(role_oid, name, verifier, valid_until, may_log_in, groups)
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
        " valid_until = f.valid_until, may_log_in = f.may_log_in, roles = f.roles"
        f" FROM found f WHERE p.tenant = $1 AND {SAME_ROLE}"
        " AND (p.name, p.role_oid, p.verifier, p.valid_until, p.may_log_in, p.roles)"
        " IS DISTINCT FROM (f.name, f.role_oid, f.verifier, f.valid_until, f.may_log_in, f.roles) RETURNING f.name",
    ),
    (
        MADE,
        f"{FOUND_WITH} INSERT INTO control.principals"
        " (tenant, name, role_oid, verifier, valid_until, may_log_in, roles)"
        " SELECT $1, f.name, f.role_oid, f.verifier, f.valid_until, f.may_log_in, f.roles FROM found f"
        f" WHERE NOT EXISTS (SELECT FROM control.principals p WHERE p.tenant = $1 AND {SAME_ROLE}) RETURNING name",
    ),
)

Tell = Callable[[tuple[str, ...]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleState:
    """A role as PostgreSQL has it; `verifier` is None where it may not log in by password.

    `groups` are the roles that it is a member of, directly or not, by name.
    """

    oid: int
    name: str
    verifier: str | None
    valid_until: datetime | None
    may_log_in: bool = False
    groups: tuple[str, ...] = ()


async def read_roles(connection: Connection) -> tuple[RoleState, ...]:
    """Read a cluster's roles over its superuser's connection, by name."""
    rows = await connection.fetch(ROLES_SQL)
    # PostgreSQL's infinity comes as the last or first moment Python knows, which compares as it should.
    return tuple(
        RoleState(
            oid=row["oid"],
            name=row["rolname"],
            verifier=row["verifier"],
            valid_until=row["rolvaliduntil"],
            may_log_in=row["rolcanlogin"],
            groups=tuple(row["groups"]),
        )
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
        [role.may_log_in for role in roles],
        [json.dumps(role.groups) for role in roles],
    )
    async with control.transaction():
        changes: list[str] = []
        for what, statement in MIRROR_SQL:
            changes += [f"{what} {row['name']}" for row in await control.fetch(statement, tenant, *values)]
        if changes:
            await tell(tuple(changes))
