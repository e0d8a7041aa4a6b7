"""API tokens in the control database: only their digests, what each is good for, and when it was used.

Functions over a control connection; each is one statement, so that each is atomic.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from catalog.connection import Connection
from catalog.errors import RoleUnknown, TokenUnknown
from catalog.log_ins import KnownRole

PREFIX = "omnisql"
ID_CHARACTERS = 12
_FORM = re.compile(rf"{PREFIX}_([0-9a-z]{{{ID_CHARACTERS}}})_[A-Za-z0-9_-]{{43}}", re.ASCII)
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"

# A token counts as long as its owner may log in, and is a member of the role that it is for.
COUNTS = """
    FROM control.api_tokens a
    JOIN control.principals p ON p.tenant = a.tenant AND p.role_oid = a.principal_oid
    LEFT JOIN control.principals r ON r.tenant = a.tenant AND r.role_oid = a.role_oid
    WHERE a.revoked_at IS NULL AND a.expires_at > now()
    AND p.may_log_in AND COALESCE(p.valid_until > now(), true)
    AND (a.role_oid IS NULL OR (r.may_log_in AND COALESCE(r.valid_until > now(), true) AND r.name = ANY (p.roles)))
"""
FIND_SQL = f"""
SELECT a.digest, a.sources, a.read_only, extract(epoch FROM a.expires_at - now())::float8 AS lasts_s,
    p.name AS principal, COALESCE(r.name, p.name) AS role, p.attributes, p.roles
{COUNTS} AND a.id = $2 AND a.tenant = (SELECT t.id FROM control.tenants t WHERE t.name = $1 AND t.ready)
"""
COUNTING_SQL = f"SELECT a.id {COUNTS} AND a.id = ANY ($1::text[])"
USED_SQL = """
UPDATE control.api_tokens SET last_used_at = now()
WHERE id = $1 AND COALESCE(last_used_at < now() - interval '1 minute', true)
"""
CREATE_SQL = """
INSERT INTO control.api_tokens
    (id, tenant, principal_oid, digest, description, role_oid, sources, read_only, expires_at)
SELECT $2, $1, p.role_oid, $4, $5, r.role_oid, $7, $8, now() + make_interval(days => $9)
FROM control.principals p LEFT JOIN control.principals r ON r.tenant = p.tenant AND r.name = $6
WHERE p.tenant = $1 AND p.name = $3 AND p.may_log_in AND p.role_oid IS NOT NULL
AND ($6::text IS NULL OR (r.may_log_in AND r.name = ANY (p.roles)))
RETURNING id
"""
LIST_SQL = """
SELECT a.id, p.name AS principal, a.description, r.name AS role, a.role_oid IS NOT NULL AS has_role, a.sources,
    a.read_only, a.created_at, a.expires_at, a.last_used_at, a.revoked_at
FROM control.api_tokens a
LEFT JOIN control.principals p ON p.tenant = a.tenant AND p.role_oid = a.principal_oid
LEFT JOIN control.principals r ON r.tenant = a.tenant AND r.role_oid = a.role_oid
WHERE a.tenant = $1 ORDER BY a.created_at, a.id
"""
REVOKE_SQL = """
UPDATE control.api_tokens SET revoked_at = COALESCE(revoked_at, now()) WHERE tenant = $1 AND id = $2 RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to be made: `role` and `sources` are None for all that its owner may do."""

    id: str
    digest: bytes
    principal: str
    description: str
    days: int
    role: str | None = None
    sources: tuple[str, ...] | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CountingToken:
    """A token that counts now, for `lasts_s` seconds more, if what is shown has its digest."""

    digest: bytes
    principal: str
    role: str
    known: KnownRole
    sources: tuple[str, ...] | None
    read_only: bool
    lasts_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedToken:
    """A token as it is listed; `principal` and `role` are empty when they are gone."""

    id: str
    principal: str
    description: str
    role: str | None
    sources: tuple[str, ...] | None
    read_only: bool
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def new_token() -> str:
    """Make a token: 256 random bits behind an id by which people speak of it."""
    name = "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARACTERS))
    return f"{PREFIX}_{name}_{secrets.token_urlsafe(32)}"


def token_id(token: str) -> str | None:
    """Return the id of a token; None where a text has not the form of one."""
    match = _FORM.fullmatch(token)
    return match[1] if match is not None else None


def token_digest(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


async def create(connection: Connection, tenant: UUID, token: NewToken) -> None:
    """Put a token on record.

    Raises: RoleUnknown (42704), its owner may not log in, or is not a member of a role of that name that may.
    """
    sources = list(token.sources) if token.sources is not None else None
    values = (token.id, token.principal, token.digest, token.description, token.role, sources, token.read_only)
    if await connection.fetchval(CREATE_SQL, tenant, *values, token.days) is None:
        raise RoleUnknown(
            "there is no such user who may log in, or it is no member of that role",
            detail=f"user {token.principal[:63]}, role {(token.role or token.principal)[:63]}",
            hint="Sessions of the token run as the role, which needs LOGIN.",
        )


async def find(connection: Connection, database: str, name: str) -> CountingToken | None:
    """Look up a token of a tenant that counts; the caller compares digests."""
    row = await connection.fetchrow(FIND_SQL, database, name)
    if row is None:
        return None
    known = KnownRole(
        verifier=None, may_log_in=True, attributes=json.loads(row["attributes"]), groups=tuple(row["roles"])
    )
    return CountingToken(
        digest=row["digest"],
        principal=row["principal"],
        role=row["role"],
        known=known,
        sources=_texts(row["sources"]),
        read_only=row["read_only"],
        lasts_s=row["lasts_s"],
    )


async def note_use(connection: Connection, name: str) -> None:
    """Remember that a token was used now; at most once a minute."""
    await connection.execute(USED_SQL, name)


async def counting(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Return those of some tokens that count still."""
    return frozenset(row["id"] for row in await connection.fetch(COUNTING_SQL, list(names)))


async def tokens_of(connection: Connection, tenant: UUID) -> tuple[ListedToken, ...]:
    """List a tenant's tokens, the oldest first."""
    return tuple(_listed(row) for row in await connection.fetch(LIST_SQL, tenant))


async def revoke(connection: Connection, tenant: UUID, name: str) -> None:
    """Have a token count no more, for ever.

    Raises: TokenUnknown (42704).
    """
    if await connection.fetchval(REVOKE_SQL, tenant, name) is None:
        raise TokenUnknown("the tenant has no such token", detail=name[:80])


def _listed(row: asyncpg.Record) -> ListedToken:
    return ListedToken(
        id=row["id"],
        principal=row["principal"] or "",
        description=row["description"],
        role=(row["role"] or "") if row["has_role"] else None,
        sources=_texts(row["sources"]),
        read_only=row["read_only"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )


def _texts(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values is not None else None
