"""The ledger of destroyed tenants: in the control database, and in a file beside it that survives its restoration.

A tenant is written down before anything of it is destroyed. What is in the ledger is never served again, whichever
backup brings it back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from catalog.connection import Connection
from catalog.control import Tenant

LEDGER_FILE = "destroyed-tenants"

BEGIN_SQL = """
INSERT INTO control.destroyed_tenants (tenant, name, cluster) VALUES ($1, $2, $3)
ON CONFLICT (tenant) DO NOTHING
"""
FINISH_SQL = "UPDATE control.destroyed_tenants SET finished_at = now() WHERE tenant = $1"
DELETE_SQL = "DELETE FROM control.tenants WHERE id = $1"
LEDGER_SQL = "SELECT tenant, name, cluster FROM control.destroyed_tenants"
RETURNED_SQL = "SELECT id FROM control.tenants WHERE id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """A tenant that is destroyed, or about to be; `at` is the time of day in ISO 8601."""

    tenant: UUID
    name: str
    cluster: str
    at: str
    signed_by: str
    signature: str


class Ledger:
    """The file, an entry a line; `sign` gives the key's name and the signature over an entry's text."""

    def __init__(self, path: Path, sign: Callable[[bytes], tuple[str, str]]) -> None:
        self._path = path
        self._sign = sign

    def add(self, tenant: Tenant, at: str) -> None:
        """Write a tenant down, durably, unless it is there already."""
        if any(entry.tenant == tenant.id for entry in self.entries()):
            return
        signed_by, signature = self._sign(entry_text(tenant.id, tenant.name, tenant.cluster, at))
        line = json.dumps(
            {
                "tenant": str(tenant.id),
                "name": tenant.name,
                "cluster": tenant.cluster,
                "at": at,
                "signed_by": signed_by,
                "signature": signature,
            }
        )
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def entries(self) -> tuple[Destroyed, ...]:
        """Read all entries."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        return tuple(
            Destroyed(**{**entry, "tenant": UUID(entry["tenant"])}) for entry in (json.loads(line) for line in lines)
        )

    def holds(self, cluster: str) -> bool:
        """Say whether a cluster was a destroyed tenant's."""
        return any(entry.cluster == cluster for entry in self.entries())


def entry_text(tenant: UUID, name: str, cluster: str, at: str) -> bytes:
    """Return what is signed of an entry, a line each."""
    return "\n".join(("omnisql destroyed tenant 1", str(tenant), name, cluster, at)).encode()


async def begin(connection: Connection, tenant: Tenant) -> None:
    """Write a tenant down in the control database."""
    await connection.execute(BEGIN_SQL, tenant.id, tenant.name, tenant.cluster)


async def finish(connection: Connection, tenant: UUID) -> None:
    """Forget all that the control database holds of a tenant but its entry, which is now complete."""
    async with connection.transaction():
        await connection.execute(DELETE_SQL, tenant)
        await connection.execute(FINISH_SQL, tenant)


async def returned(connection: Connection, ledger: Ledger) -> frozenset[UUID]:
    """Return what the control database has of destroyed tenants: it was restored, or one was not completed."""
    known = {entry.tenant for entry in ledger.entries()} | {row["tenant"] for row in await connection.fetch(LEDGER_SQL)}
    return frozenset(row["id"] for row in await connection.fetch(RETURNED_SQL, list(known)))
