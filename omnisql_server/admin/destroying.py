"""Destroys a tenant: its sessions, cluster, keys, kept rows and records; every step may be repeated.

First it is written down, so that whatever comes back of it is not served; last its record goes, so that a destruction
that failed on the way is completed by doing it again.
"""

from __future__ import annotations

import structlog

from catalog import control, destruction
from catalog.errors import ClusterInUse
from catalog.tenants import drop_database
from omnisql_server.freshness.cache import forget_tenant
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.services import Services

_log = structlog.get_logger(__name__)


async def destroy_tenant(services: Services, record: control.Tenant, at: str) -> None:
    """Destroy a tenant that has no sessions.

    The rows kept of it in Valkey are removed where Valkey answers; without its key nobody reads them anyway.

    Raises:
        CatalogError: a part cannot be destroyed now; what could be is, and nothing of the tenant is served any more.
    """
    services.ledger.add(record, at)
    async with services.control_connection() as connection:
        await destruction.begin(connection, record)
    if record.dsn is None:
        if not await services.clusters.stop(record.cluster):
            raise ClusterInUse("the tenant's cluster is in use", detail=record.cluster)
        services.clusters.forget(record.cluster)
        await services.remove_cluster(record.cluster)
    else:
        await drop_database(services.external_cluster(record.dsn), record.database)
    async with services.control_connection() as connection:
        await services.keys.destroy(connection, record.id)
    try:
        await forget_tenant(services.valkey.client, record.id)
    except VALKEY_ERRORS as error:
        _log.warning("kept_rows_not_removed", tenant=record.name, error=type(error).__name__)
    async with services.control_connection() as connection:
        await destruction.finish(connection, record.id)
    _log.info("tenant_destroyed", tenant=record.name, tenant_id=str(record.id))


async def destroy_returned(services: Services, at: str) -> None:
    """Destroy again what a restored control database has brought back of destroyed tenants, or what was not completed.

    Raises:
        CatalogError: it cannot be done; the server is not to serve then.
    """
    async with services.control_connection() as connection:
        ids = await destruction.returned(connection, services.ledger)
        records = [each for each in await control.all_tenants(connection) if each.id in ids]
    for record in records:
        _log.warning("destroyed_tenant_returned", tenant=record.name, tenant_id=str(record.id))
        await destroy_tenant(services, record, at)
