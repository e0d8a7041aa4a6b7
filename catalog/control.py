"""The control database: tenants, principals and sealed secrets, in a cluster that no tenant's role can reach.

Functions over a control connection; each is one statement, so that each is atomic.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg

from catalog.clusters.cluster import Cluster
from catalog.connection import Connection
from catalog.errors import (
    InvalidName,
    MigrationFailed,
    PrincipalUnknown,
    SecretUnknown,
    TenantExists,
    TenantUnknown,
)
from catalog.migrations.runner import migrate, read_migrations

CONTROL_DATABASE = "omnisql_control"
TENANT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
CLUSTER_NAME_READABLE_MAX = 32

DATABASE_EXISTS_SQL = "SELECT 1 FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1"
CREATE_DATABASE_SQL = f"CREATE DATABASE {CONTROL_DATABASE} TEMPLATE template0"
TENANT_COLUMNS = "id, name, database, dsn, cluster, owner, ready, created_at, limits"
CREATE_TENANT_SQL = f"""
INSERT INTO control.tenants (name, database, dsn, cluster, owner) VALUES ($1, $2, $3, $4, $5) RETURNING {TENANT_COLUMNS}
"""
TENANT_BY_NAME_SQL = f"SELECT {TENANT_COLUMNS} FROM control.tenants WHERE name = $1"
ALL_TENANTS_SQL = f"SELECT {TENANT_COLUMNS} FROM control.tenants ORDER BY name"
CORRECT_TENANT_SQL = f"""
UPDATE control.tenants SET dsn = $2, owner = $3 WHERE id = $1 AND NOT ready RETURNING {TENANT_COLUMNS}
"""
MARK_READY_SQL = "UPDATE control.tenants SET ready = true, owner = $2 WHERE id = $1"
ALL_PRINCIPALS_SQL = """
SELECT name, verifier, attributes, roles FROM control.principals WHERE tenant = $1 ORDER BY name
"""
RENAME_TENANT_SQL = f"UPDATE control.tenants SET name = $2, database = $2 WHERE id = $1 RETURNING {TENANT_COLUMNS}"
PUT_PRINCIPAL_SQL = """
INSERT INTO control.principals (tenant, name, verifier, attributes, roles) VALUES ($1, $2, $3, $4::jsonb, $5)
ON CONFLICT (tenant, name) DO UPDATE
SET verifier = EXCLUDED.verifier, attributes = EXCLUDED.attributes, roles = EXCLUDED.roles
"""
PRINCIPAL_SQL = """
SELECT CASE WHEN valid_until OPERATOR(pg_catalog.<=) pg_catalog.now() THEN NULL ELSE verifier END AS verifier,
    attributes, roles FROM control.principals WHERE tenant = $1 AND name = $2
