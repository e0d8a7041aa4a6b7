"""Which sealed secrets vendors sign their webhooks with. Functions over a control connection, one statement each."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from catalog.connection import Connection
from catalog.credentials import HANDLE_PREFIX, CredentialStore, Use
from catalog.errors import CatalogError, SecretRefused, SecretUnknown

SECRETS_MAX = 10
"""Secrets of one server that a signature may be made with: as many as roles have set, and those just replaced."""

PUT_SQL = "INSERT INTO control.webhooks (handle, server, connector) VALUES ($1, $2, $3)"
FIND_SQL = """
SELECT s.handle, s.tenant, s.server_oid, s.role_oid, s.audience, w.connector
FROM control.webhooks w JOIN control.secrets s ON s.handle = w.handle JOIN control.tenants t ON t.id = s.tenant
WHERE t.name = $1 AND w.server = $2 AND t.ready ORDER BY s.created_at DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A server whose vendor may send webhooks."""

    tenant: UUID
    connector: str
    secrets: tuple[bytes, ...]


async def put_webhook(connection: Connection, handle: UUID, server: str, connector: str) -> None:
    """Say that a stored secret is one for the webhooks of a server."""
    await connection.execute(PUT_SQL, handle, server, connector)


async def find_webhook(
    connection: Connection, credentials: CredentialStore, tenant: str, server: str
) -> Webhook | None:
    """Return the secrets of a tenant's server, the youngest first; None where it has none.

    Raises:
        SecretUnknown, SecretRefused: 28000, none of them can be opened. KeysUnavailable: 57P03.
    """
    rows = await connection.fetch(FIND_SQL, tenant, server, SECRETS_MAX)
    secrets: list[bytes] = []
    failures: list[CatalogError] = []
    for row in rows:
        use = Use(
            tenant=row["tenant"], server_oid=row["server_oid"], role_oid=row["role_oid"], audience=row["audience"]
        )
        secret = await credentials.get(connection, f"{HANDLE_PREFIX}{row['handle']}", use)
        try:
            followed = await credentials.follow(secret.decode(), tenant, use.audience)
        except (SecretUnknown, SecretRefused) as error:
            # What one role named and is gone does not stop what another's signs.
            failures.append(error)
            continue
        secrets.append(secret if followed is None else followed.value.encode())
    if failures and not secrets:
        raise failures[0]
    return Webhook(tenant=rows[0]["tenant"], connector=rows[0]["connector"], secrets=tuple(secrets)) if rows else None
