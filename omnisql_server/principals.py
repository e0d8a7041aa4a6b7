"""Who may log in to a tenant: its roles, as last copied from its cluster into the control database."""

from __future__ import annotations

from catalog import control
from catalog.clusters import Cluster
from catalog.roles import mirror_roles, read_roles
from omnisql_server.audit.acts import noticed
from omnisql_server.services import Services

DETAIL_CHARACTERS_MAX = 4_096


async def copy_roles(services: Services, record: control.Tenant, cluster: Cluster) -> None:
    """Mirror the roles of a running cluster into the control database.

    Raises:
        CatalogError: the cluster or the control database cannot be reached.
        AuditUnavailable: 58030, the change cannot be put on record; nothing is mirrored.
    """
    connection = await cluster.connect(cluster.superuser, record.database)
    try:
        roles = await read_roles(connection)
    finally:
        await connection.close()
    async with services.control_connection() as control_connection:

        async def tell(changes: tuple[str, ...]) -> None:
            detail = "; ".join(changes)[:DETAIL_CHARACTERS_MAX]
            await noticed(services.audit.journal.write, record.id, kind="roles", tenant=record.name, detail=detail)

        await mirror_roles(control_connection, record.id, roles, tell)