"""
PUT_SEALED_SQL = """
INSERT INTO control.secrets (handle, tenant, server_oid, role_oid, audience, sealed) VALUES ($1, $2, $3, $4, $5, $6)
"""
SEALED_SQL = """
SELECT handle, tenant, server_oid, role_oid, audience, sealed FROM control.secrets WHERE handle = $1
"""
AGED_SQL = """
SELECT handle FROM control.secrets
WHERE tenant = $1 AND created_at < pg_catalog.now() - pg_catalog.make_interval(secs => $2) ORDER BY created_at LIMIT $3
"""
FORGET_SQL = "DELETE FROM control.secrets WHERE tenant = $1 AND handle = ANY ($2::uuid[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant; its cluster is embedded when `dsn` is None.

    `cluster` names the cluster's data directory and stays when the tenant is renamed. A tenant that is not `ready` was
    not made to its end: nobody logs in to it, and making it again completes it. `limits` are numbers by the names of
    settings.
    """

    id: UUID
    name: str
    database: str
    dsn: str | None
    cluster: str
    owner: str | None
    ready: bool
    created_at: datetime
    limits: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who may log in to a tenant; `verifier` is SCRAM's, in PostgreSQL's notation."""

    tenant: UUID
    name: str
    verifier: str | None
    attributes: Mapping[str, object]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """One secret as stored: readable with the tenant's key and all four of what it is bound to.

    `role_oid` is that of the user mapping, 0 for PUBLIC.
    """

    handle: UUID
    tenant: UUID
    server_oid: int
    role_oid: int
    audience: str
    sealed: bytes


async def prepare_control_database(cluster: Cluster) -> tuple[int, ...]:
    """Create the control database in its running cluster, migrate it, and return the versions applied now."""
    connection = await cluster.connect(cluster.superuser, "postgres")
    try:
        if await connection.fetchval(DATABASE_EXISTS_SQL, CONTROL_DATABASE) is None:
            await connection.execute(CREATE_DATABASE_SQL)
    except asyncpg.PostgresError as error:
        raise MigrationFailed("the control database cannot be created", detail=str(error)) from error
    finally:
        await connection.close()
    connection = await cluster.connect(cluster.superuser, CONTROL_DATABASE)
    try:
        return await migrate(connection, read_migrations())
    finally:
        await connection.close()


async def create_tenant(
    connection: Connection, *, name: str, database: str, dsn: str | None = None, owner: str | None = None
) -> Tenant:
    """Record a tenant, not ready yet, with a cluster name that no other tenant ever had.

    Raises: TenantExists (42P04), InvalidName (42602) for a name outside [a-z][a-z0-9_-]* or a DSN that holds a
    password.
    """
    check_tenant_name(name)
    _check_dsn(dsn)
    try:
        row = await connection.fetchrow(CREATE_TENANT_SQL, name, database, dsn, _new_cluster_name(name), owner)
    except asyncpg.UniqueViolationError as error:
        raise TenantExists("the tenant exists already", detail=name) from error
    return _tenant(row, name)


async def tenant_named(connection: Connection, name: str) -> Tenant:
    """Look a tenant up.

    Raises: TenantUnknown (3D000).
    """
    return _tenant(await connection.fetchrow(TENANT_BY_NAME_SQL, name), name)


def check_tenant_name(name: str) -> None:
    """Refuse what cannot be a tenant's name, before anything is done under it.

    Raises: InvalidName (42602).
    """
    if not TENANT_NAME.fullmatch(name):
        raise InvalidName("a tenant's name has lower-case letters, digits, _ and - only", detail=name[:80])


async def correct_tenant(connection: Connection, tenant: UUID, *, dsn: str | None, owner: str) -> Tenant:
    """Replace DSN and owner on record of a tenant that was not made to its end.

    Raises: InvalidName (42602) for a DSN that holds a password, TenantUnknown (3D000).
    """
    _check_dsn(dsn)
    return _tenant(await connection.fetchrow(CORRECT_TENANT_SQL, tenant, dsn, owner), str(tenant))


async def mark_ready(connection: Connection, tenant: UUID, owner: str) -> None:
    """Let users log in to a tenant that is complete, and say who owns it."""
    await connection.execute(MARK_READY_SQL, tenant, owner)


async def rename_tenant(connection: Connection, tenant: UUID, name: str) -> Tenant:
    """Give a tenant, and with it its database, another name on record.

    Raises: TenantExists (42P04), InvalidName (42602), TenantUnknown (3D000).
    """
    check_tenant_name(name)
    try:
        return _tenant(await connection.fetchrow(RENAME_TENANT_SQL, tenant, name), name)
    except asyncpg.UniqueViolationError as error:
        raise TenantExists("the tenant exists already", detail=name) from error


async def all_tenants(connection: Connection) -> tuple[Tenant, ...]:
    """List the tenants by name."""
    return tuple(_tenant(row, row["name"]) for row in await connection.fetch(ALL_TENANTS_SQL))


async def put_principal(connection: Connection, principal: Principal) -> None:
    """Record a principal, or replace what is recorded.

    Raises: TenantUnknown (3D000), InvalidName (42602) for an empty name or a verifier that is not SCRAM-SHA-256.
    """
    attributes = json.dumps(dict(principal.attributes))
    values = (principal.tenant, principal.name, principal.verifier, attributes, list(principal.roles))
    try:
        await connection.execute(PUT_PRINCIPAL_SQL, *values)
    except asyncpg.ForeignKeyViolationError as error:
        raise TenantUnknown("the tenant does not exist", detail=str(principal.tenant)) from error
    except asyncpg.CheckViolationError as error:
        raise InvalidName("the principal's name or verifier is not acceptable", detail=principal.name[:80]) from error


async def principal_named(connection: Connection, tenant: UUID, name: str) -> Principal:
    """Look a principal up.

    Raises: PrincipalUnknown (28000).
    """
    row = await connection.fetchrow(PRINCIPAL_SQL, tenant, name)
    if row is None:
        raise PrincipalUnknown("the principal does not exist", detail=name[:80])
    return _principal(tenant, name, row)


async def principals_of(connection: Connection, tenant: UUID) -> tuple[Principal, ...]:
    """List a tenant's principals by name."""
    rows = await connection.fetch(ALL_PRINCIPALS_SQL, tenant)
    return tuple(_principal(tenant, row["name"], row) for row in rows)


