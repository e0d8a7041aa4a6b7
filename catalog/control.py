"""The control database: tenants, principals and sealed secrets, in a cluster that no tenant's role can reach.

Functions over a control connection; each is one statement, so that each is atomic.
"""

from __future__ import annotations

import json
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

DATABASE_EXISTS_SQL = "SELECT 1 FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1"
CREATE_DATABASE_SQL = f"CREATE DATABASE {CONTROL_DATABASE} TEMPLATE template0"
TENANT_COLUMNS = "id, name, database, dsn, created_at"
CREATE_TENANT_SQL = f"INSERT INTO control.tenants (name, database, dsn) VALUES ($1, $2, $3) RETURNING {TENANT_COLUMNS}"
TENANT_BY_NAME_SQL = f"SELECT {TENANT_COLUMNS} FROM control.tenants WHERE name = $1"
ALL_TENANTS_SQL = f"SELECT {TENANT_COLUMNS} FROM control.tenants ORDER BY name"
PUT_PRINCIPAL_SQL = """
INSERT INTO control.principals (tenant, name, verifier, attributes, roles) VALUES ($1, $2, $3, $4::jsonb, $5)
ON CONFLICT (tenant, name) DO UPDATE
SET verifier = EXCLUDED.verifier, attributes = EXCLUDED.attributes, roles = EXCLUDED.roles
"""
PRINCIPAL_SQL = "SELECT verifier, attributes, roles FROM control.principals WHERE tenant = $1 AND name = $2"
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
    """One tenant; its cluster is embedded when `dsn` is None."""

    id: UUID
    name: str
    database: str
    dsn: str | None
    created_at: datetime


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


async def create_tenant(connection: Connection, *, name: str, database: str, dsn: str | None = None) -> Tenant:
    """Record a tenant.

    Raises: TenantExists (42P04), InvalidName (42602) for a name outside [a-z][a-z0-9_-]* or a DSN that holds a
    password.
    """
    if dsn is not None and (urlsplit(dsn).password or "password" in parse_qs(urlsplit(dsn).query)):
        raise InvalidName("a DSN may not hold a password", hint="Use a client certificate or a password file.")
    try:
        row = await connection.fetchrow(CREATE_TENANT_SQL, name, database, dsn)
    except asyncpg.UniqueViolationError as error:
        raise TenantExists("the tenant exists already", detail=name) from error
    except asyncpg.CheckViolationError as error:
        raise InvalidName("a tenant's name has lower-case letters, digits, _ and - only", detail=name[:80]) from error
    return _tenant(row, name)


async def tenant_named(connection: Connection, name: str) -> Tenant:
    """Look a tenant up.

    Raises: TenantUnknown (3D000).
    """
    return _tenant(await connection.fetchrow(TENANT_BY_NAME_SQL, name), name)


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
    return Principal(
        tenant=tenant,
        name=name,
        verifier=row["verifier"],
        attributes=json.loads(row["attributes"]),
        roles=tuple(row["roles"]),
    )


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


def _tenant(row: asyncpg.Record | None, name: str) -> Tenant:
    if row is None:
        raise TenantUnknown("the tenant does not exist", detail=name[:80])
    return Tenant(**dict(row))
