"""What the control database knows of who logs in: the tenant, its rules for log-ins, and the principal. One question.

Functions over a control connection; each is one statement, so that each is atomic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from catalog.connection import Connection
from catalog.errors import TenantUnknown

# Expiry is that of the role: PostgreSQL asks for it with passwords alone, here it ends every way in.
FIND_SQL = """
SELECT t.id, t.name, t.owner, t.ready, r.rules, p.verifier, p.attributes, p.roles,
    p.name IS NOT NULL AND COALESCE(p.valid_until OPERATOR(pg_catalog.>) pg_catalog.now(), true) AS counts,
    p.may_log_in
FROM control.tenants t
LEFT JOIN control.log_in_rules r ON r.tenant = t.id
LEFT JOIN control.principals p ON p.tenant = t.id AND p.name = $2
WHERE t.name = $1
"""
RULES_SQL = "SELECT rules FROM control.log_in_rules WHERE tenant = $1"
PUT_RULES_SQL = """
INSERT INTO control.log_in_rules (tenant, rules) VALUES ($1, $2::jsonb)
ON CONFLICT (tenant) DO UPDATE SET rules = EXCLUDED.rules
"""
ALL_RULES_SQL = "SELECT t.name, r.rules FROM control.log_in_rules r JOIN control.tenants t ON t.id = r.tenant"
DROP_RULES_SQL = "DELETE FROM control.log_in_rules WHERE tenant = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRole:
    """A role of a tenant that has not expired: `groups` are those it is a member of.

    `verifier` is None where it has no password, `may_log_in` false where it may not log in at all.
    """

    verifier: str | None
    may_log_in: bool
    attributes: Mapping[str, object] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A tenant that users may log in to; `rules` is its document as JSON, None where passwords alone count."""

    tenant: UUID
    name: str
    owner: str | None
    rules: str | None
    role: KnownRole | None


async def find(connection: Connection, database: str, role: str) -> Found | None:
    """Look up a tenant by its database's name, and one of its roles; None where there is no tenant to log in to."""
    row = await connection.fetchrow(FIND_SQL, database, role)
    if row is None or not row["ready"]:
        return None
    known = None
    if row["counts"]:
        known = KnownRole(
            verifier=row["verifier"],
            may_log_in=row["may_log_in"],
            attributes=json.loads(row["attributes"]),
            groups=tuple(row["roles"]),
        )
    return Found(tenant=row["id"], name=row["name"], owner=row["owner"], rules=row["rules"], role=known)


async def rules_of(connection: Connection, tenant: UUID) -> Mapping[str, object]:
    """Return a tenant's rules for log-ins, empty where it has none."""
    text = await connection.fetchval(RULES_SQL, tenant)
    rules: Mapping[str, object] = json.loads(text) if text is not None else {}
    return rules


async def all_rules(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Return every tenant's name and rules, as JSON, where it has some."""
    return tuple((row["name"], row["rules"]) for row in await connection.fetch(ALL_RULES_SQL))


async def put_rules(connection: Connection, tenant: UUID, rules: Mapping[str, object]) -> None:
    """Replace a tenant's rules for log-ins; empty ones leave passwords alone.

    Raises: TenantUnknown (3D000).
    """
    if not rules:
        await connection.execute(DROP_RULES_SQL, tenant)
        return
    known = await connection.fetchval("SELECT 1 FROM control.tenants WHERE id = $1", tenant)
    if known is None:
        raise TenantUnknown("the tenant does not exist", detail=str(tenant))
    await connection.execute(PUT_RULES_SQL, tenant, json.dumps(dict(rules)))