async def put_secret(connection: Connection, secret: SealedSecret) -> None:
    """Store a sealed secret under its handle.

    Raises: TenantUnknown (3D000).
    """
    values = (secret.handle, secret.tenant, secret.server_oid, secret.role_oid, secret.audience, secret.sealed)
    try:
        await connection.execute(PUT_SEALED_SQL, *values)
    except asyncpg.ForeignKeyViolationError as error:
        raise TenantUnknown("the tenant does not exist", detail=str(secret.tenant)) from error


async def get_secret(connection: Connection, handle: UUID) -> SealedSecret:
    """Fetch a sealed secret.

    Raises: SecretUnknown (28000).
    """
    row = await connection.fetchrow(SEALED_SQL, handle)
    if row is None:
        raise SecretUnknown("the secret does not exist", hint="Give the credential again.")
    return SealedSecret(**dict(row))


async def aged_secrets(connection: Connection, *, tenant: UUID, age_s: float, count_max: int) -> tuple[UUID, ...]:
    """List the handles of a tenant's secrets that are older than `age_s` seconds, the oldest first."""
    return tuple(row["handle"] for row in await connection.fetch(AGED_SQL, tenant, age_s, count_max))


async def delete_secrets(connection: Connection, *, tenant: UUID, handles: Iterable[UUID]) -> None:
    """Forget secrets of a tenant; forgetting one that does not exist does nothing."""
    await connection.execute(FORGET_SQL, tenant, list(handles))


def _check_dsn(dsn: str | None) -> None:
    if dsn is not None and (urlsplit(dsn).password or "password" in parse_qs(urlsplit(dsn).query)):
        raise InvalidName("a DSN may not hold a password", hint="Use a client certificate.")


def _new_cluster_name(name: str) -> str:
    """Name a cluster after its tenant, so that people find it, with a random part, so that no other ever had it."""
    return f"{name[:CLUSTER_NAME_READABLE_MAX]}-{secrets.token_hex(4)}"


def _principal(tenant: UUID, name: str, row: asyncpg.Record) -> Principal:
    return Principal(
        tenant=tenant,
        name=name,
        verifier=row["verifier"],
        attributes=json.loads(row["attributes"]),
        roles=tuple(row["roles"]),
    )


def _tenant(row: asyncpg.Record | None, name: str) -> Tenant:
    if row is None:
        raise TenantUnknown("the tenant does not exist", detail=name[:80])
    return Tenant(**{**dict(row), "limits": json.loads(row["limits"])})
