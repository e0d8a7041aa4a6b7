"""The parts of a tenant that is being served, and how some of them are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from catalog import control
from catalog.clusters import Cluster, EmbeddedCluster
from catalog.connection import Connection
from catalog.sharing import Columns, permit_sharing
from catalog.snapshot import Snapshot, load_snapshot
from omnisql_server.bounds import pipeline_bounds
from omnisql_server.disk_quota import DiskQuota
from omnisql_server.execute.instances import InstancePool
from omnisql_server.manage.analyze import AnalyzeManager
from omnisql_server.manage.kept import ManageCalls
from omnisql_server.manage.managed import Manage
from omnisql_server.model.statement import StatementKind
from omnisql_server.pipeline import Pipeline
from omnisql_server.repeats.repeats import Repeats
from omnisql_server.settings import Settings
from omnisql_server.tenant import Tenant
from omnisql_server.tenant_limits import TenantSettings


@dataclass(slots=True)
class OpenTenant:
    """A tenant that is being served."""

    record: control.Tenant
    cluster: Cluster
    tenant: Tenant
    pipeline: Pipeline
    pool: InstancePool
    repeats: Repeats
    quota: DiskQuota | None
    settings: TenantSettings
    stack: AsyncExitStack = field(repr=False)

    def reconfigure(self) -> None:
        """Have new statements obey the present settings and limits."""
        settings = self.settings.current
        self.pool.resize(settings.engine.memory_limit_mb)
        self.pipeline.reconfigure(pipeline_bounds(settings))


async def measured(cluster: Cluster, limits: TenantSettings) -> DiskQuota | None:
    """Measure a cluster of ours for the first time, before anybody writes to it."""
    if not isinstance(cluster, EmbeddedCluster):
        return None
    connect = partial(cluster.connect, cluster.superuser, "postgres")
    quota = DiskQuota(cluster.data_directory, connect, lambda: limits.current.clusters.disk_mb_max)
    await quota.watch()
    return quota


async def load_through(tenant_connection: Callable[[], AbstractAsyncContextManager[Connection]]) -> Snapshot:
    async with tenant_connection() as connection:
        return await load_snapshot(connection)


async def permit_through(
    tenant_connection: Callable[[], AbstractAsyncContextManager[Connection]],
    role: str,
    relations: Mapping[int, Columns],
) -> None:
    async with tenant_connection() as connection:
        await permit_sharing(connection, role, relations)


def managers_of(
    of_sources: Mapping[StatementKind, Manage], tenant: Tenant, settings: Settings
) -> dict[StatementKind, Manage]:
    return {
        **of_sources,
        StatementKind.ANALYZE: AnalyzeManager(tenant, timeout_s=settings.fetch.scan_timeout_s),
        StatementKind.CALL: ManageCalls(of_sources[StatementKind.CALL], tenant.kept),
    }
